"""The catalog: any server that speaks ICAT's REST interface."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import requests

from ijp.errors import (
    BadRequestError,
    ConflictError,
    InternalError,
    NotAuthenticatedError,
    NotAuthorizedError,
    NotFoundError,
    NotImplementedHereError,
    PortalError,
    UnavailableError,
    ValidationFailedError,
)
from ijp.transport import Transport, json_of

_ID = re.compile(r":id\b")
_SESSION_IN_MESSAGE = re.compile(r"(?is)(session ?id: ?).+?(?= has expired|\Z)")
"""ICAT repeats the session in its messages, which go on into logs, pages and records of jobs."""

Entity = dict[str, Any]
"""An entity as the wire has it: camelCase names, to-many relations as lists, dates as text."""

_ERRORS: dict[str, type[PortalError]] = {
    "BAD_PARAMETER": BadRequestError,
    "INTERNAL": InternalError,
    "INSUFFICIENT_PRIVILEGES": NotAuthorizedError,
    "NO_SUCH_OBJECT_FOUND": NotFoundError,
    "OBJECT_ALREADY_EXISTS": ConflictError,
    "SESSION": NotAuthenticatedError,
    "VALIDATION": ValidationFailedError,
    "NOT_IMPLEMENTED": NotImplementedHereError,
}


def _read_error(status: int, body: Mapping[str, Any]) -> PortalError:
    kind = _ERRORS.get(str(body.get("code")), InternalError)
    message = str(body.get("message") or f"the catalog answered {status}")
    if kind is NotAuthenticatedError:
        message = _SESSION_IN_MESSAGE.sub(r"\1…", message)
    error = kind(message, correlation_id=body.get("correlationId"))
    error.offset = body.get("offset")
    return error


@dataclass(frozen=True)
class CredentialField:
    """One thing that an authenticator asks for; a hidden one is not shown while typed."""

    name: str
    hide: bool = False


@dataclass(frozen=True)
class Authenticator:
    """A way to log in."""

    mnemonic: str
    friendly: str
    keys: tuple[CredentialField, ...] = ()
    admin: bool = False


@dataclass(frozen=True)
class Properties:
    """What a catalog says of itself.

    Attributes:
        max_entities: The most rows that one search gives.
        session_header: It takes the session in the Authorization header, so not in URLs.
        search_each: It answers a query for many ids in one call.
    """

    max_entities: int
    lifetime_minutes: float
    authenticators: tuple[Authenticator, ...] = ()
    session_header: bool = field(default=False)
    search_each: bool = field(default=False)


class CatalogClient:
    """A catalog, before log-in."""

    def __init__(self, url: str, http: requests.Session | None = None) -> None:
        """Take the URL up to and with ``/icat``; nothing is called yet."""
        self._transport = Transport(url, _read_error, http)
        self._properties: Properties | None = None

    @property
    def url(self) -> str:
        """The base URL."""
        return self._transport.url

    def version(self) -> str:
        """The version of the ICAT interface, such as ``6.2.0``."""
        return str(json_of(self._transport.call("GET", "/version"))["version"])

    def properties(self) -> Properties:
        """What the catalog says of itself; asked once and kept."""
        if self._properties is None:
            found = json_of(self._transport.call("GET", "/properties"))
            self._properties = Properties(
                max_entities=found["maxEntities"],
                lifetime_minutes=found["lifetimeMinutes"],
                authenticators=tuple(_authenticator(one) for one in found["authenticators"]),
                session_header=bool(found.get("sessionHeader", False)),
                search_each=bool(found.get("searchEach", False)),
            )
        return self._properties

    def login(
        self,
        authenticator: str,
        credentials: Mapping[str, str],
        *,
        client_address: str | None = None,
    ) -> CatalogSession:
        """Log in.

        Args:
            client_address: Of the one who asks, where this is a service that logs others in; a
                catalog believes it of services that it was told to trust.

        Raises:
            NotAuthenticatedError: The authenticator refused, or there is none of that name.
        """
        pairs = [{name: value} for name, value in credentials.items()]
        text = json.dumps({"plugin": authenticator, "credentials": pairs})
        headers = {"X-Forwarded-For": client_address} if client_address else {}
        answer = json_of(
            self._transport.call("POST", "/session", form={"json": text}, headers=headers)
        )
        return self.session(answer["sessionId"])

    def session(self, session_id: str) -> CatalogSession:
        """A session that exists already; whether it still does shows at the first call."""
        return CatalogSession(self, session_id)

    def call(self, method: str, path: str, session_id: str, **arguments: Any) -> requests.Response:
        """Make a call for a session, its id in a header where the catalog takes that."""
        if self.properties().session_header:
            arguments["headers"] = {"Authorization": f"Bearer {session_id}"}
        else:
            place = "form" if method == "POST" else "params"
            arguments[place] = {"sessionId": session_id, **(arguments.get(place) or {})}
        return self._transport.call(method, path, **arguments)


class CatalogSession:
    """What a logged-in user does with a catalog."""

    def __init__(self, catalog: CatalogClient, session_id: str) -> None:
        self.catalog = catalog
        self.session_id = session_id

    def _status(self) -> dict[str, Any]:
        own = "me" if self.catalog.properties().session_header else quote(self.session_id, safe="")
        answer = self.catalog.call("GET", f"/session/{own}", self.session_id)
        return dict(json_of(answer))

    def user_name(self) -> str:
        """The user with the authenticator's mechanism, such as ``db/ana``."""
        return str(self._status()["userName"])

    def remaining_minutes(self) -> float:
        """How long the session lasts if nobody refreshes it."""
        return float(self._status()["remainingMinutes"])

    def refresh(self) -> None:
        """Let the session last its full lifetime again."""
        self._on_session("PUT")

    def logout(self) -> None:
        """End the session."""
        self._on_session("DELETE")

    def _on_session(self, method: str) -> None:
        own = "me" if self.catalog.properties().session_header else quote(self.session_id, safe="")
        self.catalog.call(method, f"/session/{own}", self.session_id)

    def search(self, query: str) -> list[Any]:
        """Run a query of either style.

        Returns:
            A member for each row: an entity, a scalar, or a list where several were selected.
        """
        answer = self.catalog.call(
            "GET", "/entityManager", self.session_id, params={"query": query}
        )
        return [_bare(row) for row in json_of(answer)]

    def search_each(
        self, queries: Mapping[str, str], ids: Sequence[int]
    ) -> dict[str, dict[int, list[Any]] | PortalError]:
        """Run each query for each id, which stands in it as ``:id``.

        One call where the catalog can do that, else a search for each query and id.

        Returns:
            By the query's name, for each id at most two values: enough to tell one from several.
            For a query that is wrong, its error; the others are answered.
        """
        if not queries or not ids:
            return {name: {} for name in queries}
        if not self.catalog.properties().search_each:
            return {name: self._search_each(text, ids) for name, text in queries.items()}
        form = {"json": json.dumps({"queries": dict(queries), "ids": list(ids)})}
        answer = self.catalog.call("POST", "/searchEach", self.session_id, form=form)
        found = json_of(answer)
        return {name: _each(found[name]) for name in queries}

    def _search_each(self, text: str, ids: Sequence[int]) -> dict[int, list[Any]] | PortalError:
        try:
            return {id: self.search(_ID.sub(str(int(id)), text))[:2] for id in ids}
        except (NotAuthenticatedError, UnavailableError):
            raise
        except PortalError as error:
            return error

    def get(self, query: str, id: int) -> Entity:
        """One entity by id; the query is its name, with INCLUDE if wanted.

        Raises:
            NotFoundError: There is none.
            NotAuthorizedError: The user may not read it.
        """
        params = {"query": query, "id": str(id)}
        answer = self.catalog.call("GET", "/entityManager", self.session_id, params=params)
        return dict(_bare(json_of(answer)))

    def write(self, items: Sequence[Mapping[str, Entity]]) -> list[int]:
        """Create and update in one transaction: ``[{"Dataset": {…}}, …]``; an id means update.

        Returns:
            The ids of what was created at the top, in order.
        """
        form = {"entities": json.dumps(list(items))}
        answer = self.catalog.call("POST", "/entityManager", self.session_id, form=form)
        return [int(id) for id in json_of(answer)]

    def create(self, entity: str, **values: Any) -> int:
        """Create one entity, its new children nested in it; give its id."""
        return self.write([{entity: values}])[0]

    def update(self, entity: str, id: int, **values: Any) -> None:
        """Change the given fields of one entity; None clears."""
        self.write([{entity: {"id": id, **values}}])

    def delete(self, entity: str, ids: Iterable[int]) -> None:
        """Delete entities with all that hangs on them, in one transaction."""
        items = json.dumps([{entity: {"id": id}} for id in ids])
        self.catalog.call("DELETE", "/entityManager", self.session_id, params={"entities": items})


def _each(found: Mapping[str, Any]) -> dict[int, list[Any]] | PortalError:
    if "error" in found:
        return BadRequestError(str(found["error"]))
    return {int(id): [_bare(row) for row in rows] for id, rows in found.items()}


def _authenticator(found: Mapping[str, Any]) -> Authenticator:
    mnemonic = str(found["mnemonic"])
    return Authenticator(
        mnemonic=mnemonic,
        friendly=str(found.get("friendly") or mnemonic),
        keys=tuple(
            CredentialField(str(key["name"]), bool(key.get("hide", False)))
            for key in found.get("keys", [])
        ),
        admin=bool(found.get("admin", False)),
    )


def _bare(row: Any) -> Any:
    """An entity without the object that names it; anything else as it is."""
    if isinstance(row, dict) and len(row) == 1:
        (name, value), *_ = row.items()
        if isinstance(value, dict) and name[:1].isupper():
            return value
    return row


def parse_date(text: str) -> datetime:
    """A moment of the wire, such as ``2026-11-20T19:07:00.000Z``; without zone it is UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def format_date(moment: datetime) -> str:
    """A moment as the wire has it: UTC, milliseconds."""
    utc = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    return utc.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
