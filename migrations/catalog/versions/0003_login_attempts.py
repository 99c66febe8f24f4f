"""Log-ins that failed or succeeded, by account and address; accounts can be disabled."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Failures of the last day are forgotten."""
    op.drop_table("failed_login")
    op.create_table(
        "login_attempts",
        sa.Column("account", sa.String(length=255), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_failure", _MOMENT, nullable=False),
        sa.Column("last_success", _MOMENT),
        sa.PrimaryKeyConstraint("account", "address", name=op.f("pk_login_attempts")),
    )
    op.create_index(op.f("ix_login_attempts_last_failure"), "login_attempts", ["last_failure"])
    op.add_column(
        "password",
        sa.Column("is_disabled", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.execute("UPDATE password SET is_disabled = true WHERE hash IS NULL")
    op.create_index(op.f("ix_user_session_user_name"), "user_session", ["user_name"])


def downgrade() -> None:
    """A disabled account loses its password, which is what disabled one before."""
    op.drop_index(op.f("ix_user_session_user_name"), "user_session")
    op.execute("UPDATE password SET hash = NULL WHERE is_disabled = true")
    op.drop_column("password", "is_disabled")
    op.drop_table("login_attempts")
    op.create_table(
        "failed_login",
        sa.Column("account", sa.String(length=255), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_failure", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("account", "address", name=op.f("pk_failed_login")),
    )
    op.create_index(op.f("ix_failed_login_last_failure"), "failed_login", ["last_failure"])
