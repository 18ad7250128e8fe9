"""Who listens where on this machine, from proc(5)."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import msgspec

_LISTEN = "0A"


class Listening(msgspec.Struct, frozen=True):
    """One listening TCP socket of a process."""

    process_id: int
    title: str
    address: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect to it."""
        address = ip_address(self.address)
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return (mapped or address).is_loopback


def descendants(ancestors: Iterable[int]) -> frozenset[int]:
    """Return *ancestors* that live, and all their descendants."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = int(fields[1])
    family = {process_id for process_id in ancestors if process_id in parents}
    grown = True
    while grown:
        born = {each for each, parent in parents.items() if parent in family} - family
        family |= born
        grown = bool(born)
    return frozenset(family)


def listening(process_ids: Iterable[int]) -> tuple[Listening, ...]:
    """Return the listening TCP sockets of these processes, by port."""
    found = {}
    for process_id in process_ids:
        inodes = set(_socket_inodes(process_id))
        if not inodes:
            continue
        title = _title(process_id)
        for table in ("tcp", "tcp6"):
            with contextlib.suppress(OSError):
                for line in Path(f"/proc/{process_id}/net/{table}").read_text().splitlines()[1:]:
                    fields = line.split()
                    if fields[3] == _LISTEN and fields[9] in inodes:
                        address, port = parsed(fields[1])
                        found[fields[9]] = Listening(process_id, title, address, port)
    return tuple(sorted(found.values(), key=lambda each: (each.port, each.address)))


def parsed(local: str) -> tuple[str, int]:
    """Return address and port of a socket as ``/proc/net/tcp`` and ``tcp6`` write it."""
    text, _, port = local.partition(":")
    # The kernel prints 32-bit words in the byte order of the machine.
    words = [int(text[start : start + 8], 16) for start in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    address = IPv4Address(packed) if len(words) == 1 else IPv6Address(packed)
    return str(address), int(port, 16)


def is_loopback_host(host: str) -> bool:
    """Return whether *host*, a name or an address, is this machine alone; a path is, too."""
    if not host or host.startswith("/"):
        return True
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(ip_address(str(each[4][0]).partition("%")[0]).is_loopback for each in found)


def _socket_inodes(process_id: int) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for descriptor in Path(f"/proc/{process_id}/fd").iterdir():
            with contextlib.suppress(OSError):
                target = str(descriptor.readlink())
                if target.startswith("socket:["):
                    yield target[8:-1]


def _title(process_id: int) -> str:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{process_id}/cmdline").read_bytes().split(b"\0")
        return words[0].decode(errors="replace").rpartition("/")[2][:40]
    return "?"
