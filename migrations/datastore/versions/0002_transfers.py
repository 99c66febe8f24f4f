"""Uploads that can be resumed, and digests of what is stored."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables from the version before to this one."""
    op.create_table(
        "resumable_upload",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_name", sa.String(length=255), nullable=False),
        sa.Column("investigation_id", sa.BigInteger(), nullable=False),
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("location", sa.String(length=511), nullable=False),
        sa.Column("checked_from", sa.BigInteger(), nullable=True),
        sa.Column("datafile_id", sa.BigInteger(), nullable=True),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resumable_upload")),
    )
    for column in ("expires", "investigation_id", "user_name"):
        op.create_index(
            op.f(f"ix_resumable_upload_{column}"), "resumable_upload", [column], unique=False
        )
    op.create_table(
        "file_digest",
        sa.Column("location", sa.String(length=511), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("crc32", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("stored", sa.DateTime(timezone=True), nullable=False),
        sa.Column("checked", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("location", name=op.f("pk_file_digest")),
    )
    op.create_index(op.f("ix_file_digest_checked"), "file_digest", ["checked"], unique=False)


def downgrade() -> None:
    """Bring the tables back to the version before."""
    op.drop_index(op.f("ix_file_digest_checked"), table_name="file_digest")
    op.drop_table("file_digest")
    for column in ("user_name", "investigation_id", "expires"):
        op.drop_index(op.f(f"ix_resumable_upload_{column}"), table_name="resumable_upload")
    op.drop_table("resumable_upload")
