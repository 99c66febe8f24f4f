"""Submissions of several jobs as sweeps; attempts; why a job failed; requests to alter jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the tables from the version before to this one."""
    for column in (
        sa.Column("name", sa.String(255), nullable=False, server_default=sa.text("''")),
        sa.Column("job_type", sa.String(255), nullable=False, server_default=sa.text("''")),
        sa.Column("size", sa.Integer(), nullable=False, server_default="1"),
    ):
        op.add_column("submission", column)
    for column in (
        sa.Column("sweep_id", sa.BigInteger(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("retry_mark", sa.String(26), nullable=True),
        sa.Column("failure_kind", sa.String(20), nullable=False, server_default=sa.text("''")),
    ):
        op.add_column("job", column)
    _make_attempts()
    _make_alterations()
    _fill()
    op.create_index("ix_submission_user_name_id", "submission", ["user_name", "id"])
    op.create_index(
        "ix_submission_user_name_job_type_id", "submission", ["user_name", "job_type", "id"]
    )
    op.create_index("ix_submission_user_name_created_at", "submission", ["user_name", "created_at"])
    op.create_index(
        "ix_job_user_name_state_submission_id", "job", ["user_name", "state", "submission_id"]
    )
    op.create_index("ix_job_submission_id_state", "job", ["submission_id", "state"])
    op.create_index("ix_job_retry_mark", "job", ["retry_mark"], unique=True)
    op.drop_index("ix_job_submission_id", "job")


def _make_attempts() -> None:
    op.create_table(
        "job_attempt",
        sa.Column("job_id", _BIG, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("mark", sa.String(26), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(1000), nullable=False),
        sa.Column("failure_kind", sa.String(20), nullable=False),
        sa.Column("resources", sa.JSON(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("signal", sa.Integer(), nullable=True),
        sa.Column("cpu_seconds", sa.Double(), nullable=True),
        sa.Column("peak_memory_bytes", sa.BigInteger(), nullable=True),
        sa.Column("node", sa.String(255), nullable=True),
        sa.Column("batch_id", sa.String(255), nullable=True),
        sa.Column("provenance_id", sa.BigInteger(), nullable=True),
        sa.Column("output_ids", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name="fk_job_attempt_job_id_job", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "number", name="pk_job_attempt"),
        sa.UniqueConstraint("mark", name="uq_job_attempt_mark"),
    )


def _make_alterations() -> None:
    op.create_table(
        "alteration",
        sa.Column("id", _BIG, nullable=False),
        sa.Column("job_id", _BIG, nullable=False),
        sa.Column("user_name", sa.String(255), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("note", sa.String(1000), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("decided_by", sa.String(255), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.String(1000), nullable=False),
        sa.CheckConstraint(
            "state IN ('pending', 'granted', 'refused', 'done', 'failed')",
            name=op.f("ck_alteration_state"),
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name="fk_alteration_job_id_job", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_alteration"),
    )
    op.create_index("ix_alteration_job_id", "alteration", ["job_id"])
    op.create_index("ix_alteration_user_name", "alteration", ["user_name"])
    for state in ("granted", "pending"):
        where = sa.text(f"state = '{state}'")
        op.create_index(
            f"ix_alteration_{state}",
            "alteration",
            ["id"],
            sqlite_where=where,
            postgresql_where=where,
        )


def _fill() -> None:
    """What is there already: submissions of several jobs, and failures by what they say."""
    of_it = "FROM job WHERE job.submission_id = submission.id"
    op.execute(
        f"UPDATE submission SET size = (SELECT count(*) {of_it}),"  # noqa: S608  # ours
        f" name = (SELECT coalesce(min(name), '') {of_it}),"
        f" job_type = (SELECT coalesce(min(job_type), '') {of_it})"
    )
    op.execute(
        "UPDATE job SET sweep_id = submission_id"
        " WHERE submission_id IN (SELECT id FROM submission WHERE size > 1)"
    )
    op.execute(
        "UPDATE job SET failure_kind = CASE"
        " WHEN reason LIKE '%memory limit%' THEN 'memory'"
        " WHEN reason LIKE '%wall time limit%' THEN 'time'"
        " WHEN reason LIKE 'lost:%' THEN 'lost'"
        " WHEN reason LIKE '%could not be started%' THEN 'start'"
        " WHEN reason LIKE 'program not found%' THEN 'start'"
        " WHEN reason LIKE '%from the archive%' THEN 'data'"
        " ELSE 'program' END WHERE state = 'Failed'"
    )


def downgrade() -> None:
    """Bring the tables back to the version before."""
    op.create_index("ix_job_submission_id", "job", ["submission_id"])
    for name in ("retry_mark", "submission_id_state", "user_name_state_submission_id"):
        op.drop_index(f"ix_job_{name}", "job")
    for name in ("user_name_created_at", "user_name_job_type_id", "user_name_id"):
        op.drop_index(f"ix_submission_{name}", "submission")
    op.drop_table("alteration")
    op.drop_table("job_attempt")
    for name in ("failure_kind", "retry_mark", "attempt", "sweep_id"):
        op.drop_column("job", name)
    for name in ("size", "job_type", "name"):
        op.drop_column("submission", name)
