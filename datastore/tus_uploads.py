"""Uploads that arrive in pieces: what has arrived survives every process and every connection.

The bytes are in one file for each upload, in a folder that all processes share, and are on the
disk before they are acknowledged. When the last one is there, the file moves into the storage and
is registered as the user.
"""

from __future__ import annotations

import fcntl
import logging
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Engine

from datastore import digests, schemas
from datastore.digests import Checked, Digest
from datastore.disk import Outflow
from datastore.storing import Depot, Place
from datastore.tus_pieces import (
    ALGORITHMS,
    ChecksumError,
    Expected,
    LockedError,
    OffsetError,
    RecentDigests,
    bounded,
)
from datastore.tus_records import Arriving, Records
from ijp.catalog import CatalogSession
from ijp.errors import InternalError, NotFoundError, PortalError, UnavailableError

log = logging.getLogger(__name__)


class TusUploads:
    """Keeps uploads until they are whole, are given up, or expire."""

    def __init__(self, engine: Engine, folder: Path, lifetime: timedelta, depot: Depot) -> None:
        self._records = Records(engine)
        self._folder = folder
        self._lifetime = lifetime
        self._depot = depot
        self._digests = RecentDigests()

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
        # from then on the row counts against the quota
        with place.room:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self._path(made.id), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            os.close(descriptor)
            self._records.add(made)
        log.info("upload %s begun, %d bytes for dataset %d", made.id, length, made.dataset_id)
        return made

    def get(self, session: CatalogSession, id: str) -> Arriving:
        """An upload of the session's user.

        Raises:
            NotFoundError: There is none of that id, it is another user's, or it has expired.
        """
        upload = self._records.get(id)
        if upload.user_name != session.user_name():
            raise NotFoundError(f"there is no upload {id} of yours, or it has expired")
        return upload

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
            upload = self._records.as_it_is_now(upload)
            reached = self.offset(upload)
            if offset != reached:
                raise OffsetError(f"the upload has {reached} bytes, not {offset}")
            if reached == upload.length:
                return reached
            file.truncate(reached)
            file.seek(reached)
            if expected is None and upload.checked_from is not None:
                self._records.note(upload.id, checked_from=None)
            digest = self._digests.pop(upload.id, reached) or self._read(upload.id)
            try:
                if expected is None:
                    self._write(file, digest, bounded(blocks, upload.length - reached))
                else:
                    self._records.note(upload.id, checked_from=reached)
                    self._write_checked(file, digest, upload, reached, blocks, expected)
            finally:
                # If bytes were lost it has another size than the file, and is not used.
                self._digests.keep(upload.id, digest)
            return digest.size

    def _write(
        self,
        file: BinaryIO,
        digest: Digest,
        pieces: Iterable[bytes],
        *also: Callable[[bytes], None],
    ) -> None:
        outflow = Outflow(file.fileno(), digest.size)
        try:
            digests.passed_on(pieces, digest.add, outflow.write, *also)
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
            self._write(file, digest, bounded(blocks, upload.length - reached), own.update)
            if own.digest() != expected.digest:
                raise ChecksumError(
                    f"the piece at {reached} has another {expected.algorithm} than was told"
                )
        except BaseException:
            file.truncate(reached)
            raise
        finally:
            self._records.note(upload.id, checked_from=None)

    def found(self, upload: Arriving) -> Checked | None:
        """What was found of a content that is registered."""
        return self._records.found(upload)

    def finish(self, session: CatalogSession, upload: Arriving) -> int:
        """Register an upload that has arrived; gives the Datafile's id, also the second time.

        An upload that is refused for good is removed.

        Raises:
            PortalError: As ``Depot.put`` does; after an UnavailableError it can be tried again.
        """
        if upload.datafile_id is not None:
            return upload.datafile_id
        with self._locked(upload):
            upload = self._records.as_it_is_now(upload)
            if upload.datafile_id is not None:
                return upload.datafile_id
            try:
                id = self._register(session, upload)
            except (UnavailableError, InternalError):
                raise
            except PortalError:
                self._remove(upload.id)
                raise
            self._records.note(upload.id, datafile_id=id)
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
        expired = self._records.expired(now or datetime.now(UTC))
        for id in expired:
            self._remove(id)
        return len(expired)

    def _remove(self, id: str) -> None:
        self._path(id).unlink(missing_ok=True)
        self._records.remove(id)

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
