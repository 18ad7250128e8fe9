"""A small copy of the project, in which a test may break what the supply chain's scripts check."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


class ProjectCopy:
    """The scripts and some other files, in a folder of its own, with the project's tools.

    Args:
        folder: an empty one.
        names: what to copy besides the scripts.
    """

    def __init__(self, folder: Path, *names: str) -> None:
        self.folder = folder
        for name in ("scripts", *names):
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, folder / name)
        (folder / ".venv").symlink_to(ROOT / ".venv", target_is_directory=True)

    def write(self, name: str, text: str) -> None:
        """Write one file, and the folders above it."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def replace_tool(self, name: str, program: str) -> None:
        """Put *program*, a Python text, in the place of one tool; the others stay."""
        tools = self.folder / ".venv"
        if tools.is_symlink():
            tools.unlink()
            (tools / "bin").mkdir(parents=True)
            # Not a symbolic link: Python finds its packages beside the path that it is called by.
            python = tools / "bin" / "python"
            python.write_text(f'#!/bin/sh\nexec {ROOT}/.venv/bin/python "$@"\n')
            python.chmod(0o755)
        tool = tools / "bin" / name
        tool.write_text(f"#!{ROOT}/.venv/bin/python\n{program}")
        tool.chmod(0o755)

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the copy to its end."""
        inherited = {name: value for name, value in os.environ.items() if name != "STRICT"}
        return subprocess.run(
            command,
            cwd=self.folder,
            env=inherited | environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
