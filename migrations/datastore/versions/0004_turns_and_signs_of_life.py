"""Whose turn it is in the queue, who lives, and space that is kept free for uploads."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_QUEUED = sa.text("wanted IS NOT NULL")


def upgrade() -> None:
    """Bring the tables from the version before to this one."""
    op.add_column("unsettled_file", sa.Column("owner", sa.String(length=300), nullable=True))
    op.add_column("tier_item", sa.Column("asker", sa.String(length=255), nullable=True))
    op.add_column(
        "tier_item", sa.Column("turn", sa.BigInteger(), server_default="0", nullable=False)
    )
    _index_queue("turn", "due")
    op.create_table(
        "live_owner",
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_live_owner")),
    )
    op.create_table(
        "reserved_space",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("user_name", sa.String(length=255), nullable=False),
        sa.Column("investigation_id", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.String(length=300), nullable=False),
        sa.CheckConstraint("bytes > 0", name=op.f("ck_reserved_space_bytes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reserved_space")),
        sqlite_autoincrement=True,
    )
    for column in ("investigation_id", "user_name"):
        op.create_index(
            op.f(f"ix_reserved_space_{column}"), "reserved_space", [column], unique=False
        )


def downgrade() -> None:
    """Bring the tables back to the version before."""
    for column in ("user_name", "investigation_id"):
        op.drop_index(op.f(f"ix_reserved_space_{column}"), table_name="reserved_space")
    op.drop_table("reserved_space")
    op.drop_table("live_owner")
    _index_queue("due")
    for table, column in (
        ("tier_item", "turn"),
        ("tier_item", "asker"),
        ("unsettled_file", "owner"),
    ):
        op.drop_column(table, column)


def _index_queue(*columns: str) -> None:
    op.drop_index("ix_tier_item_queued", table_name="tier_item")
    op.create_index(
        "ix_tier_item_queued",
        "tier_item",
        list(columns),
        unique=False,
        sqlite_where=_QUEUED,
        postgresql_where=_QUEUED,
    )
