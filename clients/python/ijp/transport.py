"""HTTP to one service: one session, a time limit on every call, retries where they are safe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from ijp.errors import BY_CODE, BadRequestError, InternalError, PortalError, UnavailableError

CONNECT_TIMEOUT_SECONDS = 10.0
READ_TIMEOUT_SECONDS = 120.0

ERROR_CODE_HEADER = "X-Error-Code"
"""Our services name the class of an error here where the interface they serve has no such code."""

_BROKEN = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)
_NO_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)

Body = bytes | IO[bytes] | Iterable[bytes]
ErrorReader = Callable[[int, Mapping[str, Any]], PortalError]
"""Makes the error of an answer's status and JSON body (empty if the body is not a JSON object)."""


def http_session(
    *,
    ca_bundle: str | None = None,
    connect_attempts: int = 3,
    kind: type[requests.Session] = requests.Session,
) -> requests.Session:
    """A session that repeats calls that cannot have had an effect; certificates are verified.

    Args:
        ca_bundle: File with the certificates of a private authority, None for the system's.
        connect_attempts: How often a server that does not take the connection is asked again,
            after ever longer waits of up to ten seconds.
    """
    session = kind()
    retry = Retry(
        total=None,
        connect=connect_attempts,
        read=3,
        status=3,
        other=0,
        redirect=0,
        backoff_factor=0.2,
        backoff_max=10,
        status_forcelist=(502, 504),
        raise_on_status=False,
    )
    session.mount("http://", HTTPAdapter(max_retries=retry, pool_maxsize=32))
    session.mount("https://", HTTPAdapter(max_retries=retry, pool_maxsize=32))
    if ca_bundle:
        session.verify = ca_bundle
    return session


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Leave the session in the header: without this a ``.netrc`` may replace it."""
    return request


class Transport:
    """Calls under one base URL; answers that are errors are raised as such."""

    def __init__(
        self, url: str, read_error: ErrorReader, http: requests.Session | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._read_error = read_error
        self._http = http or http_session()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        form: Mapping[str, Any] | None = None,
        json: Any = None,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
        stream: bool = False,
        read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
        follow: bool = False,
    ) -> requests.Response:
        """Make one call and give its answer.

        Args:
            path: Below the base URL, with a leading slash.
            form: Sent as ``application/x-www-form-urlencoded``.
            body: Sent as it is; an iterable is sent in chunks, without a length.
            stream: Leave the answer's body unread; the caller reads and closes it.
            follow: Load from where the service says, once, without the session.

        Raises:
            PortalError: What the service reported.
            UnavailableError: The service cannot be reached or did not answer in time.
            BadRequestError: The base URL is none, or the service is at another one. That is not
                followed: the session would go to wherever it leads.
        """
        try:
            response = self._http.request(
                method,
                self.url + path,
                params=params,
                data=form if form is not None else body,
                json=json,
                headers=dict(headers or {}),
                stream=stream,
                timeout=(CONNECT_TIMEOUT_SECONDS, read_timeout_seconds),
                auth=_as_it_is,
                allow_redirects=False,
            )
        except _BROKEN as error:
            raise UnavailableError(f"{self.url} does not answer: {_cause(error)}") from error
        except _NO_ADDRESS as error:
            raise BadRequestError(f"{self.url} is not the address of a service") from error
        if response.status_code >= 400:
            raise self._error(response)
        if response.is_redirect and follow and method == "GET":
            response.close()
            plain = {k: v for k, v in (headers or {}).items() if k.lower() != "authorization"}
            place = response.headers["Location"]
            return Transport(place, self._read_error, self._http).call(
                "GET", "", headers=plain, stream=stream, read_timeout_seconds=read_timeout_seconds
            )
        if response.is_redirect:
            response.close()
            place = response.headers["Location"].split("?")[0]
            raise BadRequestError(f"{self.url} leads to another address: {place}")
        return response

    def _error(self, response: requests.Response) -> PortalError:
        try:
            body = response.json()
        except ValueError:
            body = {}
        finally:
            response.close()
        error = self._read_error(response.status_code, body if isinstance(body, dict) else {})
        kind = BY_CODE.get(response.headers.get(ERROR_CODE_HEADER, ""))
        if kind is None or isinstance(error, kind):
            return error
        return kind(error.message, correlation_id=error.correlation_id)


def blocks_of(response: requests.Response, size: int) -> Iterator[bytes]:
    """The body of an answer that was asked for with ``stream``, in pieces.

    Raises:
        UnavailableError: The connection broke before the body's end.
    """
    try:
        yield from response.iter_content(size)
    except _BROKEN as error:
        place = response.url.split("?")[0]
        raise UnavailableError(f"{place} broke off in its answer: {_cause(error)}") from error


def json_of(response: requests.Response) -> Any:
    """The JSON of an answer.

    Raises:
        InternalError: The answer is not JSON: this is not the service we take it for.
    """
    try:
        return response.json()
    except ValueError as error:
        raise InternalError(f"{response.url.split('?')[0]} did not answer in JSON") from error


def _cause(error: Exception) -> str:
    """A short reason without the URL, whose query may hold a session."""
    reason: BaseException = error
    while reason.__cause__ or reason.__context__:
        reason = reason.__cause__ or reason.__context__ or reason
    return type(reason).__name__ if "http" in str(reason) else str(reason)
