"""A folder of the local disk: ``<investigation id>/<dataset id>/<random>``, nothing of the user."""

from __future__ import annotations

import errno
import logging
import os
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from datastore.storage import DatasetInfo, Kept, Storage, Upload
from datastore.storages.placing import place
from ijp.errors import InternalError, NotFoundError, TooLargeError

log = logging.getLogger(__name__)

_LOCATION = re.compile(r"[0-9]{1,19}/[0-9]{1,19}/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SENT_OFF_BYTES = 8 << 20


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

    def upload(self, location: str) -> Upload:
        return _LocalUpload(self._path(location), self._folder, self._folders)

    def take_in(self, path: Path, location: str) -> None:
        target = self._path(location)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _on_disk(lambda: os.fsync(descriptor))
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
        with self._found(location) as path:
            return path.open("rb")

    def size(self, location: str) -> int:
        with self._found(location) as path:
            return path.stat().st_size

    def changed(self, location: str) -> datetime | None:
        path = self._path(location)
        times = []
        for one in (path, _part(path)):
            with suppress(FileNotFoundError):
                times.append(one.stat().st_mtime)
        return datetime.fromtimestamp(max(times), UTC) if times else None

    def delete(self, location: str) -> None:
        path = self._path(location)
        for one in (path, _part(path)):
            one.unlink(missing_ok=True)
        _remove_empty(path.parent, self._folder)

    def free_bytes(self) -> int | None:
        found = os.statvfs(self._folder)
        return found.f_bavail * found.f_frsize

    def restore(self, location: str, content: BinaryIO) -> None:
        place(content, self._path(location), self._folder, link=True)

    def kept(self) -> Iterator[Kept]:
        for folder, _, names in os.walk(self._folder):
            for name in names:
                path = Path(folder, name)
                location = str(path.relative_to(self._folder))
                with suppress(FileNotFoundError):
                    if _LOCATION.fullmatch(location):
                        yield Kept(location, path.stat().st_size)

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
            raise NotFoundError(f"there is nothing in the storage at {location}") from error


class _LocalUpload(Upload):
    """Written under another name in the same folder, renamed when it is whole and on the disk."""

    def __init__(self, path: Path, root: Path, folders: _Folders) -> None:
        self._path = path
        self._part = _part(path)
        self._root = root
        self._folders = folders
        self._written = self._sent_off = 0
        self._open: int | None = _on_disk(lambda: _create(self._part, folders))

    def write(self, block: bytes) -> None:
        view = memoryview(block)
        while view:
            written = _on_disk(lambda: os.write(self._descriptor(), view))  # noqa: B023
            view = view[written:]
            self._written += written
        if self._written - self._sent_off >= _SENT_OFF_BYTES:
            self._send_off()

    def _send_off(self) -> None:
        """Let the disk begin with what is written.

        The system would keep much of a large file back, then make the writer wait, and the last
        flush would take as long as all before it.
        """
        length = self._written - self._sent_off
        os.posix_fadvise(self._descriptor(), self._sent_off, length, os.POSIX_FADV_DONTNEED)
        self._sent_off = self._written

    def commit(self) -> None:
        _on_disk(lambda: os.fsync(self._descriptor()))
        self._close()
        self._part.rename(self._path)
        self._folders.sync(self._path.parent)

    def discard(self) -> None:
        self._close()
        self._part.unlink(missing_ok=True)
        _remove_empty(self._path.parent, self._root)

    def _descriptor(self) -> int:
        if self._open is None:
            raise ValueError("the upload has ended")
        return self._open

    def _close(self) -> None:
        if self._open is not None:
            os.close(self._open)
            self._open = None


def _part(path: Path) -> Path:
    """Where a file is until it is whole."""
    return path.with_name(f".{path.name}.part")


def _create(path: Path, folders: _Folders) -> int:
    while True:
        # Another upload that is discarded may remove the empty folder just now.
        with suppress(FileNotFoundError):
            return os.open(path, _NEW_FILE, 0o600)
        folders.make(path.parent)


def _on_disk(action: Callable[[], int | None]) -> int:
    try:
        return action() or 0
    except OSError as error:
        if error.errno in _FULL:
            raise TooLargeError("there is no space left in the storage") from error
        log.exception("the storage cannot be written")
        raise InternalError("the storage cannot be written") from error


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
        _sync_folder(folder)
        below = folder
        while below != self._root and folder not in self._durable:
            below = below.parent
            _sync_folder(below)
        self._durable.add(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_empty(folder: Path, root: Path) -> None:
    """Remove a folder and those above it as long as they are empty, but not the root."""
    while folder != root:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
