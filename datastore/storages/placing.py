"""A content to another place of the disk: without copying it, where the file system can."""

from __future__ import annotations

import errno
import fcntl
import io
import logging
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from ijp.errors import InternalError, PortalError, TooLargeError

log = logging.getLogger(__name__)

_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FICLONE = 0x40049409  # linux/fs.h
_BLOCK_BYTES = 1 << 20


def place(content: BinaryIO, path: Path, root: Path, *, link: bool) -> None:
    """Make a content durable at a path, as a whole, in place of what is there.

    Args:
        root: Folders below here are made as needed, and synced.
        link: Whether a hard link will do where the file system cannot clone. Both names are then
            of the same bytes on the disk.

    Raises:
        TooLargeError: There is no space left.
        InternalError: The disk cannot be written.
    """
    part = part_of(path)
    try:
        _make_way(part)
        if not (_clone(content, part) or (link and _link(content, part))):
            _copy(content, part)
        part.rename(path)
        # Renaming a link over another one of the same file does nothing.
        part.unlink(missing_ok=True)
        sync_folders(path.parent, root)
    except BaseException as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise failure_of(error) from error
        raise


def _make_way(part: Path) -> None:
    while not part.parent.is_dir():
        # Who removes something else may remove a folder that is empty just now.
        with suppress(FileNotFoundError):
            part.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part.unlink(missing_ok=True)


def part_of(path: Path) -> Path:
    """Where a file is until it is whole."""
    return path.with_name(f".{path.name}.part")


def failure_of(error: OSError) -> PortalError:
    """What to say of a disk that cannot be written; a full one is told apart."""
    if error.errno in _FULL:
        return TooLargeError("there is no space left in the storage")
    log.error("the storage cannot be written", exc_info=error)
    return InternalError("the storage cannot be written")


def sync_folders(folder: Path, root: Path) -> None:
    """Make the names in a folder, and those of the folders up to the root, durable."""
    for one in (folder, *folder.parents):
        sync_folder(one)
        if one == root:
            return


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _clone(content: BinaryIO, part: Path) -> bool:
    """Share the blocks, as Btrfs and XFS can; a write to one file does not change the other."""
    source = _descriptor(content)
    if source is None:
        return False
    target = os.open(part, _NEW_FILE, 0o600)
    try:
        fcntl.ioctl(target, _FICLONE, source)
        os.fsync(target)
    except OSError:
        part.unlink()
        return False
    finally:
        os.close(target)
    return True


def _link(content: BinaryIO, part: Path) -> bool:
    source = _descriptor(content)
    if source is None:
        return False
    try:
        os.fsync(source)
        # With a folder given, which an absolute path does not need, links are followed.
        os.link(f"/proc/self/fd/{source}", part, src_dir_fd=source, follow_symlinks=True)
    except OSError:
        return False
    return True


def _copy(content: BinaryIO, part: Path) -> None:
    with open(os.open(part, _NEW_FILE, 0o600), "wb") as target:
        shutil.copyfileobj(content, target, _BLOCK_BYTES)
        target.flush()
        os.fsync(target.fileno())


def _descriptor(content: BinaryIO) -> int | None:
    """That of a file as it is on the disk; what is unpacked as it is read has none of its own."""
    return content.fileno() if isinstance(getattr(content, "raw", None), io.FileIO) else None


def remove_empty(folder: Path, root: Path) -> None:
    """Remove a folder and those above it as long as they are empty, but not the root."""
    while folder != root:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
