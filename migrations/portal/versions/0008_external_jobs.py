"""Jobs that were submitted outside of the portal."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables from the version before to this one."""
    op.create_table(
        "external_job",
        sa.Column("engine", sa.String(63), nullable=False),
        sa.Column("native_id", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("account", sa.String(255), nullable=False),
        sa.Column("queue", sa.String(255), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("node", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("engine", "native_id", name=op.f("pk_external_job")),
    )
    op.create_index(op.f("ix_external_job_account"), "external_job", ["account"])


def downgrade() -> None:
    """Bring the tables back to the version before."""
    op.drop_table("external_job")
