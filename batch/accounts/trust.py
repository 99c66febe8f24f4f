"""Files and folders that only root can have written."""

from __future__ import annotations

import os
import stat
import sys

_OTHERS_CAN_WRITE = stat.S_IWGRP | stat.S_IWOTH
_PASSING = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_LIMIT_BYTES = 1024 * 1024


class NotTrustedError(Exception):
    """Somebody else than root could have changed it; the message names it and says how."""


def read(path: str) -> bytes:
    """The content of a file that only root can change, by any of its folders either.

    Raises:
        NotTrustedError: It is a link, no ordinary file, somebody else's, or others can write.
        OSError: It is absent or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        check(os.path.dirname(path))
        _check(path, os.fstat(descriptor), stat.S_IFREG)
        content = file.read(_LIMIT_BYTES + 1)
    if len(content) > _LIMIT_BYTES:
        raise NotTrustedError(f"{path}: more than {_LIMIT_BYTES} bytes")
    return content


def check(folder: str) -> None:
    """Refuse a folder that somebody else than root could change or replace.

    Raises:
        NotTrustedError: It, or a folder that it is in, is not root's alone, or is a link.
        OSError: It does not exist.
    """
    if not os.path.isabs(folder) or os.path.normpath(folder) != folder:
        raise NotTrustedError(f"not an absolute path without detours: {folder!r}")
    here = os.open("/", _PASSING)
    passed = "/"
    try:
        _check(passed, os.fstat(here), stat.S_IFDIR)
        for name in folder.split("/")[1:] if folder != "/" else ():
            passed = os.path.join(passed, name)
            below = os.open(name, _PASSING, dir_fd=here)
            os.close(here)
            here = below
            _check(passed, os.fstat(here), stat.S_IFDIR)
    finally:
        os.close(here)


def _check(path: str, found: os.stat_result, kind: int) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise NotTrustedError(f"{path}: is a link; name the place itself")
    if stat.S_IFMT(found.st_mode) != kind:
        raise NotTrustedError(f"{path}: is not what it has to be ({stat.filemode(found.st_mode)})")
    if found.st_uid != 0:
        raise NotTrustedError(f"{path}: belongs to user {found.st_uid}, not to root")
    if found.st_mode & _OTHERS_CAN_WRITE:
        raise NotTrustedError(f"{path}: others than root can write ({oct(found.st_mode & 0o7777)})")


def check_code(top: str) -> None:
    """Refuse to go on if Python, or the modules loaded from below a folder, are not root's alone.

    Raises:
        NotTrustedError: Somebody else could have written what is running with root's rights.
    """
    for ours in (sys.executable, os.__file__):
        check(os.path.dirname(os.path.realpath(ours)))
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if path and path.startswith(f"{top}/"):
            check(os.path.dirname(path))
            _check(path, os.lstat(path), stat.S_IFREG)
            compiled = os.path.dirname(getattr(module, "__cached__", None) or "")
            if compiled and os.path.isdir(compiled):
                check(compiled)
