"""Uploads that arrive in pieces: what has arrived survives every process and every connection.

The bytes are in one file for each upload, in a folder that all processes share, and are on the
disk before they are acknowledged. When the last one is there, the file moves into the storage and
is registered as the user.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Protocol

from sqlalchemy import Engine, delete, insert, select, update

from datastore import digests, schemas
from datastore.digests import Checked, Digest
from datastore.disk import write_all
from datastore.model import FileDigest, ResumableUpload
from datastore.storing import Depot, NewDatafile, Place
from ijp.catalog import CatalogSession
from ijp.errors import (
    BadRequestError,
    ConflictError,
    InternalError,
    NotFoundError,
    PortalError,
    UnavailableError,
)
from servicekit.database import writing

log = logging.getLogger(__name__)

_DIGESTS_KEPT = 64


class OffsetError(ConflictError):
    """A piece does not begin where the last one ended."""


class LockedError(UnavailableError):
    """Another request is writing this upload."""


class ChecksumError(BadRequestError):
    """A piece has not the checksum that was announced; nothing of it is kept."""


@dataclass(frozen=True)
class Arriving:
    """An upload as it is known to all processes.

    Attributes:
        told: What the client said of the file.
        datafile_id: None until it is registered.
    """

    id: str
    user_name: str
    investigation_id: int
    dataset_id: int
    length: int
    told: Mapping[str, str]
    location: str
    checked_from: int | None
    datafile_id: int | None
    expires: datetime

    def new_datafile(self) -> NewDatafile:
        """What is to be registered."""
        return schemas.new_datafile(
            self.told,
            length=self.length,
            crc32=self.told.get("crc32"),
            sha256=self.told.get("sha256"),
        )


@dataclass(frozen=True)
class Expected:
    """The checksum that a piece must have; ``digest`` are its bytes."""

    algorithm: str
    digest: bytes


class _Crc32:
    def __init__(self) -> None:
        self._digest = Digest()

    def update(self, block: bytes) -> None:
        self._digest.add(block)

    def digest(self) -> bytes:
        return self._digest.checked().crc32.to_bytes(4, "big")


class _Hash(Protocol):
    def update(self, block: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


ALGORITHMS: dict[str, Callable[[], _Hash]] = {
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
    "crc32": _Crc32,
}
"""By their names in the protocol; the bytes of a CRC-32 are the highest first."""


class TusUploads:
    """Keeps uploads until they are whole, are given up, or expire."""

    def __init__(self, engine: Engine, folder: Path, lifetime: timedelta, depot: Depot) -> None:
        self._engine = engine
        self._folder = folder
        self._lifetime = lifetime
        self._depot = depot
        self._digests = _Digests()

    def create(self, session: CatalogSession, told: Mapping[str, str], length: int) -> Arriving:
        """Begin an upload; whatever can be refused without its bytes is refused now.

        Raises:
            BadRequestError: What is told of the file is wrong.
            NotFoundError: There is no such dataset or format.
            ConflictError: The dataset has a Datafile of that name.
            TooLargeError: There is no space for it.
        """
        new = schemas.new_datafile(
            told, length=length, crc32=told.get("crc32"), sha256=told.get("sha256")
        )
        place = self._depot.admit(session, new, new_names_only=True)
        made = Arriving(
            id=str(uuid.uuid4()),
            user_name=session.user_name(),
            investigation_id=place.investigation_id,
            dataset_id=place.dataset_id,
            length=length,
            told=dict(told),
            location=place.location,
            checked_from=None,
            datafile_id=None,
            expires=datetime.now(UTC).replace(microsecond=0) + self._lifetime,
        )
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._path(made.id), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.close(descriptor)
        row = {**vars(made), "told": json.dumps(made.told)}
        with writing(self._engine).begin() as connection:
            connection.execute(insert(ResumableUpload).values(**row))
        log.info("upload %s begun, %d bytes for dataset %d", made.id, length, made.dataset_id)
        return made

    def get(self, session: CatalogSession, id: str) -> Arriving:
        """An upload of the session's user.

        Raises:
            NotFoundError: There is none of that id, it is another user's, or it has expired.
        """
        with self._engine.connect() as connection:
            row = connection.execute(
                select(ResumableUpload.__table__).where(
                    ResumableUpload.id == id, ResumableUpload.expires > datetime.now(UTC)
                )
            ).one_or_none()
        if row is None or row.user_name != session.user_name():
            raise NotFoundError(f"there is no upload {id} of yours, or it has expired")
        return Arriving(**{**row._mapping, "told": json.loads(row.told)})

    def _as_it_is_now(self, upload: Arriving) -> Arriving:
        """What only a holder of the lock may have changed since it was read."""
        columns = (ResumableUpload.checked_from, ResumableUpload.datafile_id)
        with self._engine.connect() as connection:
            row = connection.execute(
                select(*columns).where(ResumableUpload.id == upload.id)
            ).one_or_none()
        if row is None:
            raise NotFoundError(f"there is no upload {upload.id} any more")
        return replace(upload, **row._mapping)

    def offset(self, upload: Arriving) -> int:
        """How many bytes have arrived for good."""
        if upload.datafile_id is not None:
            return upload.length
        try:
            size = self._path(upload.id).stat().st_size
        except FileNotFoundError:
            # The file is in the storage already, and the process ended before it was registered.
            return upload.length
        return size if upload.checked_from is None else min(size, upload.checked_from)

    def append(
        self,
        upload: Arriving,
        offset: int,
        blocks: Iterable[bytes],
        expected: Expected | None = None,
    ) -> int:
        """Add bytes that begin at an offset; gives the new one.

        What came of a piece that breaks off is kept, unless it has a checksum.

        Raises:
            OffsetError: That is not where the upload ends.
            LockedError: Another request is adding to it.
            ChecksumError: The bytes are not what was announced.
            BadRequestError: There are more of them than there should be, or they broke off.
        """
        with self._locked(upload) as file:
            upload = self._as_it_is_now(upload)
            reached = self.offset(upload)
            if offset != reached:
                raise OffsetError(f"the upload has {reached} bytes, not {offset}")
            if reached == upload.length:
                return reached
            file.truncate(reached)
            file.seek(reached)
            if expected is None and upload.checked_from is not None:
                self._note_checked_from(upload, None)
            digest = self._digests.pop(upload.id, reached) or self._read(upload.id)
            if expected is None:
                self._write(file, digest, _bounded(blocks, upload.length - reached), None)
            else:
                self._note_checked_from(upload, reached)
                self._write_checked(file, digest, upload, reached, blocks, expected)
            self._digests.keep(upload.id, digest)
            return digest.size

    def _write(
        self,
        file: BinaryIO,
        digest: Digest,
        blocks: Iterable[bytes],
        also: Callable[[bytes], None] | None,
    ) -> None:
        def arriving() -> Iterator[bytes]:
            for block in blocks:
                digest.add(block)
                if also:
                    also(block)
                yield block

        try:
            digests.passed_on(arriving(), lambda block: write_all(file.fileno(), block))
        finally:
            os.fdatasync(file.fileno())

    def _write_checked(
        self,
        file: BinaryIO,
        digest: Digest,
        upload: Arriving,
        reached: int,
        blocks: Iterable[bytes],
        expected: Expected,
    ) -> None:
        own = ALGORITHMS[expected.algorithm]()
        try:
            self._write(file, digest, _bounded(blocks, upload.length - reached), own.update)
            if own.digest() != expected.digest:
                raise ChecksumError(
                    f"the piece at {reached} has another {expected.algorithm} than was told"
                )
        except BaseException:
            file.truncate(reached)
            raise
        finally:
            self._note_checked_from(upload, None)

    def _note_checked_from(self, upload: Arriving, offset: int | None) -> None:
        with writing(self._engine).begin() as connection:
            connection.execute(
                update(ResumableUpload)
                .where(ResumableUpload.id == upload.id)
                .values(checked_from=offset)
            )

    def found(self, upload: Arriving) -> Checked | None:
        """What was found of a content that is registered."""
        columns = (FileDigest.size, FileDigest.crc32, FileDigest.sha256)
        with self._engine.connect() as connection:
            row = connection.execute(
                select(*columns).where(FileDigest.location == upload.location)
            ).one_or_none()
        return Checked(*row) if row else None

    def finish(self, session: CatalogSession, upload: Arriving) -> int:
        """Register an upload that has arrived; gives the Datafile's id, also the second time.

        An upload that is refused for good is removed.

        Raises:
            PortalError: As ``Depot.put`` does; after an UnavailableError it can be tried again.
        """
        if upload.datafile_id is not None:
            return upload.datafile_id
        with self._locked(upload):
            upload = self._as_it_is_now(upload)
            if upload.datafile_id is not None:
                return upload.datafile_id
            try:
                id = self._register(session, upload)
            except (UnavailableError, InternalError):
                raise
            except PortalError:
                self._remove(upload.id)
                raise
            with writing(self._engine).begin() as connection:
                connection.execute(
                    update(ResumableUpload)
                    .where(ResumableUpload.id == upload.id)
                    .values(datafile_id=id)
                )
        return id

    def _register(self, session: CatalogSession, upload: Arriving) -> int:
        path, new = self._path(upload.id), upload.new_datafile()
        place = Place(upload.location, upload.dataset_id, upload.investigation_id)
        if path.exists():
            digest = self._digests.pop(upload.id, upload.length) or self._read(upload.id)
            return self._depot.take_in(session, new, place, path, digest.checked()).id
        return self._depot.register_again(session, new, place).id

    def remove(self, upload: Arriving) -> None:
        """Give an upload up; what is registered stays."""
        with self._locked(upload):
            self._remove(upload.id)

    def remove_expired(self, now: datetime | None = None) -> int:
        """Remove what nobody went on with; gives how many there were."""
        with self._engine.connect() as connection:
            expired = connection.scalars(
                select(ResumableUpload.id).where(
                    ResumableUpload.expires <= (now or datetime.now(UTC))
                )
            ).all()
        for id in expired:
            self._remove(id)
        return len(expired)

    def _remove(self, id: str) -> None:
        self._path(id).unlink(missing_ok=True)
        with writing(self._engine).begin() as connection:
            connection.execute(delete(ResumableUpload).where(ResumableUpload.id == id))

    def _read(self, id: str) -> Digest:
        with self._path(id).open("rb") as file:
            return digests.read(file)

    def _path(self, id: str) -> Path:
        return self._folder / id

    @contextmanager
    def _locked(self, upload: Arriving) -> Iterator[BinaryIO]:
        """The upload's file, for one process and request; the lock ends with the process."""
        try:
            file = self._path(upload.id).open("r+b", buffering=0)
        except FileNotFoundError:
            # It is in the storage, or was removed: there is nothing to write to.
            with open(os.devnull, "r+b", buffering=0) as nothing:
                yield nothing
            return
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise LockedError(f"another request is writing the upload {upload.id}") from error
            yield file


def _bounded(blocks: Iterable[bytes], most: int) -> Iterator[bytes]:
    """The blocks, which must not have more bytes than that."""
    for block in blocks:
        if len(block) > most:
            raise BadRequestError("the piece goes beyond the length that was announced")
        most -= len(block)
        yield block


class _Digests:
    """Digests of what this process has written lately; others read the file once."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Digest] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, id: str, digest: Digest) -> None:
        with self._lock:
            self._kept[id] = digest
            while len(self._kept) > _DIGESTS_KEPT:
                self._kept.popitem(last=False)

    def pop(self, id: str, size: int) -> Digest | None:
        """That of the first ``size`` bytes, if it is here."""
        with self._lock:
            found = self._kept.pop(id, None)
        return found if found and found.size == size else None
