"""Changes of entities that webhooks are told of, and which of them know already."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "change_event",
        sa.Column("id", _ID, nullable=False),
        sa.Column("uid", sa.String(length=36), nullable=False),
        sa.Column("entity", sa.String(length=40), nullable=False),
        sa.Column("entity_id", _ID, nullable=False),
        sa.Column("operation", sa.String(length=1), nullable=False),
        sa.Column("user_name", sa.String(length=255), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change_event")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "change_delivery",
        sa.Column("event_id", _ID, nullable=False),
        sa.Column("webhook", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"],
            ["change_event.id"],
            name=op.f("fk_change_delivery_event_id_change_event"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("event_id", "webhook", name=op.f("pk_change_delivery")),
    )


def downgrade() -> None:
    """What was not delivered yet is lost."""
    op.drop_table("change_delivery")
    op.drop_table("change_event")
