"""The tables of the two levels: what is where, what is to be done with it, and who holds it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from datastore.model import Base, BigId
from datastore.tiers.states import Operation, Request

_QUEUED = text("wanted IS NOT NULL")
_RUNNING = text("running IS NOT NULL")


def _one_of(column: str, values: type[Operation] | type[Request]) -> str:
    return f"{column} IN ({', '.join(repr(str(one)) for one in values)})"


class TierItem(Base):
    """A dataset, or a file, that the two levels know of.

    What has no row is in the main storage and was never written to the archive.

    Attributes:
        key: The dataset's id, or the file's location: what the archive keeps it under.
        datafile_id: A Datafile with that location; None for a dataset.
        in_main: All of it is in the main storage. Set to false before the first file goes, and
            to true when the last one is back.
        in_archive: The archive has a copy, of ``archive_bytes``.
        archive_files: SHA-256 of the locations that are in a dataset's copy.
        unwritten: The archive has not what the main storage has, so this must not be archived.
        touched: When it was last stored, restored or read, to the hour.
        serial: Counts the changes, so that a write knows whether there was one meanwhile.
        wanted: What is queued, not to be begun before ``due``.
        asker: For whom that is: a catalog user name; empty or None for the service.
        turn: What is due is done in this order; see ``tiers/turns.py``.
        running: What ``owner`` does with it until ``until``, which is renewed.
        tries: How often in a row that has failed.
        failed: The operation that failed for good, and in ``failure`` why.
    """

    __tablename__ = "tier_item"
    __table_args__ = (
        CheckConstraint("in_main OR in_archive", name="somewhere"),
        CheckConstraint("in_main OR NOT unwritten", name="written"),
        CheckConstraint(_one_of("wanted", Request), name="wanted"),
        CheckConstraint(_one_of("running", Operation), name="running"),
        CheckConstraint(_one_of("failed", Operation), name="failed"),
        Index("ix_tier_item_queued", "turn", "due", sqlite_where=_QUEUED, postgresql_where=_QUEUED),
        Index("ix_tier_item_running", "until", sqlite_where=_RUNNING, postgresql_where=_RUNNING),
    )

    key: Mapped[str] = mapped_column(String(511), primary_key=True)
    dataset_id: Mapped[int] = mapped_column(BigInteger, index=True)
    datafile_id: Mapped[int | None] = mapped_column(BigInteger)
    in_main: Mapped[bool] = mapped_column(default=True)
    in_archive: Mapped[bool] = mapped_column(default=False)
    archive_bytes: Mapped[int | None] = mapped_column(BigInteger)
    archive_files: Mapped[str | None] = mapped_column(String(64))
    unwritten: Mapped[bool] = mapped_column(default=True)
    touched: Mapped[datetime]
    serial: Mapped[int] = mapped_column(BigInteger, default=0)
    wanted: Mapped[str | None] = mapped_column(String(20))
    due: Mapped[datetime | None]
    asker: Mapped[str | None] = mapped_column(String(255))
    turn: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    running: Mapped[str | None] = mapped_column(String(10))
    owner: Mapped[str | None] = mapped_column(String(300))
    until: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(default=0)
    failed: Mapped[str | None] = mapped_column(String(10))
    failure: Mapped[str | None] = mapped_column(Text)


class TierLock(Base):
    """A lock on a dataset; one that is not renewed before ``until`` counts as released."""

    __tablename__ = "tier_lock"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    dataset_id: Mapped[int] = mapped_column(BigInteger, index=True)
    exclusive: Mapped[bool]
    owner: Mapped[str] = mapped_column(String(300), index=True)
    until: Mapped[datetime]


class CheckedArchive(Base):
    """How far the check of the archive has come, so that it goes on there after a restart."""

    __tablename__ = "checked_archive"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    last_id: Mapped[int] = mapped_column(BigInteger)
