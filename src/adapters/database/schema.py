"""The tables as the newest migration leaves them.

A change here needs a step in ``migrations/versions``; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

METADATA = MetaData()
"""All tables."""

COMPONENTS = Table(
    "components",
    METADATA,
    Column("component", Text, nullable=False),
    Column("shard", Integer, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    PrimaryKeyConstraint("component", "shard", name="pk_components"),
)
"""One row a stream: its newest epoch. Every append locks it, so it is also the stream's mutex."""

_KEY_IS_SET = text("key IS NOT NULL")

JOURNAL = Table(
    "journal",
    METADATA,
    Column("component", Text, nullable=False),
    Column("shard", Integer, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("recorded_ns", BigInteger, nullable=False),
    Column("key", Text, nullable=True),
    # Text, not a JSON type: the very bytes that were appended come back.
    Column("event", Text, nullable=False),
    PrimaryKeyConstraint("component", "shard", "sequence", name="pk_journal"),
    # One B-tree in the order of replay, instead of rows plus an index over them.
    sqlite_with_rowid=False,
)
"""One row an event."""

Index(
    "uq_journal_key",
    JOURNAL.c.component,
    JOURNAL.c.shard,
    JOURNAL.c.key,
    unique=True,
    sqlite_where=_KEY_IS_SET,
    postgresql_where=_KEY_IS_SET,
)

SNAPSHOTS = Table(
    "snapshots",
    METADATA,
    Column("component", Text, nullable=False),
    Column("shard", Integer, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("state", LargeBinary, nullable=False),
    Column("digest", Text, nullable=False),
    PrimaryKeyConstraint("component", "shard", "sequence", name="pk_snapshots"),
)
"""The newest two states of each stream."""

CLOSED_ORDERS = Table(
    "closed_orders",
    METADATA,
    Column("order_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("client_order_id", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("submitted_ns", BigInteger, nullable=False),
    Column("closed_ns", BigInteger, nullable=False),
    Column("priority", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
    PrimaryKeyConstraint("order_id", name="pk_closed_orders"),
    UniqueConstraint("client_order_id", "account_id", name="uq_closed_orders_client_order_id"),
)
"""One row a closed order; see :class:`tradeplane.trading.closed_orders.ClosedOrder`."""

Index(
    "ix_closed_orders_submitted",
    CLOSED_ORDERS.c.account_id,
    CLOSED_ORDERS.c.submitted_ns,
    CLOSED_ORDERS.c.priority,
)

DATA_KEYS = Table(
    "data_keys",
    METADATA,
    Column("purpose", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("root_key_id", Text, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    PrimaryKeyConstraint("purpose", "version", name="pk_data_keys"),
)
"""One row a version of a data key, wrapped by the root key; see :mod:`adapters.keys.data_keys`."""

AUDIT_INDEX = Table(
    "audit_index",
    METADATA,
    Column("log_index", BigInteger, nullable=False),
    Column("tenant_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("target_kind", Text, nullable=False),
    Column("target_id", Text, nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("logged_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("log_index", name="pk_audit_index"),
    # One B-tree in the order of the log, instead of rows plus an index over them.
    sqlite_with_rowid=False,
)
"""One row an entry of the audit log; see :class:`tradeplane.audit.document.AuditRecord`.

Nothing in it is a truth of its own: it can be made again from the log.
"""

Index("ix_audit_index_tenant", AUDIT_INDEX.c.tenant_id, AUDIT_INDEX.c.log_index)
Index("ix_audit_index_target", AUDIT_INDEX.c.target_id, AUDIT_INDEX.c.log_index)
