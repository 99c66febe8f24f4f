"""The portal's own tables: sessions, jobs and what became of them.

What the catalog knows (datasets, users' rights, provenance) is not repeated here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from portal.moments import UtcDateTime
from portal.states import FINAL, State

_NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
BigId = BigInteger().with_variant(Integer, "sqlite")
_STATES = ", ".join(f"'{state}'" for state in State)
_FINAL = ", ".join(f"'{state}'" for state in sorted(FINAL))
UNFINISHED = text(f"state NOT IN ({_FINAL})")
"""Of unfinished jobs; literal text, so that the partial index is found to fit."""
UNRECORDED = text("NOT recorded")
IS_COMPLETED = text(f"state = '{State.COMPLETED}'")
IS_GRANTED = text("state = 'granted'")
IS_PENDING = text("state = 'pending'")


class Base(DeclarativeBase):
    """A table of the portal."""

    metadata = MetaData(naming_convention=_NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        float: Double,
        bytes: LargeBinary,
        list[str]: JSON,
        list[int]: JSON,
        dict[str, Any]: JSON,
    }


class CatalogSessionRow(Base):
    """A user's session at the catalog, encrypted, as long as a browser or a job needs it.

    ``key_hash`` is the SHA-256 of the session id, by which it is found again; ``log_out`` says
    that the user has logged out and the session is to end with its last job.
    """

    __tablename__ = "catalog_session"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    secret: Mapped[bytes]
    user_name: Mapped[str] = mapped_column(String(255))
    expires_at: Mapped[datetime]
    log_out: Mapped[bool] = mapped_column(default=False)


class BrowserSessionRow(Base):
    """A logged-in browser; the cookie holds the random id of which this is the SHA-256."""

    __tablename__ = "browser_session"

    id_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    catalog_session_id: Mapped[int] = mapped_column(
        ForeignKey("catalog_session.id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[datetime]


class DraftRow(Base):
    """A form that was sent when its session had ended, kept until the user is back."""

    __tablename__ = "draft"

    id_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_name: Mapped[str | None] = mapped_column(String(255))
    path: Mapped[str] = mapped_column(String(2000))
    form: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class Submission(Base):
    """One act of submitting; the same key by the same user is the same act.

    One that became several jobs is a sweep.

    Attributes:
        size: How many jobs it became; some may be deleted by now.
    """

    __tablename__ = "submission"
    __table_args__ = (
        UniqueConstraint("user_name", "key"),
        Index("ix_submission_user_name_id", "user_name", "id"),
        Index("ix_submission_user_name_job_type_id", "user_name", "job_type", "id"),
        Index("ix_submission_user_name_created_at", "user_name", "created_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    user_name: Mapped[str] = mapped_column(String(255))
    key: Mapped[str] = mapped_column(String(100))
    content_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    name: Mapped[str] = mapped_column(String(255), server_default=text("''"))
    job_type: Mapped[str] = mapped_column(String(255), server_default=text("''"))
    size: Mapped[int] = mapped_column(server_default="1")


class JobRow(Base):
    """A job, from the moment it was accepted.

    Attributes:
        sweep_id: Its submission, if that became several jobs.
        attempt: Which try this is, from 1; those before are in ``JobAttempt``.
        retry_mark: The mark of a later attempt at the engine; that of the first is ``public_id``.
        failure_kind: Of a job that has failed, a ``portal.failure.Failure``; else "".
        attempted_at: When its start was first tried; set before the engine is asked, so that
            after a crash the engine is asked whether it has the mark.
        wants: What the portal appends to the arguments, such as ``ijpUrl``.
        raw_arguments: Those of the arguments that the user gave verbatim.
        wanted: What the user has asked for and the dispatcher has not done yet:
            ``cancel``, ``hold``, ``release``.
        cancelled: The user asked for the end, whatever the engine says of it.
        missing_since: Since when the engine does not know it.
        next_try_at: Not to be tried before; after a failed start or recording, or while its data
            are brought back from the archive.
        recalled_at: When they were asked for; None if they were there.
        ended_at: Set as soon as the engine says so; the state becomes final when the results
            are recorded too.
        failure: Why an ended job has not succeeded; "" if it has.
        recorded: Its provenance is in the catalog, or there is none to be.
        engine: The name of its batch engine; "" is the default one.
        engine_reason: Why it is that one; "" where there was no choice.
        input_bytes: How large its inputs were when it was submitted; None if nobody knows.
        precedence: The user's own order: before jobs of lower ones, until it is started.
    """

    __tablename__ = "job"
    __table_args__ = (
        CheckConstraint(f"state IN ({_STATES})", name="state"),
        CheckConstraint("wanted IN ('cancel', 'hold', 'release')", name="wanted"),
        CheckConstraint("progress >= 0 AND progress <= 1", name="progress"),
        Index("ix_job_user_name_id", "user_name", "id"),
        Index("ix_job_user_name_state_submission_id", "user_name", "state", "submission_id"),
        Index("ix_job_submission_id_state", "submission_id", "state"),
        Index("ix_job_retry_mark", "retry_mark", unique=True),
        Index("ix_job_investigation_id", "investigation_id"),
        Index("ix_job_unfinished", "id", sqlite_where=UNFINISHED, postgresql_where=UNFINISHED),
        Index("ix_job_unrecorded", "id", sqlite_where=UNRECORDED, postgresql_where=UNRECORDED),
        Index(
            "ix_job_completed",
            "job_type",
            "id",
            sqlite_where=IS_COMPLETED,
            postgresql_where=IS_COMPLETED,
        ),
        Index(
            "ix_job_unfinished_session",
            "catalog_session_id",
            sqlite_where=UNFINISHED,
            postgresql_where=UNFINISHED,
        ),
        # a deleted job's number is not given to another
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(26), unique=True)
    submission_id: Mapped[int] = mapped_column(ForeignKey("submission.id"))
    sweep_id: Mapped[int | None] = mapped_column(BigInteger)
    user_name: Mapped[str] = mapped_column(String(255))
    catalog_session_id: Mapped[int | None] = mapped_column(
        ForeignKey("catalog_session.id", ondelete="SET NULL")
    )
    name: Mapped[str] = mapped_column(String(255))
    job_type: Mapped[str] = mapped_column(String(255))
    job_type_version: Mapped[str] = mapped_column(String(64))
    creates_provenance: Mapped[bool]
    program: Mapped[list[str]]
    arguments: Mapped[list[str]]
    wants: Mapped[list[str]]
    raw_arguments: Mapped[list[str]]
    options: Mapped[dict[str, Any]]
    resources: Mapped[dict[str, Any]]
    dataset_ids: Mapped[list[int]] = mapped_column(deferred=True)
    datafile_ids: Mapped[list[int]] = mapped_column(deferred=True)
    investigation_id: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(String(1000), default="")
    wanted: Mapped[str | None] = mapped_column(String(10))
    cancelled: Mapped[bool] = mapped_column(default=False)
    progress: Mapped[float | None]
    progress_message: Mapped[str] = mapped_column(String(1000), default="")
    submitted_at: Mapped[datetime]
    attempted_at: Mapped[datetime | None]
    next_try_at: Mapped[datetime | None]
    recalled_at: Mapped[datetime | None]
    missing_since: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    batch_id: Mapped[str | None] = mapped_column(String(255))
    failure: Mapped[str] = mapped_column(String(1000), default="")
    exit_code: Mapped[int | None]
    signal: Mapped[int | None]
    cpu_seconds: Mapped[float | None]
    peak_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    node: Mapped[str | None] = mapped_column(String(255))
    recorded: Mapped[bool] = mapped_column(default=False)
    provenance_id: Mapped[int | None] = mapped_column(BigInteger)
    token_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    token_ends_at: Mapped[datetime | None]
    attempt: Mapped[int] = mapped_column(server_default="1")
    retry_mark: Mapped[str | None] = mapped_column(String(26))
    failure_kind: Mapped[str] = mapped_column(String(20), server_default=text("''"))
    engine: Mapped[str] = mapped_column(String(63), server_default=text("''"))
    engine_reason: Mapped[str] = mapped_column(String(1000), server_default=text("''"))
    input_bytes: Mapped[int | None] = mapped_column(BigInteger)
    precedence: Mapped[int] = mapped_column(server_default="0")

    @property
    def mark(self) -> str:
        """Of the present attempt: at the engine, in the provenance, and of its folder."""
        return self.retry_mark or self.public_id


class JobAttempt(Base):
    """How an earlier attempt of a job went that was tried again.

    Attributes:
        output_ids: Datasets that it made and left complete.
    """

    __tablename__ = "job_attempt"

    job_id: Mapped[int] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    mark: Mapped[str] = mapped_column(String(26), unique=True)
    state: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(String(1000))
    failure_kind: Mapped[str] = mapped_column(String(20))
    resources: Mapped[dict[str, Any]]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    exit_code: Mapped[int | None]
    signal: Mapped[int | None]
    cpu_seconds: Mapped[float | None]
    peak_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    node: Mapped[str | None] = mapped_column(String(255))
    batch_id: Mapped[str | None] = mapped_column(String(255))
    provenance_id: Mapped[int | None] = mapped_column(BigInteger)
    output_ids: Mapped[list[int]]


class DeletedRun(Base):
    """How long a job ran that its user has deleted: computing time is not given back by that."""

    __tablename__ = "deleted_run"
    __table_args__ = (Index("ix_deleted_run_investigation_id", "investigation_id", "ended_at"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    investigation_id: Mapped[int] = mapped_column(BigInteger)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime]
    cores: Mapped[int]


class Membership(Base):
    """That a user was in a group of the catalog when they submitted jobs last."""

    __tablename__ = "membership"

    user_name: Mapped[str] = mapped_column(String(255), primary_key=True)
    group_name: Mapped[str] = mapped_column(String(255), primary_key=True, index=True)


class ExternalJob(Base):
    """A job that was submitted outside of the portal, as its batch system told last.

    Attributes:
        account: Its owner at the batch system.
    """

    __tablename__ = "external_job"

    engine: Mapped[str] = mapped_column(String(63), primary_key=True)
    native_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    account: Mapped[str] = mapped_column(String(255), index=True)
    queue: Mapped[str] = mapped_column(String(255))
    state: Mapped[str] = mapped_column(String(20))
    submitted_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    node: Mapped[str] = mapped_column(String(255))


class Alteration(Base):
    """A request for other limits of a job that waits.

    Attributes:
        state: ``pending`` until an administrator decides; ``granted`` until the dispatcher has
            carried it out; then ``done``, ``refused`` or ``failed``.
        answer: Why it was refused, or could not be done.
    """

    __tablename__ = "alteration"
    __table_args__ = (
        CheckConstraint(
            "state IN ('pending', 'granted', 'refused', 'done', 'failed')", name="state"
        ),
        Index("ix_alteration_granted", "id", sqlite_where=IS_GRANTED, postgresql_where=IS_GRANTED),
        Index("ix_alteration_pending", "id", sqlite_where=IS_PENDING, postgresql_where=IS_PENDING),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), index=True)
    user_name: Mapped[str] = mapped_column(String(255), index=True)
    asked_at: Mapped[datetime]
    changes: Mapped[dict[str, Any]]
    note: Mapped[str] = mapped_column(String(1000))
    state: Mapped[str] = mapped_column(String(10))
    decided_by: Mapped[str | None] = mapped_column(String(255))
    decided_at: Mapped[datetime | None]
    answer: Mapped[str] = mapped_column(String(1000))


class JobEvent(Base):
    """One change of a job, with when and why."""

    __tablename__ = "job_event"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(20))
    text: Mapped[str] = mapped_column(String(1000), default="")


class JobRead(Base):
    """A datafile that a job really read through the gateway."""

    __tablename__ = "job_read"

    job_id: Mapped[int] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    datafile_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    dataset_id: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime]


class JobOutput(Base):
    """A dataset that a job created, or an input dataset to which it added parameters."""

    __tablename__ = "job_output"

    job_id: Mapped[int] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    dataset_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    created: Mapped[bool]
    complete: Mapped[bool]
    at: Mapped[datetime]


class DownloadRow(Base):
    """A selection that a user wants to download, and how far it is.

    Attributes:
        looked: How many of its datasets and datafiles were looked up, in their order; ``files``
            and ``bytes`` are what was found in these.
        prepared_id: Of the data service, once it is prepared.
        reason: Why it failed, or what it waits for.
    """

    __tablename__ = "download"
    __table_args__ = (
        CheckConstraint("state IN ('PREPARING', 'PREPARED', 'FAILED')", name="state"),
        CheckConstraint("state <> 'PREPARED' OR prepared_id IS NOT NULL", name="prepared"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_name: Mapped[str] = mapped_column(String(255), index=True)
    dataset_ids: Mapped[list[int]]
    datafile_ids: Mapped[list[int]]
    name: Mapped[str] = mapped_column(String(255))
    state: Mapped[str] = mapped_column(String(10))
    looked: Mapped[int] = mapped_column(default=0)
    files: Mapped[int] = mapped_column(BigInteger, default=0)
    bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    prepared_id: Mapped[str | None] = mapped_column(String(36))
    reason: Mapped[str] = mapped_column(String(1000), default="")
    created_at: Mapped[datetime] = mapped_column(index=True)


class NodeRow(Base):
    """A host that runs jobs, as it was when it was last looked at.

    Attributes:
        engine: By what name the settings have its batch system.
        told: What the batch system said, a ``batch.engine.Node``.
        measured: What was measured, the values of a ``batch.monitoring.measures.Measures``.
    """

    __tablename__ = "node"

    engine: Mapped[str] = mapped_column(String(100), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    told: Mapped[dict[str, Any]]
    told_at: Mapped[datetime]
    measured: Mapped[dict[str, Any]]
    measured_at: Mapped[datetime | None]


class NodeSourceRow(Base):
    """Who was asked about hosts: when it last answered, and what is wrong with it now."""

    __tablename__ = "node_source"

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    answered_at: Mapped[datetime | None]
    fault: Mapped[str] = mapped_column(String(1000), default="")


class Lease(Base):
    """Who of several processes acts; a holder that does not renew loses it."""

    __tablename__ = "lease"

    name: Mapped[str] = mapped_column(String(50), primary_key=True)
    holder: Mapped[str] = mapped_column(String(255))
    until: Mapped[datetime]


class Audit(Base):
    """Who did what; rows are only ever added."""

    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime]
    user_name: Mapped[str] = mapped_column(String(255), index=True)
    action: Mapped[str] = mapped_column(String(50))
    subject: Mapped[str] = mapped_column(String(255), default="")
    detail: Mapped[str] = mapped_column(String(2000), default="")
