"""The certified OpenID provider as a process of its own on the loopback."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx
import pytest

FOLDER = Path(__file__).parent / "oidc_provider"
_STOP_S = 10
_STEPS_MAX = 12


@contextlib.contextmanager
def oidc_server(redirect_uri: str, clients: dict[str, dict[str, str]]) -> Iterator[str]:
    """Run a provider; yield its issuer.

    Args:
        redirect_uri: where it may send browsers.
        clients: secret and algorithm of each client, by id.
    """
    node = shutil.which("node")
    if node is None or not (FOLDER / "node_modules" / "oidc-provider").exists():
        pytest.fail("these tests need Node.js and the OpenID provider; run scripts/servers")
    wanted = json.dumps({"redirect_uri": redirect_uri, "clients": clients})
    command = [node, "server.mjs", wanted]
    # It ends with its standard input, so it cannot outlive a test run that is killed.
    with subprocess.Popen(
        command,
        cwd=FOLDER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                word, _, issuer = line.strip().partition(" ")
                if word == "issuer":
                    yield issuer
                    return
            pytest.fail("the OpenID provider did not start")
        finally:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


class _Form(HTMLParser):
    """The first form of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and not self.action:
            self.action = values["action"]
        elif tag == "input" and values.get("name"):
            self.fields[values["name"]] = values.get("value", "")
        elif tag == "a":
            self.links.append(values.get("href", ""))


async def go_through_the_forms(
    location: str, redirect_uri: str, login: str, *, abort: bool = False
) -> dict[str, str]:
    """Do what a person does at the provider: log in as *login* and consent.

    Args:
        location: where the relying party sends the browser.
        redirect_uri: where the provider sends it in the end.
        login: the name to log in with.
        abort: follow the link that gives up instead.

    Returns:
        The query of the way back.
    """
    async with httpx.AsyncClient() as browser:
        answer = await browser.get(location)
        for _ in range(_STEPS_MAX):
            if answer.is_redirect:
                target = urljoin(str(answer.url), answer.headers["location"])
                if target.startswith(redirect_uri):
                    return dict(parse_qsl(urlsplit(target).query))
                answer = await browser.get(target)
                continue
            assert answer.status_code == 200, answer.text
            form = _Form(answer.text)
            assert form.action, answer.text
            if abort:
                link = next(link for link in form.links if link.endswith("abort"))
                answer = await browser.get(urljoin(str(answer.url), link))
                continue
            fields = dict(form.fields)
            if "login" in fields:
                fields |= {"login": login, "password": "any"}  # pragma: allowlist secret
            answer = await browser.post(urljoin(str(answer.url), form.action), data=fields)
    pytest.fail("the provider's forms lead nowhere")
