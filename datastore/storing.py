"""Files into the storage and out of it for good, together with their Datafiles."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from datastore import naming
from datastore.reader import ReaderAccount
from datastore.selection import Resolver, SelectedDatafile
from datastore.storage import Storage, Upload
from datastore.unsettled import Unsettled, registered
from ijp.catalog import CatalogSession, format_date
from ijp.datastore import Stored
from ijp.errors import (
    BadRequestError,
    InternalError,
    NotFoundError,
    PortalError,
    TooLargeError,
    UnavailableError,
)

log = logging.getLogger(__name__)

_LOOK_AT_SPACE_BYTES = 64 << 20


@dataclass(frozen=True)
class NewDatafile:
    """What is told of a file that is to be stored.

    Attributes:
        length: Bytes that are announced; None if they are not.
        crc32: What the content must have; None if it is not told.
    """

    name: str
    dataset_id: int
    datafile_format_id: int
    description: str | None = None
    doi: str | None = None
    create_time: datetime | None = None
    mod_time: datetime | None = None
    length: int | None = None
    crc32: int | None = None


@dataclass(frozen=True)
class Limits:
    """How much an upload may take; the attributes are those of the settings."""

    largest_upload_bytes: int | None
    free_space_floor_bytes: int


class Depot:
    """Stores and removes files so that storage and catalog agree, whatever happens between."""

    def __init__(
        self,
        storage: Storage,
        unsettled: Unsettled,
        limits: Limits,
        reader: ReaderAccount | None = None,
    ) -> None:
        self._storage = storage
        self._unsettled = unsettled
        self._limits = limits
        self._reader = reader

    def put(self, session: CatalogSession, new: NewDatafile, blocks: Iterator[bytes]) -> Stored:
        """Store a content and register it as the user.

        Nothing is left of one that is refused or broken off.

        Raises:
            BadRequestError: The name is not allowed, or the content is not what was announced.
            NotAuthorizedError: The user may not create this Datafile.
            NotFoundError: There is no such dataset or format.
            ConflictError: The dataset has a Datafile of that name.
            TooLargeError: There is no space for it.
        """
        naming.checked(new.name)
        dataset = Resolver(session).dataset(new.dataset_id)
        session.get("DatafileFormat", new.datafile_format_id)
        self._check_space(new.length or 0)
        location = self._storage.new_location(dataset, new.name)
        self._unsettled.note([(location, dataset.id)])
        try:
            with self._storage.upload(location) as upload:
                crc, size = self._receive(blocks, upload, new)
                upload.commit()
        except BaseException:
            self._storage.delete(location)
            self._unsettled.settled([location])
            raise
        id = self._register(session, new, location, crc, size)
        self._unsettled.settled([location])
        log.info("datafile %d of dataset %d stored, %d bytes", id, dataset.id, size)
        return Stored(id, crc, location, size)

    def _receive(
        self, blocks: Iterator[bytes], upload: Upload, new: NewDatafile
    ) -> tuple[int, int]:
        """Write all blocks; a block is written while the next one arrives."""
        crc = size = looked = 0
        with ThreadPoolExecutor(1, "upload") as writer:
            writing: Future[None] | None = None
            for block in blocks:
                size += len(block)
                if size - looked >= _LOOK_AT_SPACE_BYTES:
                    self._check_space(size, size)
                    looked = size
                crc = zlib.crc32(block, crc)
                if writing:
                    writing.result()
                writing = writer.submit(upload.write, block)
            if writing:
                writing.result()
        self._check_space(size, size)
        _check_received(new, size, crc)
        return crc, size

    def _check_space(self, size: int, written: int = 0) -> None:
        """Refuse a file of this size, of which some is written already."""
        largest = self._limits.largest_upload_bytes
        if largest is not None and size > largest:
            raise TooLargeError(f"a file may have {largest} bytes, this one has {size} or more")
        free = self._storage.free_bytes()
        if free is not None and free - (size - written) < self._limits.free_space_floor_bytes:
            raise TooLargeError(f"there is no space left in the storage for {size} bytes")

    def _register(
        self, session: CatalogSession, new: NewDatafile, location: str, crc: int, size: int
    ) -> int:
        optional = {
            "description": new.description,
            "doi": new.doi,
            "datafileCreateTime": new.create_time and format_date(new.create_time),
            "datafileModTime": new.mod_time and format_date(new.mod_time),
        }
        try:
            return session.create(
                "Datafile",
                name=new.name,
                dataset={"id": new.dataset_id},
                datafileFormat={"id": new.datafile_format_id},
                location=location,
                fileSize=size,
                checksum=f"{crc:x}",
                **{key: value for key, value in optional.items() if value is not None},
            )
        except (UnavailableError, InternalError):
            # It may have been registered: the sweep asks again.
            log.warning("the catalog did not say whether %s was registered", location)
            raise
        except PortalError:
            self._storage.delete(location)
            self._unsettled.settled([location])
            raise

    def remove(self, session: CatalogSession, datafiles: Sequence[SelectedDatafile]) -> None:
        """Delete Datafiles, all or none, as the user, and then their content.

        Content that another Datafile refers to stays.

        Raises:
            NotAuthorizedError: The user may not delete one of them.
        """
        if not datafiles:
            return
        own = [one for one in datafiles if self._is_own(one)]
        locations = {one.location for one in own}
        self._unsettled.note((one.location, one.dataset_id) for one in own)
        try:
            session.delete("Datafile", [one.id for one in datafiles])
        except (UnavailableError, InternalError):
            raise
        except PortalError:
            self._unsettled.settled(locations)
            raise
        used = registered(session, locations)
        if self._reader:
            used |= registered(self._reader.session(), locations)
        for location in locations - used:
            self._storage.delete(location)
        self._unsettled.settled(locations)
        log.info("%d datafiles deleted", len(datafiles))

    def _is_own(self, datafile: SelectedDatafile) -> bool:
        """The location was chosen for a file of this dataset; anybody may write another one."""
        try:
            return self._storage.dataset_of(datafile.location) == datafile.dataset_id
        except NotFoundError:
            return False


def _check_received(new: NewDatafile, size: int, crc: int) -> None:
    """Refuse what is not what was announced."""
    if new.length is not None and size != new.length:
        raise BadRequestError(f"the upload ended after {size} of {new.length} bytes")
    if new.crc32 is not None and crc != new.crc32:
        raise BadRequestError(
            f"the content has the CRC-32 {crc:08x}, not {new.crc32:08x}: it was changed on "
            "the way and has not been stored"
        )
