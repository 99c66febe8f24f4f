"""Writing to a disk that may be full."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable

from ijp.errors import InternalError, TooLargeError

log = logging.getLogger(__name__)

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def on_disk(action: Callable[[], int | None]) -> int:
    """Do something that needs space.

    Raises:
        TooLargeError: There is none left.
        InternalError: It cannot be written for another reason, which is in the log.
    """
    try:
        return action() or 0
    except OSError as error:
        if error.errno in _FULL:
            raise TooLargeError("there is no space left in the storage") from error
        log.exception("the storage cannot be written")
        raise InternalError("the storage cannot be written") from error


def write_all(descriptor: int, block: bytes) -> None:
    """Write all of a block; raises as ``on_disk`` does."""
    view = memoryview(block)
    while view:
        written = on_disk(lambda: os.write(descriptor, view))  # noqa: B023
        view = view[written:]
