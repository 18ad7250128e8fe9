"""The login and consent page: no script, nothing from elsewhere, not to be framed."""

from __future__ import annotations

import base64
import hashlib
import re
from urllib.parse import urlsplit

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined

from serve.exchange import Header, Reply

HTML = b"text/html; charset=utf-8"
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")
_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;margin:2rem auto;max-width:28rem;padding:0 1rem}"
    "label,input,button{display:block;width:100%;box-sizing:border-box}"
    "input,button{font:inherit;margin:.25rem 0 1rem;padding:.5rem}"
    "[role=alert]{border-left:.25rem solid #b00020;padding-left:.75rem}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_ENVIRONMENT = Environment(
    loader=PackageLoader("serve"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_WORDS = {
    "market:read": "read market data",
    "account:read": "read your account, orders and positions",
    "account:trade": "place and cancel orders",
    "self:manage": "manage your sessions and second factor",
    "tenant:manage": "manage your firm's users, accounts and keys",
    "platform:manage": "manage the installation and every firm",
    "encryption:use": "encrypt, decrypt and sign with your firm's keys",
    "encryption:manage": "manage your firm's encryption keys",
    "audit:prove": "prove your orders by the audit log",
    "audit:read": "read your firm's audit log",
    "audit:verify": "verify the audit log",
}


class ConsentAsked(msgspec.Struct, frozen=True):
    """What the page asks the user.

    Attributes:
        client_name: who asks.
        scopes: actions that it asks for.
        redirect_uri: where the user goes afterwards.
        sealed: what the page was made for, as it comes back with the form.
    """

    client_name: str
    scopes: tuple[str, ...]
    redirect_uri: str
    sealed: str


def consent_page(asked: ConsentAsked, problem: str = "", status: int = 200) -> Reply:
    """Return the page, with what went wrong before, if anything did."""
    context: dict[str, object] = {
        "client_name": asked.client_name,
        "scopes": [_WORDS.get(scope, scope) for scope in asked.scopes],
        "redirect_host": urlsplit(asked.redirect_uri).netloc,
        "sealed": asked.sealed,
    }
    return _page("Log in to Tradeplane", problem, status, context, _origin(asked.redirect_uri))


def refusal_page(problem: str) -> Reply:
    """Return a page that leads nowhere, for a request that cannot be trusted to name a place."""
    return _page("This request cannot be answered", problem, 400, None, "")


def _page(
    title: str, problem: str, status: int, asked: dict[str, object] | None, target: str
) -> Reply:
    text = _ENVIRONMENT.get_template("authorize.html.j2").render(
        title=title, problem=problem, asked=asked, style=_STYLE
    )
    # Browsers apply form-action to the redirect that follows the form, too.
    targets = f"'self' {target}".rstrip()
    policy = (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action {targets}; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    headers: tuple[Header, ...] = (
        (b"content-security-policy", policy.encode("ascii")),
        (b"x-frame-options", b"DENY"),
    )
    return Reply(status, text.encode(), media_type=HTML, headers=headers)


def _origin(uri: str) -> str:
    parts = urlsplit(uri)
    origin = f"{parts.scheme}://{parts.netloc}"
    # Nothing that could end the directive; an origin with other characters gets no redirect.
    return origin if _ORIGIN.fullmatch(origin) else ""
