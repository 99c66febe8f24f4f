"""ICAT's names for errors, with the HTTP statuses of its REST interface."""

from __future__ import annotations

from ijp import errors

ICAT: dict[type[errors.PortalError], tuple[str, int]] = {
    errors.BadRequestError: ("BAD_PARAMETER", 400),
    errors.ConflictError: ("OBJECT_ALREADY_EXISTS", 412),
    errors.NotAuthenticatedError: ("SESSION", 403),
    errors.NotAuthorizedError: ("INSUFFICIENT_PRIVILEGES", 403),
    errors.NotFoundError: ("NO_SUCH_OBJECT_FOUND", 404),
    errors.NotImplementedHereError: ("NOT_IMPLEMENTED", 501),
    errors.TooLargeError: ("BAD_PARAMETER", 413),
    errors.UnavailableError: ("INTERNAL", 503),
    errors.ValidationFailedError: ("VALIDATION", 412),
    errors.PortalError: ("INTERNAL", 500),
}


def code_and_status(error: errors.PortalError) -> tuple[str, int]:
    """ICAT's name of an error and its HTTP status: those of its nearest base class."""
    return next(ICAT[cls] for cls in type(error).__mro__ if cls in ICAT)
