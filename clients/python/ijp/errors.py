"""Every error that crosses the wire, with the code it has there.

PortalError
├── BadRequestError           the request itself is wrong; asking again will not help
│   ├── QueryError            a query; knows where in its text
│   └── ValidationFailedError values that break a constraint; knows which fields
├── ConflictError             the thing exists already, or is in a state that does not allow this
├── NotAuthenticatedError     no session, or one that has ended
├── NotAuthorizedError        the rules do not allow it
├── NotFoundError             no such thing, or none that this user may see
├── NotImplementedHereError   a call this server does not offer
├── TooLargeError             over a limit: size, number, quota, space left
├── UnavailableError          asking again may help
│   ├── DataNotOnlineError    the data are being brought back
│   └── EngineError           the batch system did not answer or refused
└── InternalError             a bug or broken server; its log has the correlation id
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class PortalError(Exception):
    """Any error that a service reports; ``code`` names its class on the wire.

    Attributes:
        message: One sentence that names the thing and what was found.
        fields: Messages by name of the field they belong to; empty when there is no form.
        correlation_id: What to look for in the server's log; None outside a request.
        offset: Which member of a list, from 0, it is about; None if the request had no list.
    """

    code = "error"
    offset: int | None = None

    def __init__(
        self,
        message: str,
        *,
        fields: Mapping[str, Sequence[str]] | None = None,
        correlation_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.fields = {name: list(texts) for name, texts in (fields or {}).items()}
        self.correlation_id = correlation_id


class BadRequestError(PortalError):
    """The request is wrong in itself."""

    code = "bad-request"


class QueryError(BadRequestError):
    """A query that cannot be understood or names unknown things."""

    code = "query"

    def __init__(self, message: str, at: int | None = None, **context: object) -> None:
        """Say where: ``at`` is the 0-based character position in the query text."""
        text = f"{message} (at character {at})" if at is not None else message
        super().__init__(text, **context)  # type: ignore[arg-type]
        self.at = at


class ValidationFailedError(BadRequestError):
    """Values that break a constraint."""

    code = "validation"


class ConflictError(PortalError):
    """The thing exists already, or its state does not allow this."""

    code = "conflict"


class NotAuthenticatedError(PortalError):
    """No session, or one that has ended."""

    code = "not-authenticated"


class NotAuthorizedError(PortalError):
    """The rules do not allow it."""

    code = "not-authorized"


class NotFoundError(PortalError):
    """No such thing, or none that this user may see: the two are not told apart."""

    code = "not-found"


class NotImplementedHereError(PortalError):
    """A call that this server does not offer."""

    code = "not-implemented"


class TooLargeError(PortalError):
    """Over a limit: a size, a number, a quota or the space left."""

    code = "too-large"


class UnavailableError(PortalError):
    """A part that is needed does not answer; asking again may help."""

    code = "unavailable"


class DataNotOnlineError(UnavailableError):
    """The data are not on disk now, or busy; they have been asked for."""

    code = "data-not-online"


class EngineError(UnavailableError):
    """The batch system did not answer, or refused."""

    code = "engine"


class InternalError(PortalError):
    """A fault of the server."""

    code = "internal"


def _family(base: type[PortalError]) -> list[type[PortalError]]:
    return [base, *(cls for child in base.__subclasses__() for cls in _family(child))]


BY_CODE: dict[str, type[PortalError]] = {cls.code: cls for cls in _family(PortalError)}
"""The class of each code; a code that is not here is a plain PortalError."""
