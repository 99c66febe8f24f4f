"""What is done to data on two levels; everything can be broken off anywhere and done again."""

from __future__ import annotations

import hashlib
import logging
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from datastore import naming
from datastore.selection import SelectedDatafile
from datastore.storage import Archive, Storage
from ijp.errors import InternalError, NotFoundError, PortalError, UnavailableError

log = logging.getLogger(__name__)

_BLOCK_BYTES = 1 << 20

_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)

Contents = Callable[[int], Sequence[SelectedDatafile] | None]
"""The datafiles of a dataset that have content; None if there is no such dataset any more."""


@dataclass(frozen=True)
class Written:
    """What the archive has of a dataset; ``files`` is the digest of the files' locations."""

    size: int
    files: str


@dataclass(frozen=True)
class Mover:
    """Copies data from one level to the other.

    Attributes:
        spool: A folder for zips while they are made.
        sees_any: Whether there is any datafile for the account that asks for ``contents``.
    """

    storage: Storage
    archive: Archive
    spool: Path
    contents: Contents
    sees_any: Callable[[], bool]

    def files_of(self, dataset_id: int) -> list[SelectedDatafile]:
        """A dataset's files, one for each content that was stored for this dataset.

        The catalog, in which users write, may name others, or one several times.
        """
        by_location: dict[str, SelectedDatafile] = {}
        for one in self.contents(dataset_id) or ():
            try:
                owner = self.storage.dataset_of(one.location)
            except NotFoundError:
                owner = None
            if owner == dataset_id:
                by_location.setdefault(one.location, one)
            else:
                log.warning("Datafile %d: its location is not of its dataset", one.id)
        return list(by_location.values())

    def write_dataset(self, dataset_id: int) -> Written | None:
        """Put a dataset into the archive, in place of what is there of it.

        Gives:
            What is in the archive; None if the dataset has no files, and so the archive nothing.

        Raises:
            NotFoundError: A file is not in the main storage; the archive is left as it is.
        """
        key = str(dataset_id)
        files = self.files_of(dataset_id)
        if not files:
            if self.sees_any():
                self.archive.delete(key)
            else:
                log.warning("dataset %s seems to have no files: its copy is left alone", key)
            return None
        with self._spooled() as content:
            self._pack(files, content)
            content.flush()
            size = content.tell()
            content.seek(0)
            self.archive.put(key, content)
        kept = self.archive.size(key)
        if kept != size:
            raise InternalError(f"the archive has {kept} of {size} bytes of dataset {key}")
        return Written(size, digest_of(files))

    def _pack(self, files: Sequence[SelectedDatafile], target: BinaryIO) -> None:
        """Zip files; each is found again by its location, which is the comment beside it."""
        names: set[str] = set()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
            for one in sorted(files, key=lambda one: (one.folder, one.name, one.id)):
                name = naming.entry_name(one.folder, one.name, one.id)
                name = f"{name}-{one.id}" if name in names else name
                names.add(name)
                size = self.storage.size(one.location)
                if one.file_size not in (None, size):
                    raise InternalError(
                        f"Datafile {one.id} has {size} bytes in the storage, "
                        f"{one.file_size} in the catalog"
                    )
                entry = zipfile.ZipInfo(name)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o100644 << 16
                entry.comment = one.location.encode()
                with (
                    self.storage.open(one.location) as source,
                    packed.open(entry, "w", force_zip64=size >= 1 << 31) as file,
                ):
                    while block := source.read(_BLOCK_BYTES):
                        file.write(block)

    def restore_dataset(self, dataset_id: int) -> None:
        """Bring all files of a dataset back to the main storage, as far as they are not there.

        Raises:
            PortalError: The archive cannot deliver it, or not whole.
        """
        missing = [one for one in self.files_of(dataset_id) if not self._is_whole(one)]
        if not missing:
            return
        key = str(dataset_id)
        if reason := self.archive.recall([key]).get(key):
            raise InternalError(f"dataset {key}: {reason}")
        with self.archive.open(key) as content, _unpacked(content, key) as packed:
            by_location = {one.comment.decode("utf-8", "replace"): one for one in packed.infolist()}
            for one in missing:
                entry = by_location.get(one.location)
                if entry is None:
                    raise InternalError(f"the archive's copy of dataset {key} lacks {one.name}")
                if one.file_size not in (None, entry.file_size):
                    raise InternalError(
                        f"{one.name} has {entry.file_size} bytes in the archive's copy of "
                        f"dataset {key}, {one.file_size} in the catalog"
                    )
                with packed.open(entry) as file:
                    self.storage.restore(one.location, file)  # type: ignore[arg-type]

    def checked_dataset(
        self, dataset_id: int
    ) -> list[tuple[SelectedDatafile, tuple[int, int] | None]]:
        """Read the archive's copy of a dataset; by file its bytes and CRC-32, None if it lacks it.

        Raises:
            PortalError: The archive cannot deliver it, or it is damaged.
        """
        key, files = str(dataset_id), self.files_of(dataset_id)
        if reason := self.archive.recall([key]).get(key):
            raise InternalError(f"dataset {key}: {reason}")
        with self.archive.open(key) as content, _unpacked(content, key) as packed:
            seen: dict[str, tuple[int, int]] = {}
            for entry in packed.infolist():
                with packed.open(entry) as file:
                    seen[entry.comment.decode("utf-8", "replace")] = _read(file)
        return [(one, seen.get(one.location)) for one in files]

    def checked_file(self, location: str) -> tuple[int, int]:
        """Read the archive's copy of a file; its bytes and CRC-32.

        Raises:
            PortalError: The archive cannot deliver it.
        """
        try:
            with self.archive.open(location) as content:
                return _read(content)
        except OSError as error:
            raise InternalError(f"it cannot be read in the archive: {error.strerror}") from error

    def _is_whole(self, one: SelectedDatafile) -> bool:
        """What is there under its name is whole; that it is of the right length is seen to."""
        try:
            return one.file_size in (None, self.storage.size(one.location))
        except NotFoundError:
            return False

    def drop(self, files: Iterable[SelectedDatafile]) -> None:
        """Remove files from the main storage."""
        for one in files:
            self.storage.delete(one.location)

    def write_file(self, location: str) -> int:
        """Put a file into the archive; gives its bytes."""
        size = self.storage.size(location)
        with self.storage.open(location) as content:
            self.archive.put(location, content)
        kept = self.archive.size(location)
        if kept != size:
            raise InternalError(f"the archive has {kept} of {size} bytes of {location}")
        return size

    def restore_files(self, wanted: dict[str, int | None]) -> dict[str, str]:
        """Bring files back to the main storage; gives why one could not be, by location.

        Args:
            wanted: By location the bytes that the archive is said to have.

        Raises:
            UnavailableError: The archive or the storage does not answer just now.
        """
        missing = [one for one, size in wanted.items() if not self._has(one, size)]
        failed = self.archive.recall(missing) if missing else {}
        for location in missing:
            if location in failed:
                continue
            try:
                with self.archive.open(location) as content:
                    self.storage.restore(location, content)
            except UnavailableError:
                raise
            except PortalError as error:
                failed[location] = error.message
            except OSError as error:
                failed[location] = f"it cannot be read in the archive: {error.strerror}"
        return failed

    def _has(self, location: str, size: int | None) -> bool:
        try:
            return self.storage.size(location) == size
        except NotFoundError:
            return False

    @contextmanager
    def _spooled(self) -> Iterator[BinaryIO]:
        """A file without a name, so that nothing is left of it, whatever happens."""
        self.spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=self.spool) as file:
            yield file


def _read(content: IO[bytes]) -> tuple[int, int]:
    """Bytes and CRC-32 of a content."""
    size = crc = 0
    while block := content.read(_BLOCK_BYTES):
        size, crc = size + len(block), zlib.crc32(block, crc)
    return size, crc


def digest_of(files: Iterable[SelectedDatafile]) -> str:
    """One text for a set of files, by which another set is told apart."""
    text = "\n".join(sorted(one.location for one in files))
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def _unpacked(content: BinaryIO, key: str) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(content) as packed:
            yield packed
    except (*_DAMAGED, OSError) as error:
        log.exception("the archive's copy of dataset %s cannot be read", key)
        raise InternalError(f"the archive's copy of dataset {key} is damaged") from error
