"""Limits: users' groups, their own order of jobs, and what deleted jobs have used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the tables from the version before to this one."""
    op.add_column("job", sa.Column("precedence", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_job_investigation_id", "job", ["investigation_id"])
    op.create_table(
        "deleted_run",
        sa.Column("id", _BIG, nullable=False),
        sa.Column("investigation_id", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cores", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deleted_run")),
    )
    op.create_index(
        "ix_deleted_run_investigation_id", "deleted_run", ["investigation_id", "ended_at"]
    )
    op.create_table(
        "membership",
        sa.Column("user_name", sa.String(255), nullable=False),
        sa.Column("group_name", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("user_name", "group_name", name=op.f("pk_membership")),
    )
    op.create_index(op.f("ix_membership_group_name"), "membership", ["group_name"])


def downgrade() -> None:
    """Bring the tables back to the version before."""
    op.drop_table("membership")
    op.drop_table("deleted_run")
    op.drop_index("ix_job_investigation_id", "job")
    op.drop_column("job", "precedence")
