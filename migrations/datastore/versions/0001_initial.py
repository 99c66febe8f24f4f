"""The data service's tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables from the version before to this one."""
    op.create_table(
        "prepared",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("zip", sa.Boolean(), nullable=False),
        sa.Column("compress", sa.Boolean(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prepared")),
    )
    op.create_index(op.f("ix_prepared_created"), "prepared", ["created"], unique=False)
    op.create_index(op.f("ix_prepared_expires"), "prepared", ["expires"], unique=False)
    op.create_table(
        "unsettled_file",
        sa.Column("location", sa.String(length=511), nullable=False),
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("location", name=op.f("pk_unsettled_file")),
    )
    op.create_index(op.f("ix_unsettled_file_since"), "unsettled_file", ["since"], unique=False)
    op.create_table(
        "prepared_datafile",
        sa.Column("prepared_id", sa.String(length=36), nullable=False),
        sa.Column("datafile_id", sa.BigInteger(), nullable=False),
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("location", sa.String(length=511), nullable=False),
        sa.Column("file_size", sa.BigInteger(), nullable=True),
        sa.Column("mod_time", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["prepared_id"],
            ["prepared.id"],
            name=op.f("fk_prepared_datafile_prepared_id_prepared"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("prepared_id", "datafile_id", name=op.f("pk_prepared_datafile")),
    )


def downgrade() -> None:
    """Bring the tables back to the version before."""
    op.drop_table("prepared_datafile")
    op.drop_index(op.f("ix_unsettled_file_since"), table_name="unsettled_file")
    op.drop_table("unsettled_file")
    op.drop_index(op.f("ix_prepared_expires"), table_name="prepared")
    op.drop_index(op.f("ix_prepared_created"), table_name="prepared")
    op.drop_table("prepared")
