"""Which address a request comes from, also behind proxies that are trusted to say so."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from starlette.types import Scope

from tradeplane.errors import Misconfigured

_HOPS_MAX = 16
_IPV6_PREFIX = 64


class ClientAddresses:
    """Finds the client of a request.

    ``X-Forwarded-For`` is believed only as far as trusted proxies wrote it: from its end, past
    every trusted one. Everything else in it may be the client's own invention.

    Args:
        trusted_proxies: networks in CIDR form, separated by commas; empty for none.

    Raises:
        Misconfigured: one of them is no network.
    """

    def __init__(self, trusted_proxies: str = "") -> None:
        self._trusted = tuple(
            _network(text) for part in trusted_proxies.split(",") if (text := part.strip())
        )

    def of(self, scope: Scope) -> str:
        """Return the client's address as text; empty when the server does not know it."""
        client = scope.get("client")
        peer = str(client[0]) if client else ""
        if not self._trusted or not self._trusts(peer):
            return peer
        said = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        nearest = peer
        for hop in reversed(said.decode("latin-1").split(",")[-_HOPS_MAX:]):
            address = hop.strip()
            if not _is_address(address):
                return nearest
            nearest = address
            if not self._trusts(address):
                return address
        return nearest

    def _trusts(self, address: str) -> bool:
        if not _is_address(address):
            return False
        parsed = ip_address(address)
        return any(parsed in network for network in self._trusted)


def budget_name(address: str) -> str:
    """Return whom an address's requests are counted to: for IPv6 the /64, which is one customer."""
    if ":" in address and _is_address(address):
        return str(ip_network(f"{address.partition('%')[0]}/{_IPV6_PREFIX}", strict=False))
    return address


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise Misconfigured(
            f"TRADEPLANE_TRUSTED_PROXIES: {text!r} is no network: {error}"
        ) from error
