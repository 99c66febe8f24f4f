"""Downloads that are prepared in the background."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables from the version before to this one."""
    op.create_table(
        "download",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_name", sa.String(length=255), nullable=False),
        sa.Column("dataset_ids", sa.JSON(), nullable=False),
        sa.Column("datafile_ids", sa.JSON(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("looked", sa.Integer(), nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("prepared_id", sa.String(length=36), nullable=True),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('PREPARING', 'PREPARED', 'FAILED')", name=op.f("ck_download_state")
        ),
        sa.CheckConstraint(
            "state <> 'PREPARED' OR prepared_id IS NOT NULL", name=op.f("ck_download_prepared")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_download")),
    )
    for column in ("created_at", "user_name"):
        op.create_index(op.f(f"ix_download_{column}"), "download", [column], unique=False)


def downgrade() -> None:
    """Bring the tables back to the version before."""
    for column in ("user_name", "created_at"):
        op.drop_index(op.f(f"ix_download_{column}"), table_name="download")
    op.drop_table("download")
