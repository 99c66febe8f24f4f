"""Many small files in one call: stored side by side, registered in one transaction."""

from __future__ import annotations

import logging
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import IO, Any, cast

from datastore import naming
from datastore.digests import Checked, Digest
from datastore.incoming import Reading
from datastore.quotas import Room
from datastore.selection import Resolver
from datastore.storage import DatasetInfo
from datastore.storing import Depot, NewDatafile, entity
from ijp.catalog import CatalogSession
from ijp.datastore import Stored
from ijp.errors import (
    BadRequestError,
    InternalError,
    PortalError,
    TooLargeError,
    UnavailableError,
)

log = logging.getLogger(__name__)

MOST_FILES = 10_000
LARGEST_BYTES = 16 << 20
_BATCH_FILES = 64
_BATCH_BYTES = 16 << 20

_Arrived = tuple[NewDatafile, bytes]


@dataclass(frozen=True)
class _Kept:
    new: NewDatafile
    location: str
    checked: Checked


class ManyDepot(Depot):
    """Also stores many files at once, all or none."""

    def put_many(
        self, session: CatalogSession, dataset_id: int, files: Iterable[_Arrived]
    ) -> list[Stored]:
        """Store files of one dataset and register them as the user, in order.

        Raises:
            PortalError: As ``put`` does, for any of them; nothing is then left of all.
        """
        dataset = Resolver(session).dataset(dataset_id)
        noted: list[str] = []
        noted_at = time.time()
        with (
            self._room(session, dataset.investigation_id) as room,
            self._levels.adding(dataset_id),
        ):
            try:
                kept = self._keep_all(session, dataset, files, noted, room)
                self._unsettled.require(noted, noted_at)
                ids = self._register_all(session, kept)
            except (UnavailableError, InternalError):
                # They may have been registered: the sweep asks again.
                raise
            except BaseException:
                self._forget(noted)
                raise
        # The archive is told before the notes go, so that a crash between loses neither.
        self._levels.changed({one.location: dataset_id for one in kept}, ())
        self._unsettled.all_stored({one.location: one.checked for one in kept})
        log.info("%d datafiles of dataset %d stored", len(kept), dataset_id)
        return [
            Stored(id, one.checked.crc32, one.location, one.checked.size)
            for id, one in zip(ids, kept, strict=True)
        ]

    def _keep_all(
        self,
        session: CatalogSession,
        dataset: DatasetInfo,
        files: Iterable[_Arrived],
        noted: list[str],
        room: Room,
    ) -> list[_Kept]:
        """Store all files; their locations are added to ``noted`` before anything is there."""
        kept: list[_Kept] = []
        formats: set[int] = set()
        size = 0
        for batch in _batches(files):
            for format_id in {new.datafile_format_id for new, _ in batch} - formats:
                session.get("DatafileFormat", format_id)
                formats.add(format_id)
            size += sum(len(content) for _, content in batch)
            room.check(size)
            self._check_space(sum(len(content) for _, content in batch))
            places = [self._storage.new_location(dataset, new.name) for new, _ in batch]
            noted += places
            self._unsettled.note((place, dataset.id) for place in places)
            contents = [content for _, content in batch]
            self._storage.keep_many(dict(zip(places, contents, strict=True)))
            kept += [
                _Kept(new, place, _checked(content))
                for (new, content), place in zip(batch, places, strict=True)
            ]
        return kept

    def _forget(self, locations: list[str]) -> None:
        for location in locations:
            self._storage.delete(location)
        self._unsettled.settled(locations)

    def _register_all(self, session: CatalogSession, kept: list[_Kept]) -> list[int]:
        if not kept:
            return []
        signed = self._locations.are_signed
        found = session.write(
            [
                {
                    "Datafile": entity(one.new, one.checked)
                    | ({} if signed else {"location": one.location})
                }
                for one in kept
            ]
        )
        if signed:
            try:
                session.write(
                    [self._location_of(id, one) for id, one in zip(found, kept, strict=True)]
                )
            except PortalError:
                session.delete("Datafile", found)
                raise
        return found

    def _location_of(self, id: int, one: _Kept) -> Mapping[str, Any]:
        return {"Datafile": {"id": id, "location": self._locations.signed(id, one.location)}}


def _checked(content: bytes) -> Checked:
    digest = Digest()
    digest.add(content)
    return digest.checked()


def _batches(files: Iterable[_Arrived]) -> Iterator[list[_Arrived]]:
    """Few enough to be in memory at once."""
    batch: list[_Arrived] = []
    size = 0
    for one in files:
        batch.append(one)
        size += len(one[1])
        if len(batch) >= _BATCH_FILES or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def files_of_tar(stream: Reading, told: Callable[[str], NewDatafile]) -> Iterator[_Arrived]:
    """The files of a tar archive, read as it arrives; their times are those of the archive.

    Raises:
        BadRequestError: It is none, is cut off, or has something that is no plain file or has no
            name that a file may have.
        TooLargeError: It has too many files, or a large one, which is for ``put``.
    """
    try:
        with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|") as archive:
            for number, member in enumerate(archive):
                if number >= MOST_FILES:
                    raise TooLargeError(f"one call may have {MOST_FILES} files")
                yield _file_of(archive, member, told)
    except (tarfile.TarError, EOFError) as error:
        raise BadRequestError(f"the body is no tar archive, or cut off: {error}") from error


def _file_of(
    archive: tarfile.TarFile, member: tarfile.TarInfo, told: Callable[[str], NewDatafile]
) -> _Arrived:
    name = naming.checked(member.name)
    if not member.isreg():
        raise BadRequestError(f"{name!r} in the archive is no plain file")
    if member.size > LARGEST_BYTES:
        raise TooLargeError(f"{name!r} is too large for many files in one call")
    file = archive.extractfile(member)
    content = file.read() if file else b""
    if len(content) != member.size:
        raise BadRequestError(f"{name!r} in the archive is cut off")
    try:
        changed = datetime.fromtimestamp(member.mtime, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise BadRequestError(f"{name!r} in the archive has no possible time") from error
    return replace(told(name), mod_time=changed), content
