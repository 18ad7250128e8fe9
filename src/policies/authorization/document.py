"""Policy files as values: from a folder, from the package, from an event."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TypeAlias

from tradeplane.errors import InvalidPolicy

PolicyDocument: TypeAlias = tuple[tuple[str, str], ...]
"""The policy files in force: name and text of each, in the order of their names."""

SCHEMA = "schema.cedarschema"
_FILES_MAX = 64
_FILE_BYTES_MAX = 65_536


def packaged_schema() -> str:
    """Return the schema, which is the program's and no matter of configuration."""
    return files(__package__).joinpath(SCHEMA).read_text("utf-8")


def packaged_policies() -> PolicyDocument:
    """Return the policies that an installation comes with."""
    found = [item for item in files(__package__).iterdir() if item.name.endswith(".cedar")]
    return tuple(sorted((item.name, item.read_text("utf-8")) for item in found))


def folder_policies(folder: Path) -> PolicyDocument:
    """Return the ``.cedar`` files of *folder*.

    Raises:
        InvalidPolicy: there is none, there are too many, or one is too large or no UTF-8.
    """
    paths = sorted(folder.glob("*.cedar"))
    if not 1 <= len(paths) <= _FILES_MAX:
        raise InvalidPolicy(f"{folder} has {len(paths)} .cedar files; 1 to {_FILES_MAX} are right")
    return tuple((path.name, _text(path)) for path in paths)


def _text(path: Path) -> str:
    content = path.read_bytes()
    if len(content) > _FILE_BYTES_MAX:
        raise InvalidPolicy(f"{path.name} has {len(content)} bytes, the most is {_FILE_BYTES_MAX}")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InvalidPolicy(
            f"{path.name}:{line}: it is not UTF-8", {"file": path.name, "line": str(line)}
        ) from error
