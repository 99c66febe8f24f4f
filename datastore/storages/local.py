"""A folder of the local disk: ``<investigation id>/<dataset id>/<random>``, nothing of the user."""

from __future__ import annotations

import errno
import os
import re
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from datastore.disk import Outflow, on_disk
from datastore.storage import AT_ONCE, DatasetInfo, Kept, Storage, Upload
from datastore.storages.placing import part_of, place, remove_empty, sync_folder
from ijp.errors import NotFoundError

_LOCATION = re.compile(r"[0-9]{1,19}/[0-9]{1,19}/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class LocalStorage(Storage):
    """Files in one folder, on one file system."""

    def __init__(self, settings: Mapping[str, Any], folder: Path) -> None:
        if settings:
            raise ValueError(f"the local storage has no settings {', '.join(sorted(settings))}")
        self._folder = folder
        self._folders = _Folders(folder)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def new_location(self, dataset: DatasetInfo, name: str) -> str:
        return f"{dataset.investigation_id}/{dataset.id}/{uuid.uuid4()}"

    def upload(self, location: str) -> _LocalUpload:
        return _LocalUpload(self._path(location), self._folder, self._folders)

    def keep_many(self, files: Mapping[str, bytes]) -> None:
        uploads = []
        with ExitStack() as begun, ThreadPoolExecutor(AT_ONCE, "many") as pool:
            for location, content in files.items():
                uploads.append(begun.enter_context(self.upload(location)))
                uploads[-1].write(content)
            for _ in pool.map(_LocalUpload.flush, uploads):
                pass
            for one in uploads:
                one.appear()
            for folder in {one.folder for one in uploads}:
                self._folders.sync(folder)

    def take_in(self, path: Path, location: str) -> None:
        target = self._path(location)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            on_disk(lambda: os.fsync(descriptor))
        finally:
            os.close(descriptor)
        try:
            _renamed(path, target, self._folders)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            super().take_in(path, location)
            return
        self._folders.sync(target.parent)

    def served_path(self, location: str) -> str | None:
        return location if self._path(location).is_file() else None

    def dataset_of(self, location: str) -> int:
        self._check(location)
        return int(location.split("/")[1])

    def open(self, location: str) -> BinaryIO:
        self._check(location)
        try:
            return open(f"{self._folder}/{location}", "rb")
        except FileNotFoundError as error:
            raise _nothing_at(location) from error

    def size(self, location: str) -> int:
        with self._found(location) as path:
            return path.stat().st_size

    def changed(self, location: str) -> datetime | None:
        path = self._path(location)
        times = []
        for one in (path, part_of(path)):
            with suppress(FileNotFoundError):
                times.append(one.stat().st_mtime)
        return datetime.fromtimestamp(max(times), UTC) if times else None

    def delete(self, location: str) -> None:
        path = self._path(location)
        for one in (path, part_of(path)):
            one.unlink(missing_ok=True)
        remove_empty(path.parent, self._folder)

    def free_bytes(self) -> int | None:
        found = os.statvfs(self._folder)
        return found.f_bavail * found.f_frsize

    def restore(self, location: str, content: BinaryIO) -> None:
        place(content, self._path(location), self._folder, link=True)

    def kept(self) -> Iterator[Kept]:
        for investigation in _entries(self._folder):
            for dataset in _entries(investigation):
                for file in _entries(dataset):
                    location = f"{investigation.name}/{dataset.name}/{file.name}"
                    with suppress(FileNotFoundError):
                        if _LOCATION.fullmatch(location):
                            yield Kept(location, file.stat().st_size)

    def _path(self, location: str) -> Path:
        self._check(location)
        return self._folder / location

    def _check(self, location: str) -> None:
        if not _LOCATION.fullmatch(location):
            raise NotFoundError(f"{location[:80]!r} is not a location of this storage")

    @contextmanager
    def _found(self, location: str) -> Iterator[Path]:
        try:
            yield self._path(location)
        except FileNotFoundError as error:
            raise _nothing_at(location) from error


class _LocalUpload(Upload):
    """Written under another name in the same folder, renamed when it is whole and on the disk."""

    def __init__(self, path: Path, root: Path, folders: _Folders) -> None:
        self.folder = path.parent
        self._path = path
        self._part = part_of(path)
        self._root = root
        self._folders = folders
        self._descriptor: int | None = on_disk(lambda: _create(self._part, folders))
        self._outflow = Outflow(self._descriptor)
        self._is_there = False

    def write(self, block: bytes) -> None:
        self._outflow.write(block)

    def commit(self) -> None:
        self.flush()
        self.appear()
        self._folders.sync(self.folder)

    def flush(self) -> None:
        """Bring the content to the disk."""
        descriptor = self._descriptor
        if descriptor is None:
            raise ValueError("the upload has ended")
        on_disk(lambda: os.fsync(descriptor))
        self._close()

    def appear(self) -> None:
        """Give the file its name, which is not on the disk before its folder is."""
        self._part.rename(self._path)
        self._is_there = True

    def discard(self) -> None:
        self._close()
        if not self._is_there:
            self._part.unlink(missing_ok=True)
            remove_empty(self.folder, self._root)

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _nothing_at(location: str) -> NotFoundError:
    return NotFoundError(f"there is nothing in the storage at {location}")


def _entries(folder: Path | os.DirEntry[str]) -> Iterator[os.DirEntry[str]]:
    """What is in a folder, as it is read; nothing if it is none, or not any more."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        yield from entries


def _create(path: Path, folders: _Folders) -> int:
    while True:
        # Another upload that is discarded may remove the empty folder just now.
        with suppress(FileNotFoundError):
            return os.open(path, _NEW_FILE, 0o600)
        folders.make(path.parent)


def _renamed(path: Path, target: Path, folders: _Folders) -> None:
    while True:
        # Another upload that is discarded may remove the empty folder just now.
        with suppress(FileNotFoundError):
            path.rename(target)
            return
        if not path.exists():
            raise NotFoundError(f"there is nothing at {path.name}")
        folders.make(target.parent)


class _Folders:
    """Makes folders, and brings what is in them to the disk.

    A folder whose own entry this process has brought there needs that no more.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._durable: set[Path] = set()

    def make(self, folder: Path) -> None:
        """Make a folder, and those above it, if it is not there."""
        self._durable.discard(folder)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def sync(self, folder: Path) -> None:
        """Bring a folder's entries to the disk, and those above that lead to it."""
        sync_folder(folder)
        below = folder
        while below != self._root and folder not in self._durable:
            below = below.parent
            sync_folder(below)
        self._durable.add(folder)
