"""The few cookies of login pages: each binds a page to the browser that has asked for it."""

from __future__ import annotations

from typing import Literal

from serve.exchange import Exchange, Header


def read_cookie(exchange: Exchange, name: str) -> str:
    """Return the value of a cookie; empty when it is absent, or there twice."""
    found = ""
    for pair in exchange.headers.get(b"cookie", b"").decode("latin-1").split(";"):
        its_name, _, value = pair.strip().partition("=")
        if its_name == name:
            if found:
                return ""
            found = value
    return found


def set_cookie(
    name: str, value: str, life_s: int, *, same_site: Literal["Strict", "Lax"], secure: bool
) -> Header:
    """Return the header that sets a cookie which no script can read; for 0 seconds, ends it.

    Args:
        name: its name; one with ``__Host-`` must be *secure*.
        value: characters of base64url alone.
        life_s: how long it lives.
        same_site: whether a link from another site carries it along.
        secure: whether it travels by https alone.
    """
    text = f"{name}={value}; Path=/; Max-Age={life_s}; HttpOnly; SameSite={same_site}"
    return b"set-cookie", (f"{text}; Secure" if secure else text).encode()


def cookie_name(name: str, *, secure: bool) -> str:
    """Return *name* with the prefix that browsers tie to this very host, where it is possible."""
    return f"__Host-{name}" if secure else name
