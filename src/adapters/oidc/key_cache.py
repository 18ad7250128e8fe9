"""The keys that a provider signs with (RFC 7517), kept for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from adapters.oidc.bounded_http import BoundedHttp
from adapters.oidc.document import read_document
from adapters.oidc.id_token import ALGORITHMS
from tradeplane.clock import NS_PER_S, Clock
from tradeplane.errors import ComponentUnavailable

_KEEP_NS = 3_600 * NS_PER_S
_PAUSE_NS = 10 * NS_PER_S
_KEYS_MAX = 64
_RSA_BITS = range(2_048, 8_193)


class _KeySet(msgspec.Struct, frozen=True):
    keys: Sequence[Mapping[str, Any]]


class KeyCache:
    """The public keys of one provider by their ids.

    They are fetched anew every hour, and for an id that is not among them, but then at most every
    ten seconds: whoever sends unknown ids cannot make this process ask without end.

    Args:
        http: reaches the provider.
        clock: monotonic time.
    """

    def __init__(self, http: BoundedHttp, clock: Clock) -> None:
        self._http = http
        self._clock = clock
        self._keys: dict[str, PyJWK] = {}
        self._fetched_ns: int | None = None
        self._asked_ns: int | None = None
        self._fetching = asyncio.Lock()

    async def key(self, url: str, kid: str, algorithm: str) -> PyJWK | None:
        """Return the key *kid* for *algorithm*, or None when the provider has no such key.

        Args:
            url: where the provider publishes its keys.
            kid: its id.
            algorithm: what it must be made for.

        Raises:
            ComponentUnavailable: the keys cannot be fetched, or are malformed.
        """
        if self._must_fetch(kid):
            async with self._fetching:
                if self._must_fetch(kid):
                    await self._fetch(url)
        found = self._keys.get(kid)
        return found if found is not None and found.algorithm_name == algorithm else None

    def _must_fetch(self, kid: str) -> bool:
        now_ns = self._clock.monotonic_ns()
        fresh = self._fetched_ns is not None and now_ns - self._fetched_ns < _KEEP_NS
        if fresh and kid in self._keys:
            return False
        if self._asked_ns is None or now_ns - self._asked_ns >= _PAUSE_NS:
            return True
        if not fresh:
            raise ComponentUnavailable("the OpenID provider's keys could not be fetched just now")
        return False

    async def _fetch(self, url: str) -> None:
        self._asked_ns = self._clock.monotonic_ns()
        answer = await self._http.get(url)
        found = read_document(answer, _KeySet, "key set")
        if len(found.keys) > _KEYS_MAX:
            raise ComponentUnavailable(f"the OpenID provider has more than {_KEYS_MAX} keys")
        self._keys = usable_keys(found.keys)
        self._fetched_ns = self._clock.monotonic_ns()


def usable_keys(keys: Sequence[Mapping[str, Any]]) -> dict[str, PyJWK]:
    """Return the keys that may check signatures here, by id.

    Left out is what has no id, an id that another has too, another use, another kind or size. A set
    may hold such keys for other readers (RFC 7517, section 5).
    """
    usable: dict[str, PyJWK] = {}
    ambiguous: set[str] = set()
    for row in keys:
        kid = row.get("kid")
        if not isinstance(kid, str):
            continue
        if kid in usable:
            ambiguous.add(kid)
        key = _usable(row)
        if key is not None:
            usable[kid] = key
    return {kid: key for kid, key in usable.items() if kid not in ambiguous}


def _usable(row: Mapping[str, Any]) -> PyJWK | None:
    if row.get("use", "sig") != "sig":
        return None
    for algorithm, members in ALGORITHMS.items():
        if row.get("alg", algorithm) != algorithm:
            continue
        if any(row.get(name) != value for name, value in members.items()):
            continue
        public = {name: value for name, value in row.items() if name in _PUBLIC_MEMBERS}
        try:
            key = PyJWK(public, algorithm)
        except (PyJWTError, ValueError, TypeError):
            return None
        if algorithm == "RS256" and key.key.key_size not in _RSA_BITS:
            return None
        return key
    return None


_PUBLIC_MEMBERS = {"kty", "kid", "use", "alg", "crv", "x", "y", "n", "e"}
