"""The service's own tables: prepared selections, uploads, digests, files whose fate is open."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

_NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

BigId = BigInteger().with_variant(Integer, "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, aware and in UTC in Python; the database gets and gives UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """A table of the data service."""

    metadata = MetaData(naming_convention=_NAMING)
    type_annotation_map = {datetime: UtcDateTime}


class Prepared(Base):
    """A selection that can be downloaded by its id alone until it expires."""

    __tablename__ = "prepared"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    zip: Mapped[bool]
    compress: Mapped[bool]
    created: Mapped[datetime] = mapped_column(index=True)
    expires: Mapped[datetime] = mapped_column(index=True)


class PreparedDatafile(Base):
    """A datafile of a prepared selection, as it was when that was prepared."""

    __tablename__ = "prepared_datafile"

    prepared_id: Mapped[str] = mapped_column(
        ForeignKey("prepared.id", ondelete="CASCADE"), primary_key=True
    )
    datafile_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    dataset_id: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(Text)
    folder: Mapped[str] = mapped_column(Text)
    location: Mapped[str] = mapped_column(String(511))
    file_size: Mapped[int | None] = mapped_column(BigInteger)
    mod_time: Mapped[datetime | None]


class UnsettledFile(Base):
    """A location at which there may be a file that the catalog does not know.

    The row stands from before an upload or removal begins until it is known how that ended.

    Attributes:
        owner: Whose request it is; None if that is not known.
    """

    __tablename__ = "unsettled_file"

    location: Mapped[str] = mapped_column(String(511), primary_key=True)
    dataset_id: Mapped[int] = mapped_column(BigInteger)
    since: Mapped[datetime] = mapped_column(index=True)
    owner: Mapped[str | None] = mapped_column(String(300))


class LiveOwner(Base):
    """Who has something in hand, and until when that is sure; renewed as long as it lives."""

    __tablename__ = "live_owner"

    name: Mapped[str] = mapped_column(String(300), primary_key=True)
    until: Mapped[datetime]


class ReservedSpace(Base):
    """Bytes that are kept free for an upload of ``owner``, as long as that lives.

    Each row was added after all those with lower ids, and counts after them.
    """

    __tablename__ = "reserved_space"
    __table_args__ = (
        CheckConstraint("bytes > 0", name="bytes"),
        # the number of one that is gone is not given again
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    user_name: Mapped[str] = mapped_column(String(255), index=True)
    investigation_id: Mapped[int] = mapped_column(BigInteger, index=True)
    bytes: Mapped[int] = mapped_column(BigInteger)
    owner: Mapped[str] = mapped_column(String(300))


class ResumableUpload(Base):
    """A file that arrives in pieces, each of which may come to another process.

    How much has arrived is the length of its file in the folder of uploads, but no more than
    ``checked_from`` while a piece arrives that counts only when its checksum is right.

    Attributes:
        told: What the client said of the file, as JSON.
        location: Where it will be in the storage.
        datafile_id: None until it is registered.
    """

    __tablename__ = "resumable_upload"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_name: Mapped[str] = mapped_column(String(255), index=True)
    investigation_id: Mapped[int] = mapped_column(BigInteger, index=True)
    dataset_id: Mapped[int] = mapped_column(BigInteger)
    length: Mapped[int] = mapped_column(BigInteger)
    told: Mapped[str] = mapped_column(Text)
    location: Mapped[str] = mapped_column(String(511))
    checked_from: Mapped[int | None] = mapped_column(BigInteger)
    datafile_id: Mapped[int | None] = mapped_column(BigInteger)
    expires: Mapped[datetime] = mapped_column(index=True)


class FileDigest(Base):
    """What the content at a location was when it was stored, and when that was last compared.

    Attributes:
        fault: What the last comparison found wrong; None if nothing, or if there was none.
    """

    __tablename__ = "file_digest"

    location: Mapped[str] = mapped_column(String(511), primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    crc32: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    stored: Mapped[datetime]
    checked: Mapped[datetime] = mapped_column(index=True)
    fault: Mapped[str | None] = mapped_column(Text)
