"""Which URLs a secret may be sent to."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit


def is_secure_url(text: str) -> bool:
    """Return whether *text* is an absolute URL of https, or of http on this very machine.

    One with a user, a password or a fragment is none: it is not what it looks like.
    """
    parts = _split(text)
    if parts is None or not parts.hostname or "@" in parts.netloc or "#" in text:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))


def is_loopback_url(text: str) -> bool:
    """Return whether *text* names this very machine."""
    parts = _split(text)
    return parts is not None and _is_loopback(parts.hostname or "")


def _split(text: str) -> SplitResult | None:
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        return None
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
