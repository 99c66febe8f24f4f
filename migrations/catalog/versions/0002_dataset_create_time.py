"""An index for datasets in the order they were created."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it."""
    op.create_index("ix_dataset_create_time", "dataset", ["create_time", "id"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_dataset_create_time", table_name="dataset")
