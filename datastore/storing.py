"""Files into the storage and out of it for good, together with their Datafiles."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from datastore import digests, naming
from datastore.digests import Checked, Digest
from datastore.locations import Locations
from datastore.quotas import UNBOUNDED, Quotas, Room
from datastore.reader import ReaderAccount
from datastore.recent import Recent
from datastore.selection import Resolver, SelectedDatafile
from datastore.storage import DatasetInfo, Storage, Upload
from datastore.tiers.levels import Levels
from datastore.unsettled import Unsettled, registered
from ijp.catalog import CatalogSession, format_date
from ijp.datastore import Stored
from ijp.errors import (
    BadRequestError,
    ConflictError,
    InternalError,
    NotFoundError,
    PortalError,
    TooLargeError,
    UnavailableError,
)
from ijp.query import query

log = logging.getLogger(__name__)

_LOOK_AT_SPACE_BYTES = 64 << 20
_TRUSTED_SECONDS = 10.0
_SAME_NAME = "SELECT df.id, df.location FROM Datafile df WHERE df.dataset.id = {} AND df.name = {}"
_CHANGED = "the content has the {}: it was changed on the way and has not been stored"


@dataclass(frozen=True)
class NewDatafile:
    """What is told of a file that is to be stored.

    Attributes:
        length: Bytes that are announced; None if they are not.
        crc32, sha256: What the content must have; None if it is not told.
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
    sha256: str | None = None


@dataclass(frozen=True)
class Place:
    """Where a file is to go; ``room`` is what its owners may store."""

    location: str
    dataset_id: int
    investigation_id: int
    room: Room = UNBOUNDED


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
        *,
        locations: Locations | None = None,
        quotas: Quotas | None = None,
        levels: Levels | None = None,
    ) -> None:
        self._storage = storage
        self._unsettled = unsettled
        self._limits = limits
        self._reader = reader
        self._locations = locations or Locations()
        self._quotas = quotas
        self._levels = levels or Levels()
        self._recent = Recent(_TRUSTED_SECONDS)

    def put(self, session: CatalogSession, new: NewDatafile, pieces: Iterator[bytes]) -> Stored:
        """Store a content and register it as the user.

        Nothing is left of one that is refused or broken off.

        Raises:
            BadRequestError: The name is not allowed, or the content is not what was announced.
            NotAuthorizedError: The user may not create this Datafile.
            NotFoundError: There is no such dataset or format.
            ConflictError: The dataset has a Datafile of that name.
            TooLargeError: There is no space for it.
        """
        place = self.admit(session, new)
        with place.room, self._levels.adding(place.dataset_id):
            with self._noted(place), self._storage.upload(place.location) as upload:
                checked = self._receive(pieces, upload, new, place)
                upload.commit()
            return self._register(session, new, place, checked)

    def take_in(
        self, session: CatalogSession, new: NewDatafile, place: Place, path: Path, checked: Checked
    ) -> Stored:
        """As ``put``, for a content that is in a file of this host, which is gone after.

        Args:
            checked: What was found of that file.
        """
        _check_received(new, checked)
        with self._levels.adding(place.dataset_id):
            with self._noted(place):
                self._storage.take_in(path, place.location)
            return self._register(session, new, place, checked)

    def register_again(self, session: CatalogSession, new: NewDatafile, place: Place) -> Stored:
        """Register what a process took in that ended before it knew whether it was registered.

        Raises:
            NotFoundError: It is not there any more.
        """
        with self._storage.open(place.location) as file:
            checked = digests.read(file).checked()
        for id, told in session.search(query(_SAME_NAME, new.dataset_id, new.name)):
            if told and self._locations.plain(id, told) == place.location:
                self._settle(place, checked)
                return Stored(id, checked.crc32, place.location, checked.size)
        return self._register(session, new, place, checked)

    def admit(
        self, session: CatalogSession, new: NewDatafile, *, new_names_only: bool = False
    ) -> Place:
        """Choose a place, unless it is plain by now that the file will be refused.

        Args:
            new_names_only: Look for a Datafile of that name now, not just when it is registered.

        Raises:
            PortalError: As ``put`` does.
        """
        naming.checked(new.name)
        dataset = self._seen(session, new)
        if new_names_only and session.search(query(_SAME_NAME, new.dataset_id, new.name)):
            raise ConflictError(f"dataset {new.dataset_id} has a Datafile {new.name!r} already")
        self._check_space(new.length or 0)
        location = self._storage.new_location(dataset, new.name)
        room = self._room(session, dataset.investigation_id)
        room.check(new.length or 0)
        return Place(location, dataset.id, dataset.investigation_id, room)

    def _seen(self, session: CatalogSession, new: NewDatafile) -> DatasetInfo:
        """The dataset, which the user sees as well as the format.

        It was so some seconds ago; the catalog has the last word when the file is registered.
        """
        who = session.session_id
        format_id, dataset_id = new.datafile_format_id, new.dataset_id
        self._recent.get((who, "f", format_id), lambda: session.get("DatafileFormat", format_id))
        return self._recent.get(
            (who, "d", dataset_id), lambda: Resolver(session).dataset(dataset_id)
        )

    def _room(self, session: CatalogSession, investigation_id: int) -> Room:
        return self._quotas.room(session, investigation_id) if self._quotas else UNBOUNDED

    @contextmanager
    def _noted(self, place: Place) -> Iterator[None]:
        """Remember the location before anything is there; if that fails, nothing is left."""
        noted_at = time.time()
        self._unsettled.note([(place.location, place.dataset_id)])
        try:
            yield
            self._unsettled.require([place.location], noted_at)
        except BaseException:
            self._storage.delete(place.location)
            self._unsettled.settled([place.location])
            raise

    def _receive(
        self, pieces: Iterator[bytes], upload: Upload, new: NewDatafile, place: Place
    ) -> Checked:
        """Write all pieces; they are digested and written while the next ones arrive."""
        digest, written, looked = Digest(), 0, 0

        def take(piece: bytes) -> None:
            nonlocal written, looked
            reached = written + len(piece)
            if reached - looked >= _LOOK_AT_SPACE_BYTES:
                place.room.check(reached)
                self._check_space(reached, written)
                looked = reached
            upload.write(piece)
            written = reached

        digests.passed_on(pieces, digest.add, take)
        checked = digest.checked()
        place.room.check(checked.size)
        self._check_space(checked.size, checked.size)
        _check_received(new, checked)
        return checked

    def _check_space(self, size: int, written: int = 0) -> None:
        """Refuse a file of this size, of which some is written already."""
        largest = self._limits.largest_upload_bytes
        if largest is not None and size > largest:
            raise TooLargeError(f"a file may have {largest} bytes, this one has {size} or more")
        free = self._storage.free_bytes()
        if free is not None and free - (size - written) < self._limits.free_space_floor_bytes:
            raise TooLargeError(f"there is no space left in the storage for {size} bytes")

    def _register(
        self, session: CatalogSession, new: NewDatafile, place: Place, checked: Checked
    ) -> Stored:
        try:
            id = self._created(session, new, place.location, checked)
        except (UnavailableError, InternalError):
            # It may have been registered: the sweep asks again.
            log.warning("the catalog did not say whether %s was registered", place.location)
            raise
        except PortalError:
            self._storage.delete(place.location)
            self._unsettled.settled([place.location])
            raise
        self._settle(place, checked)
        log.info("datafile %d of dataset %d stored, %d bytes", id, new.dataset_id, checked.size)
        return Stored(id, checked.crc32, place.location, checked.size)

    def _settle(self, place: Place, checked: Checked) -> None:
        """The archive is told before the note goes, so that a crash between loses neither."""
        self._levels.changed({place.location: place.dataset_id}, ())
        self._unsettled.stored(place.location, checked)

    def _created(
        self, session: CatalogSession, new: NewDatafile, location: str, checked: Checked
    ) -> int:
        values = entity(new, checked)
        if not self._locations.are_signed:
            return session.create("Datafile", **values, location=location)
        # The digest needs the id; without a location the Datafile has no content so far.
        id = session.create("Datafile", **values)
        try:
            session.update("Datafile", id, location=self._locations.signed(id, location))
        except PortalError:
            session.delete("Datafile", [id])
            raise
        return id

    def remove(self, session: CatalogSession, datafiles: Sequence[SelectedDatafile]) -> None:
        """Delete Datafiles, all or none, as the user, and then their content.

        Content that another Datafile refers to stays.

        Raises:
            NotAuthorizedError: The user may not delete one of them.
        """
        if not datafiles:
            return
        with self._levels.removing(datafiles):
            self._remove(session, datafiles)
        log.info("%d datafiles deleted", len(datafiles))

    def _remove(self, session: CatalogSession, datafiles: Sequence[SelectedDatafile]) -> None:
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
        signed = self._locations.are_signed
        used = registered(session, locations, signed=signed)
        if self._reader:
            used |= registered(self._reader.session(), locations, signed=signed)
        for location in locations - used:
            self._storage.delete(location)
        changed = {one.location: one.dataset_id for one in own}
        self._levels.changed(changed, locations - used)
        self._unsettled.removed(locations - used)
        self._unsettled.settled(used)

    def _is_own(self, datafile: SelectedDatafile) -> bool:
        """The location was chosen for a file of this dataset; anybody may write another one."""
        try:
            return self._storage.dataset_of(datafile.location) == datafile.dataset_id
        except NotFoundError:
            return False


def entity(new: NewDatafile, checked: Checked) -> dict[str, Any]:
    """The Datafile as the catalog is to have it, without its location."""
    optional = {
        "description": new.description,
        "doi": new.doi,
        "datafileCreateTime": new.create_time and format_date(new.create_time),
        "datafileModTime": new.mod_time and format_date(new.mod_time),
    }
    return {
        "name": new.name,
        "dataset": {"id": new.dataset_id},
        "datafileFormat": {"id": new.datafile_format_id},
        "fileSize": checked.size,
        "checksum": f"{checked.crc32:x}",
        **{key: value for key, value in optional.items() if value is not None},
    }


def _check_received(new: NewDatafile, checked: Checked) -> None:
    """Refuse what is not what was announced."""
    size, crc = checked.size, checked.crc32
    if new.length is not None and size != new.length:
        raise BadRequestError(f"the upload ended after {size} of {new.length} bytes")
    if new.crc32 is not None and crc != new.crc32:
        raise BadRequestError(_CHANGED.format(f"CRC-32 {crc:08x}, not {new.crc32:08x}"))
    if new.sha256 is not None and checked.sha256 != new.sha256:
        raise BadRequestError(_CHANGED.format(f"SHA-256 {checked.sha256}, not {new.sha256}"))
