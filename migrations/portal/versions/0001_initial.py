"""The portal's tables."""

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
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_name", sa.String(length=255), nullable=False),
        sa.Column("action", sa.String(length=50), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("detail", sa.String(length=2000), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_user_name"), "audit", ["user_name"], unique=False)
    op.create_table(
        "catalog_session",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("user_name", sa.String(length=255), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("log_out", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catalog_session")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_catalog_session_key_hash")),
    )
    op.create_table(
        "draft",
        sa.Column("id_hash", sa.String(length=64), nullable=False),
        sa.Column("user_name", sa.String(length=255), nullable=True),
        sa.Column("path", sa.String(length=2000), nullable=False),
        sa.Column("form", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id_hash", name=op.f("pk_draft")),
    )
    op.create_index(op.f("ix_draft_created_at"), "draft", ["created_at"], unique=False)
    op.create_table(
        "lease",
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("holder", sa.String(length=255), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_table(
        "submission",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("user_name", sa.String(length=255), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_submission")),
        sa.UniqueConstraint("user_name", "key", name=op.f("uq_submission_user_name_key")),
    )
    op.create_table(
        "browser_session",
        sa.Column("id_hash", sa.String(length=64), nullable=False),
        sa.Column(
            "catalog_session_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["catalog_session_id"],
            ["catalog_session.id"],
            name=op.f("fk_browser_session_catalog_session_id_catalog_session"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id_hash", name=op.f("pk_browser_session")),
    )
    op.create_index(
        op.f("ix_browser_session_catalog_session_id"),
        "browser_session",
        ["catalog_session_id"],
        unique=False,
    )
    op.create_table(
        "job",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.String(length=26), nullable=False),
        sa.Column(
            "submission_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("user_name", sa.String(length=255), nullable=False),
        sa.Column(
            "catalog_session_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
        ),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("job_type", sa.String(length=255), nullable=False),
        sa.Column("job_type_version", sa.String(length=64), nullable=False),
        sa.Column("creates_provenance", sa.Boolean(), nullable=False),
        sa.Column("program", sa.JSON(), nullable=False),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("wants", sa.JSON(), nullable=False),
        sa.Column("raw_arguments", sa.JSON(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("resources", sa.JSON(), nullable=False),
        sa.Column("dataset_ids", sa.JSON(), nullable=False),
        sa.Column("datafile_ids", sa.JSON(), nullable=False),
        sa.Column("investigation_id", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("wanted", sa.String(length=10), nullable=True),
        sa.Column("cancelled", sa.Boolean(), nullable=False),
        sa.Column("progress", sa.Double(), nullable=True),
        sa.Column("progress_message", sa.String(length=1000), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("missing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("batch_id", sa.String(length=255), nullable=True),
        sa.Column("failure", sa.String(length=1000), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("signal", sa.Integer(), nullable=True),
        sa.Column("cpu_seconds", sa.Double(), nullable=True),
        sa.Column("peak_memory_bytes", sa.BigInteger(), nullable=True),
        sa.Column("node", sa.String(length=255), nullable=True),
        sa.Column("recorded", sa.Boolean(), nullable=False),
        sa.Column("provenance_id", sa.BigInteger(), nullable=True),
        sa.Column("token_hash", sa.String(length=64), nullable=True),
        sa.Column("token_ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('Staging', 'Queued', 'Held', 'Executing', 'Completed', 'Failed', "
            "'Cancelled', 'Unknown')",
            name=op.f("ck_job_state"),
        ),
        sa.CheckConstraint("wanted IN ('cancel', 'hold', 'release')", name=op.f("ck_job_wanted")),
        sa.CheckConstraint("progress >= 0 AND progress <= 1", name=op.f("ck_job_progress")),
        sa.ForeignKeyConstraint(
            ["catalog_session_id"],
            ["catalog_session.id"],
            name=op.f("fk_job_catalog_session_id_catalog_session"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submission.id"], name=op.f("fk_job_submission_id_submission")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sa.UniqueConstraint("public_id", name=op.f("uq_job_public_id")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_job_token_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_job_submission_id"), "job", ["submission_id"], unique=False)
    op.create_index(
        "ix_job_unfinished",
        "job",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state NOT IN ('Cancelled', 'Completed', 'Failed')"),
        postgresql_where=sa.text("state NOT IN ('Cancelled', 'Completed', 'Failed')"),
    )
    op.create_index(
        "ix_job_unfinished_session",
        "job",
        ["catalog_session_id"],
        unique=False,
        sqlite_where=sa.text("state NOT IN ('Cancelled', 'Completed', 'Failed')"),
        postgresql_where=sa.text("state NOT IN ('Cancelled', 'Completed', 'Failed')"),
    )
    op.create_index(
        "ix_job_unrecorded",
        "job",
        ["id"],
        unique=False,
        sqlite_where=sa.text("NOT recorded"),
        postgresql_where=sa.text("NOT recorded"),
    )
    op.create_index("ix_job_user_name_id", "job", ["user_name", "id"], unique=False)
    op.create_table(
        "job_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("job_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("text", sa.String(length=1000), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name=op.f("fk_job_event_job_id_job"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_event")),
    )
    op.create_index(op.f("ix_job_event_job_id"), "job_event", ["job_id"], unique=False)
    op.create_table(
        "job_output",
        sa.Column("job_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.Boolean(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name=op.f("fk_job_output_job_id_job"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "dataset_id", name=op.f("pk_job_output")),
    )
    op.create_table(
        "job_read",
        sa.Column("job_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("datafile_id", sa.BigInteger(), nullable=False),
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name=op.f("fk_job_read_job_id_job"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "datafile_id", name=op.f("pk_job_read")),
    )


def downgrade() -> None:
    """Bring the tables back to the version before."""
    op.drop_table("job_read")
    op.drop_table("job_output")
    op.drop_index(op.f("ix_job_event_job_id"), table_name="job_event")
    op.drop_table("job_event")
    op.drop_index("ix_job_user_name_id", table_name="job")
    op.drop_index(
        "ix_job_unrecorded",
        table_name="job",
        sqlite_where=sa.text("NOT recorded"),
        postgresql_where=sa.text("NOT recorded"),
    )
    op.drop_index(
        "ix_job_unfinished_session",
        table_name="job",
        sqlite_where=sa.text("state NOT IN ('Cancelled', 'Completed', 'Failed')"),
        postgresql_where=sa.text("state NOT IN ('Cancelled', 'Completed', 'Failed')"),
    )
    op.drop_index(
        "ix_job_unfinished",
        table_name="job",
        sqlite_where=sa.text("state NOT IN ('Cancelled', 'Completed', 'Failed')"),
        postgresql_where=sa.text("state NOT IN ('Cancelled', 'Completed', 'Failed')"),
    )
    op.drop_index(op.f("ix_job_submission_id"), table_name="job")
    op.drop_table("job")
    op.drop_index(op.f("ix_browser_session_catalog_session_id"), table_name="browser_session")
    op.drop_table("browser_session")
    op.drop_table("submission")
    op.drop_table("lease")
    op.drop_index(op.f("ix_draft_created_at"), table_name="draft")
    op.drop_table("draft")
    op.drop_table("catalog_session")
    op.drop_index(op.f("ix_audit_user_name"), table_name="audit")
    op.drop_table("audit")
