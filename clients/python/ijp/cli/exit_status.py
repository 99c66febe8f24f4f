"""Exit statuses that scripts can rely on."""

from __future__ import annotations

from enum import IntEnum

from ijp import errors


class ExitStatus(IntEnum):
    """How a command ended."""

    OK = 0
    ERROR = 1
    USAGE = 2
    NOT_LOGGED_IN = 3
    NOT_ALLOWED = 4
    NOT_FOUND = 5
    CONFLICT = 6
    BAD_REQUEST = 7
    UNAVAILABLE = 8
    JOB_FAILED = 10
    JOB_CANCELLED = 11
    INTERRUPTED = 130


_BY_CLASS: dict[type[errors.PortalError], ExitStatus] = {
    errors.NotAuthenticatedError: ExitStatus.NOT_LOGGED_IN,
    errors.NotAuthorizedError: ExitStatus.NOT_ALLOWED,
    errors.NotFoundError: ExitStatus.NOT_FOUND,
    errors.ConflictError: ExitStatus.CONFLICT,
    errors.BadRequestError: ExitStatus.BAD_REQUEST,
    errors.TooLargeError: ExitStatus.BAD_REQUEST,
    errors.UnavailableError: ExitStatus.UNAVAILABLE,
}


def of_error(error: errors.PortalError) -> ExitStatus:
    """The status for an error: that of its nearest base class."""
    return next(
        (_BY_CLASS[cls] for cls in type(error).__mro__ if cls in _BY_CLASS), ExitStatus.ERROR
    )
