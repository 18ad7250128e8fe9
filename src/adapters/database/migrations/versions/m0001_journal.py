"""The journal: epochs, events and snapshots."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of the journal."""
    op.create_table(
        "components",
        sa.Column("component", sa.Text, nullable=False),
        sa.Column("shard", sa.Integer, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("component", "shard", name="pk_components"),
    )
    op.create_table(
        "journal",
        sa.Column("component", sa.Text, nullable=False),
        sa.Column("shard", sa.Integer, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("recorded_ns", sa.BigInteger, nullable=False),
        sa.Column("key", sa.Text, nullable=True),
        sa.Column("event", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("component", "shard", "sequence", name="pk_journal"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "uq_journal_key",
        "journal",
        ["component", "shard", "key"],
        unique=True,
        sqlite_where=sa.text("key IS NOT NULL"),
        postgresql_where=sa.text("key IS NOT NULL"),
    )
    op.create_table(
        "snapshots",
        sa.Column("component", sa.Text, nullable=False),
        sa.Column("shard", sa.Integer, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("component", "shard", "sequence", name="pk_snapshots"),
    )


def downgrade() -> None:
    """Drop the journal, and with it everything that every component knows."""
    op.drop_table("snapshots")
    op.drop_table("journal")
    op.drop_table("components")
