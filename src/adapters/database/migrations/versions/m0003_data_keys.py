"""The data keys that seal what is stored."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tradeplane.errors import Misconfigured

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of the wrapped data keys."""
    op.create_table(
        "data_keys",
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("root_key_id", sa.Text, nullable=False),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
        sa.Column("created_ns", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("purpose", "version", name="pk_data_keys"),
    )


def downgrade() -> None:
    """Drop the data keys, unless something may be sealed with them: it would be lost for good."""
    if op.get_bind().execute(sa.text("SELECT 1 FROM data_keys LIMIT 1")).first() is not None:
        raise Misconfigured(
            "data_keys holds keys, and without them nothing that they sealed can be read; "
            "empty the table first if that is what you want"
        )
    op.drop_table("data_keys")
