"""Writing to a disk that may be full."""

from __future__ import annotations

import os
from collections.abc import Callable

from datastore.storages.placing import failure_of

_SENT_OFF_BYTES = 8 << 20


def on_disk(action: Callable[[], int | None]) -> int:
    """Do something that needs space.

    Raises:
        TooLargeError: There is none left.
        InternalError: It cannot be written for another reason, which is in the log.
    """
    try:
        return action() or 0
    except OSError as error:
        raise failure_of(error) from error


class Outflow:
    """Writes to a file, and lets the disk begin early.

    The system would keep much of a large file back, then make the writer wait, and the last flush
    would take as long as all before it.
    """

    def __init__(self, descriptor: int, offset: int = 0) -> None:
        """Take the file, open and at the offset where the first byte goes."""
        self._descriptor = descriptor
        self._written = self._sent_off = offset

    def write(self, block: bytes) -> None:
        """Write all of a block; raises as ``on_disk`` does."""
        view = memoryview(block)
        while view:
            written = on_disk(lambda: os.write(self._descriptor, view))  # noqa: B023
            view = view[written:]
            self._written += written
        if self._written - self._sent_off >= _SENT_OFF_BYTES:
            length = self._written - self._sent_off
            os.posix_fadvise(self._descriptor, self._sent_off, length, os.POSIX_FADV_DONTNEED)
            self._sent_off = self._written
