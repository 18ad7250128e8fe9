"""Finds the secrets that Tradeplane itself gives out, in any text."""

from __future__ import annotations

import re
from collections.abc import Generator

# Only the base class: the scanner takes every detector that it sees here for one of ours.
from detect_secrets.plugins import base

from tradeplane.auth.api_key import is_well_formed

_SECRET_KEY = re.compile(r"(?<![0-9A-Za-z_])tps_[0-9A-Za-z]{49}(?![0-9A-Za-z])")
_REFRESH_TOKEN = re.compile(r"(?<![0-9A-Za-z_])tpr_[0-9a-f-]{36}\.([0-9A-Za-z_-]{43})")
_CLIENT_SECRET = re.compile(r"(?<![0-9A-Za-z_])tpx_[0-9A-Za-z_-]{43}")
_ROOT_KEY = re.compile(r"\bfile:[0-9a-f]{16} ([0-9A-Za-z+/]{43}=)")


class TradeplaneDetector(base.BasePlugin):
    """Secrets of API keys and of OAuth clients, refresh tokens, and lines of a root key file."""

    secret_type = "Tradeplane Secret"  # noqa: S105  # pragma: allowlist secret

    def analyze_string(self, string: str) -> Generator[str, None, None]:
        """Yield the secrets in *string*.

        A key with a wrong checksum is none. Of a token only what follows its session is yielded:
        with the session's UUID in it the scanner would take it for an identifier.
        """
        yield from filter(is_well_formed, _SECRET_KEY.findall(string))
        yield from _REFRESH_TOKEN.findall(string)
        yield from _CLIENT_SECRET.findall(string)
        yield from _ROOT_KEY.findall(string)
