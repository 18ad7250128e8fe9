"""Fields encrypted in batches, beside the bare cipher of ``cryptography`` on the same values.

``.venv/bin/python bench/encryption.py`` prints a table. The peer does the least that is safe: a
random nonce and the row as associated data. Ours also has the version, the commitment to the key
and the encoding of values. Batches alternate between the two, and each figure is the best of its
rounds, so that a busy machine slows down neither alone.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Column, LargeBinary, MetaData, Table, Text

from adapters.database.engine import open_database
from adapters.database.migration import migrate
from adapters.database.sealed_columns import SealedColumn
from adapters.keys.data_keys import DataKeys
from adapters.keys.file_root_key import FileRootKey

BATCH = 1_000
ROUNDS = 60
SIZES = (16, 64, 256, 1_024, 16_384)


def main() -> int:
    """Print fields a second, ours and the bare cipher's, and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(f"sqlite:///{folder}/tradeplane.db")
        migrate(engine)
        keys = DataKeys(engine, FileRootKey.create(Path(folder) / "root.key"))
        table = Table(
            "fields", MetaData(), Column("id", Text, primary_key=True), Column("v", LargeBinary)
        )
        column = SealedColumn(table.c.v, keys)
        print(f"{'bytes':>7} {'work':>8} {'ours/s':>10} {'bare/s':>10} {'ratio':>6}")
        for size in SIZES:
            for work, ours, bare in _pairs(column, size):
                ours_s, bare_s = _best(ours, bare)
                print(
                    f"{size:>7} {work:>8} {BATCH / ours_s:>10,.0f} {BATCH / bare_s:>10,.0f} "
                    f"{bare_s / ours_s:>6.2f}"
                )
        engine.dispose()
    return 0


def _pairs(
    column: SealedColumn, size: int
) -> list[tuple[str, Callable[[], object], Callable[[], object]]]:
    cipher = AESGCM(os.urandom(32))
    rows = [((f"row-{number}",), os.urandom(size)) for number in range(BATCH)]
    bare_rows = [(f"fields/v/{key[0]}".encode(), value) for key, value in rows]
    sealed = list(zip((key for key, _ in rows), column.seal_many(rows), strict=True))

    def encrypt() -> list[bytes]:
        made = []
        for row, value in bare_rows:
            nonce = os.urandom(12)
            made.append(nonce + cipher.encrypt(nonce, value, row))
        return made

    encrypted = [(row, text) for (row, _), text in zip(bare_rows, encrypt(), strict=True)]

    def decrypt() -> list[bytes]:
        return [cipher.decrypt(text[:12], text[12:], row) for row, text in encrypted]

    return [
        ("encrypt", lambda: column.seal_many(rows), encrypt),
        ("decrypt", lambda: column.open_many(sealed), decrypt),
    ]


def _best(ours: Callable[[], object], bare: Callable[[], object]) -> tuple[float, float]:
    best = [float("inf")] * 2
    for _ in range(ROUNDS):
        for number, work in enumerate((ours, bare)):
            began = time.perf_counter()
            work()
            best[number] = min(best[number], time.perf_counter() - began)
    return best[0], best[1]


if __name__ == "__main__":
    raise SystemExit(main())
