"""The Dockerfile, read as text: no engine is needed."""

from __future__ import annotations

import fnmatch
import re
import tomllib

import pytest

from tradeplane.settings import Settings, variable

PINNED = re.compile(r"[a-z0-9._-]+(\[[a-z,]+\])?==[^ ;]+( ; [^\\]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def parse(text):
    """Return (instruction, argument) pairs, continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def instructions(root):
    return parse((root / "Dockerfile").read_text())


@pytest.fixture(scope="module")
def environment(instructions):
    last = max(index for index, (name, _) in enumerate(instructions) if name == "FROM")
    pairs = " ".join(text for name, text in instructions[last:] if name == "ENV").split()
    return dict(pair.split("=", 1) for pair in pairs)


def arguments(instructions, wanted):
    return [text for name, text in instructions if name == wanted]


def test_every_instruction_is_one_that_docker_knows(instructions):
    known = {"ARG", "FROM", "RUN", "COPY", "ENV", "USER", "WORKDIR", "EXPOSE", "HEALTHCHECK", "CMD"}

    assert instructions[0][0] == "ARG"
    assert {name for name, _ in instructions} == known


def test_both_stages_have_the_base_that_the_release_pins(instructions):
    assert arguments(instructions, "ARG") == ["PYTHON_IMAGE=python:3.11-slim"]
    assert arguments(instructions, "FROM") == ["${PYTHON_IMAGE} AS build", "${PYTHON_IMAGE}"]


def installs(instructions):
    commands = " && ".join(arguments(instructions, "RUN")).split("&&")
    return [command.strip() for command in commands if "pip install" in command]


def test_nothing_is_installed_without_its_hash(instructions):
    found = installs(instructions)

    assert len(found) == 5
    for command in found:
        assert ("--require-hashes" in command) != ("--no-index" in command)


def test_market_data_brings_no_dependencies(instructions):
    (command,) = (item for item in installs(instructions) if "market-data" in item)

    assert "--no-deps" in command


def test_every_list_pins_versions_and_hashes_and_names_no_index(instructions, root):
    lists = {
        path for item in installs(instructions) for path in re.findall(r"requirements/\S+", item)
    }

    assert lists == {f"requirements/{name}.txt" for name in ("aws", "build", "market-data", "run")}
    for path in lists:
        for line in (root / path).read_text().splitlines():
            assert PINNED.fullmatch(line) or HASH.fullmatch(line), f"{path}: {line}"


def test_no_address_of_an_index_is_in_the_image(instructions):
    text = " ".join(f"{name} {argument}" for name, argument in instructions)

    assert re.search(r"https?://|index-url|extra-index|trusted-host|find-links", text) is None


def copied(instructions):
    for text in arguments(instructions, "COPY"):
        if not text.startswith("--from"):
            yield from text.split()[:-1]


def ignored(path, rules):
    """Tell whether the builder leaves *path* out; the last rule that matches decides."""
    verdict = False
    for rule in rules:
        pattern = rule.removeprefix("!").rstrip("/")
        if fnmatch.fnmatch(path, pattern) or path.startswith(f"{pattern}/"):
            verdict = not rule.startswith("!")
    return verdict


def test_everything_that_is_copied_exists_and_is_not_ignored(instructions, root):
    rules = (root / ".dockerignore").read_text().split()
    sources = [path.rstrip("/") for path in copied(instructions)]

    assert len(sources) == 9
    for path in sources:
        assert (root / path).exists(), path
        assert not ignored(path, rules), path


@pytest.mark.parametrize("path", [".git/config", "var/credentials.json", ".venv/x", "tests/x.py"])
def test_nothing_else_reaches_the_builder(path, root):
    assert ignored(path, (root / ".dockerignore").read_text().split())


def test_the_process_is_the_user_that_the_pods_demand(instructions, render):
    (user,) = arguments(instructions, "USER")
    for spec in render("base").ray_pods:
        context = spec["securityContext"]
        assert user == f"{context['runAsUser']}:{context['runAsGroup']}"
    assert user.split(":")[0] not in {"0", "root"}


def test_the_user_is_set_before_the_command_and_nothing_runs_after_it(instructions):
    names = [name for name, _ in instructions]

    assert names.index("USER") < names.index("CMD")
    assert "RUN" not in names[names.index("USER") :]


def test_its_environment_demands_the_token_and_holds_known_settings(environment):
    ours = {name for name in environment if name.startswith("TRADEPLANE_")}

    assert environment["RAY_AUTH_MODE"] == "token"
    assert ours == {"TRADEPLANE_HOME"}
    assert ours <= {variable(name) for name in Settings.__struct_fields__}
    # `ray up` looks here for where the container's user lives.
    assert environment["HOME"] == "/home/tradeplane"


def test_its_ports_are_the_ones_of_the_pods(instructions, render):
    declared = {
        port["containerPort"]
        for spec in render("base").ray_pods
        for port in spec["containers"][0]["ports"]
    }
    exposed = {int(port) for text in arguments(instructions, "EXPOSE") for port in text.split()}

    assert exposed == declared - {6379}


def test_its_command_is_one_of_the_distribution(instructions, root):
    scripts = tomllib.loads((root / "pyproject.toml").read_text())["project"]["scripts"]

    assert arguments(instructions, "CMD") == ['["tradeplane", "run"]']
    assert "tradeplane" in scripts
    assert arguments(instructions, "HEALTHCHECK") == ["NONE"]
