"""Removing what a hostile account has left, as root: links, deep trees, odd names and all.

Nothing is looked up by a path. A folder is opened once, without following a link, and what is in it
is removed through that descriptor, so that nothing outside can be put in the place of anything.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import secrets
import stat
import struct
from collections.abc import Callable
from functools import partial

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_AT_ONCE = 1000
_DEEPEST = 200
_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602  # ioctl_iflags(2), on 64 bits
_STOPS_REMOVAL = 0x10 | 0x20  # immutable, append only


class RemovalError(Exception):
    """Something cannot be removed; the message says what and why."""


def empty(folder: int) -> int:
    """Remove all that is in an open folder, however deep, with a few open files.

    Folders are moved up into this one before they are emptied, so that no path gets long.

    Returns:
        How many things there were.

    Raises:
        RemovalError: Another file system is mounted there, or the system refuses.
    """
    device = os.fstat(folder).st_dev
    removed = 0
    _unmark(folder)
    while names := _names(folder):
        for name in names:
            removed += _remove(name, folder, folder, device)
    return removed


def remove_owned(place: int, uid: int) -> int:
    """Remove what an account owns in an open folder of others, and in those that it can enter.

    Returns:
        How many things there were.

    Raises:
        RemovalError: As of ``empty``.
    """
    return _remove_owned(place, uid, os.fstat(place).st_dev, 0)


def owned(place: int, uid: int) -> list[str]:
    """Names, relative to an open folder, of what ``remove_owned`` would remove; at most some."""
    found: list[str] = []
    _look(place, uid, os.fstat(place).st_dev, "", 0, found)
    return found


def _names(folder: int) -> list[str]:
    with os.scandir(folder) as listed:
        return [one.name for one in itertools.islice(listed, _AT_ONCE)]


def _remove(name: str, folder: int, top: int, device: int) -> int:
    """Remove one thing; what is in it, if it is a folder, may be moved to the top instead."""
    removed = _remove_plain(name, folder, device)
    if removed is not None:
        return removed
    removed = 1
    below = os.open(name, FOLDER, dir_fd=folder)
    try:
        while names := _names(below):
            for one in names:
                removed += _take_out(one, below, top, device)
    finally:
        os.close(below)
    _insist(partial(os.rmdir, name, dir_fd=folder), name, folder)
    return removed


def _take_out(name: str, folder: int, top: int, device: int) -> int:
    """Remove something that is no folder; move a folder to the top."""
    removed = _remove_plain(name, folder, device)
    if removed is not None:
        return removed
    new = f".removed-{secrets.token_hex(16)}"
    _insist(partial(os.rename, name, new, src_dir_fd=folder, dst_dir_fd=top), name, folder)
    return 0


def _remove_plain(name: str, folder: int, device: int) -> int | None:
    """Remove something that is no folder: how many that were; None if it is a folder."""
    found = _stat(name, folder)
    if found is None:
        return 0
    if stat.S_ISDIR(found.st_mode):
        if found.st_dev != device:
            raise RemovalError(f"another file system is mounted at {name!r}")
        return None
    _insist(partial(os.unlink, name, dir_fd=folder), name, folder)
    return 1


def _stat(name: str, folder: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _insist(change: Callable[[], None], name: str, folder: int) -> None:
    """Make a change; where the file system's own marks forbid it, take these away first."""
    try:
        change()
        return
    except FileNotFoundError:
        return
    except PermissionError:
        pass
    except OSError as error:
        raise RemovalError(f"{name!r} cannot be removed: {error.strerror}") from error
    _unmark(folder)
    _unmark_named(name, folder)
    try:
        change()
    except OSError as error:
        raise RemovalError(f"{name!r} cannot be removed: {error.strerror}") from error


def _unmark_named(name: str, folder: int) -> None:
    found = _stat(name, folder)
    if found is None or stat.S_IFMT(found.st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
        return  # to open a device or a pipe may do something
    try:
        opened = os.open(
            name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder
        )
    except OSError:
        return
    try:
        _unmark(opened)
    finally:
        os.close(opened)


def _unmark(descriptor: int) -> None:
    try:
        packed = fcntl.ioctl(descriptor, _GET_FLAGS, bytes(8))
        flags: int = struct.unpack("l", packed)[0]
        if flags & _STOPS_REMOVAL:
            fcntl.ioctl(descriptor, _SET_FLAGS, struct.pack("l", flags & ~_STOPS_REMOVAL))
    except OSError as error:
        if error.errno not in (errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL):
            raise RemovalError(f"its marks cannot be taken away: {error.strerror}") from error


def _remove_owned(place: int, uid: int, device: int, depth: int) -> int:
    removed = 0
    # Others' names may come and go meanwhile: each is looked at once.
    with os.scandir(place) as listed:
        names = [one.name for one in listed]
    for name in names:
        found = _stat(name, place)
        if found is None:
            continue
        if not stat.S_ISDIR(found.st_mode):
            if found.st_uid == uid:
                _insist(partial(os.unlink, name, dir_fd=place), name, place)
                removed += 1
            continue
        below = _enter(name, place)
        if below is None:
            continue
        try:
            entered = os.fstat(below)
            is_theirs = entered.st_uid == uid
            if entered.st_dev != device:
                continue
            if is_theirs:
                removed += 1 + empty(below)
            elif _can_enter(entered) and depth < _DEEPEST:
                removed += _remove_owned(below, uid, device, depth + 1)
        finally:
            os.close(below)
        if is_theirs:
            _insist(partial(os.rmdir, name, dir_fd=place), name, place)
    return removed


def _look(place: int, uid: int, device: int, path: str, depth: int, found: list[str]) -> None:
    with os.scandir(place) as listed:
        names = [one.name for one in listed]
    for name in names:
        told = _stat(name, place)
        if told is None or len(found) >= _AT_ONCE:
            continue
        if told.st_uid == uid and told.st_dev == device:
            found.append(os.path.join(path, name))
        elif stat.S_ISDIR(told.st_mode) and _can_enter(told) and depth < _DEEPEST:
            below = _enter(name, place)
            if below is not None:
                try:
                    if os.fstat(below).st_dev == device:
                        _look(below, uid, device, os.path.join(path, name), depth + 1, found)
                finally:
                    os.close(below)


def _enter(name: str, place: int) -> int | None:
    try:
        return os.open(name, FOLDER, dir_fd=place)
    except OSError:  # gone, or something else by now
        return None


def _can_enter(found: os.stat_result) -> bool:
    return bool(found.st_mode & (stat.S_IXGRP | stat.S_IXOTH))
