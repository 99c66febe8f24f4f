"""Several batch engines: which one a job is with, and why; and how large its inputs are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TEXTS = (("engine", 63), ("engine_reason", 1000))
_IS_COMPLETED = sa.text("state = 'Completed'")


def upgrade() -> None:
    """Bring the tables from the version before to this one."""
    for name, length in _TEXTS:
        empty = sa.text("''")
        column = sa.Column(name, sa.String(length=length), server_default=empty, nullable=False)
        op.add_column("job", column)
    op.add_column("job", sa.Column("input_bytes", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_job_completed",
        "job",
        ["job_type", "id"],
        unique=False,
        sqlite_where=_IS_COMPLETED,
        postgresql_where=_IS_COMPLETED,
    )


def downgrade() -> None:
    """Bring the tables back to the version before."""
    op.drop_index("ix_job_completed", table_name="job")
    op.drop_column("job", "input_bytes")
    for name, _ in _TEXTS:
        op.drop_column("job", name)
