"""What the security documents name exists: tests, commands, other documents."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from cli.main import _parser

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "docs/threat-model.md"
RUNBOOKS = sorted((ROOT / "docs/runbooks").glob("*.md"))
GUIDES = sorted((ROOT / "docs/guides").glob("*.md"))
PROOF = re.compile(r"`([a-z_/]+\.py)::(\w+)`")
COMMAND_ENDS = {"&&", "||", "|", ">", "<", ";"}


def commands(text: str) -> list[list[str]]:
    """Return the calls of ``tradeplane`` in the shell examples of *text*."""
    found = []
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["tradeplane"]:
                end = next((n for n, word in enumerate(words) if word in COMMAND_ENDS), len(words))
                found += alternatives(words[1:end])
    return found


def alternatives(words: list[str]) -> list[list[str]]:
    """Return what ``keys list|create`` names: one call for help for each verb."""
    for place, word in enumerate(words):
        if "|" in word:
            return [[*words[:place], verb, "--help"] for verb in word.split("|")]
    return [words]


def is_known(words: list[str]) -> bool:
    try:
        _parser().parse_args(words)
    except SystemExit as end:
        return end.code == 0
    return True


def test_every_test_that_the_threat_model_names_exists() -> None:
    proofs = PROOF.findall(MODEL.read_text())

    missing = []
    for path, name in proofs:
        file = ROOT / "tests" / path
        source = file.read_text() if file.is_file() else ""
        if not re.search(rf"^\s*(?:async )?(?:def|class) {name}\b", source, re.MULTILINE):
            missing.append(f"{path}::{name}")
    assert len(proofs) > 50, "the threat model is hardly shown by any test"
    assert missing == []


def test_every_threat_has_a_control_a_proof_and_a_requirement() -> None:
    rows = re.findall(r"^\| ([A-Z]\d+) \|(.*)\|$", MODEL.read_text(), re.MULTILINE)

    assert len({number for number, _ in rows}) == len(rows), "a number stands twice"
    for number, rest in rows:
        kinds, threat, control, proofs, requirements = (cell.strip() for cell in rest.split(" | "))
        assert re.fullmatch(r"[STRIDE](, [STRIDE])*", kinds), number
        assert threat, number
        assert control, number
        assert PROOF.search(proofs) or proofs.startswith("accepted: "), number
        assert re.fullmatch(r"\d+\.\d+\.\d+(, \d+\.\d+\.\d+)*|none", requirements), number


@pytest.mark.parametrize("document", [*RUNBOOKS, *GUIDES], ids=lambda path: path.stem)
def test_every_command_of_a_document_is_one_that_exists(document: Path) -> None:
    assert [words for words in commands(document.read_text()) if not is_known(words)] == []


@pytest.mark.parametrize(
    "call", ["keys destroy PK1 --reason x", "keys list|destroy", "keys revoke PK1"]
)
def test_a_command_that_does_not_exist_would_be_found(call: str) -> None:
    found = commands(f"```sh\ntradeplane {call}   # as documented\n```\n")

    assert not all(is_known(words) for words in found)


@pytest.mark.parametrize("document", [MODEL, *RUNBOOKS], ids=lambda path: path.stem)
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text())

    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (document.parent / link).exists()] == []
