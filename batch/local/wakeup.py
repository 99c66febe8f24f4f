"""Waking whoever waits for a change: a FIFO per listener, in a folder of the spool.

The bytes in a FIFO stay until they are read, so that a change between two waits is not missed,
and a listener that was killed shows itself: its FIFO has no reader.
"""

from __future__ import annotations

import errno
import os
import select

_FOLDER = "listeners"


class Listener:
    """Hears of changes from now on."""

    def __init__(self, spool_folder: str) -> None:
        folder = os.path.join(spool_folder, _FOLDER)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        name = f"{os.getpid()}-{os.urandom(8).hex()}"
        hidden = os.path.join(folder, f".{name}")
        self._path = os.path.join(folder, name)
        os.mkfifo(hidden, 0o600)
        # Opened for writing too, so that it never is at its end; seen by others only when open.
        self._descriptor = os.open(hidden, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        os.rename(hidden, self._path)

    def fileno(self) -> int:
        """For waiting with select: it can be read when there was a change."""
        return self._descriptor

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for a change; False when there was none in this time."""
        ready, _, _ = select.select([self._descriptor], [], [], max(timeout_seconds, 0))
        if not ready:
            return False
        try:
            while os.read(self._descriptor, 65536):
                continue
        except BlockingIOError:
            pass
        return True

    def close(self) -> None:
        """Stop listening."""
        os.close(self._descriptor)
        _remove(self._path)


def wake(spool_folder: str) -> None:
    """Tell all listeners that something changed; never fails, as the change itself is recorded."""
    folder = os.path.join(spool_folder, _FOLDER)
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        if not name.startswith("."):
            _ring(os.path.join(folder, name))


def _ring(path: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO:
            _remove(path)
        return
    try:
        os.write(descriptor, b"!")
    except OSError:  # full: it will wake anyway; or just closed
        pass
    finally:
        os.close(descriptor)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return
