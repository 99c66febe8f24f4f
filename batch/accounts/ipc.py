"""What an account can leave in memory: System V and POSIX shared memory, semaphores, queues.

POSIX shared memory and semaphores are files of /dev/shm, which are removed as such.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable

from batch.accounts.forked import in_child

_IPC_RMID = 0
_CLONE_NEWNS = 0x00020000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_KINDS = {"shm": "shmid", "sem": "semid", "msg": "msqid"}
_NAMES = {"shm": "shared memory", "sem": "semaphores", "msg": "message queue"}

_libc = ctypes.CDLL(None, use_errno=True)


def left(uid: int) -> list[str]:
    """What there is of an account, in words."""
    found = [f"{_NAMES[kind]} {number}" for kind, number in _system_v(uid)]
    return found + [f"message queue {name!r}" for name in _queues(uid, remove=False)]


def remove(uid: int) -> None:
    """Remove what there is of an account; what could not be is in ``left``."""
    for kind, number in _system_v(uid):
        _REMOVERS[kind](number)
    _queues(uid, remove=True)


def _system_v(uid: int) -> list[tuple[str, int]]:
    """Those that the account made, or that were given to it."""
    found = []
    for kind, column in _KINDS.items():
        try:
            with open(f"/proc/sysvipc/{kind}", encoding="ascii") as file:
                heads, *lines = (line.split() for line in file)
        except FileNotFoundError:  # a kernel without
            continue
        for line in lines:
            row = dict(zip(heads, line, strict=False))
            if str(uid) in (row["uid"], row["cuid"]):
                found.append((kind, int(row[column])))
    return found


_REMOVERS: dict[str, Callable[[int], int]] = {
    "shm": lambda number: _libc.shmctl(number, _IPC_RMID, None),
    "sem": lambda number: _libc.semctl(number, 0, _IPC_RMID),
    "msg": lambda number: _libc.msgctl(number, _IPC_RMID, None),
}


def _queues(uid: int, *, remove: bool) -> list[str]:
    """POSIX message queues; they show where their file system is mounted, so it is, unseen."""

    def look() -> str:
        if _libc.unshare(_CLONE_NEWNS):
            raise OSError(ctypes.get_errno(), "no mounts of its own")
        if _libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None):
            raise OSError(ctypes.get_errno(), "its mounts cannot be made private")
        if _libc.mount(b"mqueue", b"/mnt", b"mqueue", 0, None):
            if ctypes.get_errno() == errno.ENODEV:  # a kernel without
                return ""
            raise OSError(ctypes.get_errno(), "the message queues cannot be looked at")
        names = []
        for one in os.scandir("/mnt"):
            if one.stat(follow_symlinks=False).st_uid == uid:
                names.append(one.name)
                if remove:
                    os.unlink(one.path)
        return "\0".join(names)

    return [name for name in in_child(look).split("\0") if name]
