"""The closed orders of all accounts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of the closed orders."""
    op.create_table(
        "closed_orders",
        sa.Column("order_id", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("client_order_id", sa.Text, nullable=False),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("submitted_ns", sa.BigInteger, nullable=False),
        sa.Column("closed_ns", sa.BigInteger, nullable=False),
        sa.Column("priority", sa.BigInteger, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("order_id", name="pk_closed_orders"),
        sa.UniqueConstraint(
            "client_order_id", "account_id", name="uq_closed_orders_client_order_id"
        ),
    )
    op.create_index(
        "ix_closed_orders_submitted", "closed_orders", ["account_id", "submitted_ns", "priority"]
    )


def downgrade() -> None:
    """Drop the closed orders; the events that closed them stay in the journal."""
    op.drop_table("closed_orders")
