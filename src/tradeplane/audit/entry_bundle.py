"""Up to 256 log entries in one object: each after its length in two bytes (C2SP tlog-tiles)."""

from __future__ import annotations

from collections.abc import Sequence

ENTRY_BYTES_MAX = 65_535


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Return the bundle of *entries*, each of at most 65,535 bytes."""
    parts: list[bytes] = []
    for entry in entries:
        parts.append(len(entry).to_bytes(2, "big"))
        parts.append(entry)
    return b"".join(parts)


def decode_bundle(bundle: bytes) -> list[bytes]:
    """Return the entries of *bundle*.

    Raises:
        ValueError: it ends in the middle of an entry.
    """
    entries: list[bytes] = []
    position, end = 0, len(bundle)
    while position < end:
        start = position + 2
        position = start + int.from_bytes(bundle[position:start], "big")
        if start > end or position > end:
            raise ValueError(f"the bundle ends in the middle of entry {len(entries)}")
        entries.append(bundle[start:position])
    return entries
