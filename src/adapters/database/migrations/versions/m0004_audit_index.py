"""The index of the audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index by which entries of the audit log are found."""
    op.create_table(
        "audit_index",
        sa.Column("log_index", sa.BigInteger, nullable=False),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("target_kind", sa.Text, nullable=False),
        sa.Column("target_id", sa.Text, nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
        sa.Column("logged_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("log_index", name="pk_audit_index"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_audit_index_tenant", "audit_index", ["tenant_id", "log_index"])
    op.create_index("ix_audit_index_target", "audit_index", ["target_id", "log_index"])


def downgrade() -> None:
    """Drop the index; the log itself stays, and the index can be made from it again."""
    op.drop_table("audit_index")
