"""Two levels of storage: what is where, the queue, and locks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_QUEUED = sa.text("wanted IS NOT NULL")
_RUNNING = sa.text("running IS NOT NULL")
_OPERATIONS = "('WRITE', 'ARCHIVE', 'RESTORE', 'DELETE')"
_REQUESTS = "('WRITE', 'ARCHIVE', 'RESTORE', 'DELETE', 'WRITE_THEN_ARCHIVE', 'RESTORE_THEN_WRITE')"


def upgrade() -> None:
    """Bring the tables from the version before to this one."""
    op.create_table(
        "tier_item",
        sa.Column("key", sa.String(length=511), nullable=False),
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.Column("datafile_id", sa.BigInteger(), nullable=True),
        sa.Column("in_main", sa.Boolean(), nullable=False),
        sa.Column("in_archive", sa.Boolean(), nullable=False),
        sa.Column("archive_bytes", sa.BigInteger(), nullable=True),
        sa.Column("archive_files", sa.String(length=64), nullable=True),
        sa.Column("unwritten", sa.Boolean(), nullable=False),
        sa.Column("touched", sa.DateTime(timezone=True), nullable=False),
        sa.Column("serial", sa.BigInteger(), nullable=False),
        sa.Column("wanted", sa.String(length=20), nullable=True),
        sa.Column("due", sa.DateTime(timezone=True), nullable=True),
        sa.Column("running", sa.String(length=10), nullable=True),
        sa.Column("owner", sa.String(length=300), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("failed", sa.String(length=10), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.CheckConstraint("in_main OR in_archive", name=op.f("ck_tier_item_somewhere")),
        sa.CheckConstraint("in_main OR NOT unwritten", name=op.f("ck_tier_item_written")),
        sa.CheckConstraint(f"wanted IN {_REQUESTS}", name=op.f("ck_tier_item_wanted")),
        sa.CheckConstraint(f"running IN {_OPERATIONS}", name=op.f("ck_tier_item_running")),
        sa.CheckConstraint(f"failed IN {_OPERATIONS}", name=op.f("ck_tier_item_failed")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_tier_item")),
    )
    op.create_index(op.f("ix_tier_item_dataset_id"), "tier_item", ["dataset_id"], unique=False)
    for name, column, where in (("queued", "due", _QUEUED), ("running", "until", _RUNNING)):
        op.create_index(
            f"ix_tier_item_{name}",
            "tier_item",
            [column],
            unique=False,
            sqlite_where=where,
            postgresql_where=where,
        )
    op.create_table(
        "tier_lock",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.Column("exclusive", sa.Boolean(), nullable=False),
        sa.Column("owner", sa.String(length=300), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tier_lock")),
    )
    for column in ("dataset_id", "owner"):
        op.create_index(op.f(f"ix_tier_lock_{column}"), "tier_lock", [column], unique=False)
    op.create_table(
        "checked_archive",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_checked_archive")),
    )


def downgrade() -> None:
    """Bring the tables back to the version before."""
    op.drop_table("checked_archive")
    for column in ("owner", "dataset_id"):
        op.drop_index(op.f(f"ix_tier_lock_{column}"), table_name="tier_lock")
    op.drop_table("tier_lock")
    for name in ("running", "queued"):
        op.drop_index(f"ix_tier_item_{name}", table_name="tier_item")
    op.drop_index(op.f("ix_tier_item_dataset_id"), table_name="tier_item")
    op.drop_table("tier_item")
