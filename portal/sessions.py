"""Who is asking: browsers by a cookie, programs by the catalog session in a header.

A browser never sees the catalog session: its cookie is a random id, of which the database has
the hash, beside the catalog session encrypted under a key in a file.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import g, request
from flask import session as form_session
from sqlalchemy import Engine, bindparam, delete, select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from ijp.catalog import CatalogClient, CatalogSession
from ijp.errors import NotAuthenticatedError, NotAuthorizedError
from portal import audit
from portal.kept_sessions import KeptSessions, hash_of
from portal.model import BrowserSessionRow, CatalogSessionRow, DraftRow
from portal.moments import now
from portal.services import services
from portal.settings import PortalSettings
from servicekit import client_address, logs
from servicekit.database import writing

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

COOKIE = "ijp_session"
_USER_OF_FORMS = "user_name"
_SECRET = (
    select(CatalogSessionRow.secret)
    .join(BrowserSessionRow)
    .where(BrowserSessionRow.id_hash == bindparam("id_hash"))
)
VERIFIED_SECONDS = 30.0
_VERIFIED_MOST = 10_000
_BROWSER_SESSION = timedelta(days=30)
_DRAFTS_KEPT = timedelta(days=1)


@dataclass(frozen=True)
class User:
    """Somebody who is logged in.

    Attributes:
        name: With the authenticator, such as ``db/ana``.
        catalog: What the user does at the catalog, with the user's own rights.
        is_admin: May see and cancel everybody's jobs.
        by_cookie: A browser, so unsafe calls need a CSRF token.
    """

    name: str
    catalog: CatalogSession
    is_admin: bool = False
    by_cookie: bool = False

    @property
    def session_id(self) -> str:
        """The catalog session; not to be shown, stored or put into a URL."""
        return self.catalog.session_id


@dataclass(frozen=True)
class Draft:
    """A form that was sent too late; ``form`` has a list of values by field name."""

    path: str
    form: Mapping[str, list[str]]


class Sessions:
    """Log-in, log-out and what is kept between."""

    def __init__(
        self, settings: PortalSettings, database: Engine, catalog: CatalogClient, keys: str
    ) -> None:
        """Keep sessions in the database, encrypted with Fernet keys (one a line)."""
        self._settings = settings
        self._database = database
        self._catalog = catalog
        self.kept = KeptSessions(database, catalog, keys)
        self._verified: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def login(self, authenticator: str, credentials: Mapping[str, str]) -> tuple[User, str]:
        """Log a browser in; the second member is the value of its cookie.

        Raises:
            NotAuthenticatedError: The authenticator refused.
        """
        session = self.open_session(authenticator, credentials)
        name = self._verified_name(session)
        cookie = secrets.token_urlsafe(32)
        with Session(writing(self._database)) as transaction, transaction.begin():
            kept = self.kept.keep(transaction, name, session)
            self._drop_browser(transaction)
            transaction.add(
                BrowserSessionRow(
                    id_hash=hash_of(cookie), catalog_session_id=kept, created_at=now()
                )
            )
            audit.record(transaction, name, "log in")
        form_session[_USER_OF_FORMS] = name
        log.info("%s logged in", name)
        return self._user(name, session, by_cookie=True), cookie

    def open_session(self, authenticator: str, credentials: Mapping[str, str]) -> CatalogSession:
        """A new session at the catalog, which is told for which address the portal asks.

        Raises:
            NotAuthenticatedError: The authenticator refused.
        """
        address = client_address.of(request, self._settings.trusted_proxies)
        return self._catalog.login(authenticator, credentials, client_address=address)

    def _drop_browser(self, transaction: Session) -> None:
        """Forget what this browser was logged in with before, and browsers that never came back."""
        earlier = hash_of(request.cookies.get(COOKIE, ""))
        transaction.execute(
            delete(BrowserSessionRow).where(
                (BrowserSessionRow.id_hash == earlier)
                | (BrowserSessionRow.created_at < now() - _BROWSER_SESSION)
            )
        )

    def set_cookie(self, response: Response, value: str) -> None:
        """Give a browser its cookie: HttpOnly, SameSite=Lax, Secure under HTTPS."""
        response.set_cookie(
            COOKIE,
            value,
            httponly=True,
            samesite="Lax",
            secure=self._settings.secure_cookies,
            path="/",
        )

    def logout(self, user: User, response: Response | None = None) -> None:
        """End a user's session and take the cookie back.

        While jobs of this session are not finished it goes on at the catalog for their sake,
        and ends with the last of them.
        """
        with self._lock:
            self._verified.pop(hash_of(user.session_id), None)
        self.kept.end(user.catalog)
        with Session(writing(self._database)) as transaction, transaction.begin():
            audit.record(transaction, user.name, "log out")
        if response is not None:
            response.delete_cookie(COOKIE, path="/")

    def by_session_id(self, session_id: str) -> User:
        """The user of a program's catalog session.

        Raises:
            NotAuthenticatedError: The session has ended, or the catalog does not know it.
        """
        session = self._catalog.session(session_id)
        return self._user(self._verified_name(session), session, by_cookie=False)

    def by_cookie(self, value: str) -> User | None:
        """The user of a browser; None if its session has ended."""
        with self._database.connect() as connection:
            secret = connection.scalar(_SECRET, {"id_hash": hash_of(value)})
        if secret is None:
            return None
        try:
            session = self.kept.open(secret)
            return self._user(self._verified_name(session), session, by_cookie=True)
        except NotAuthenticatedError:
            return None

    def _user(self, name: str, session: CatalogSession, *, by_cookie: bool) -> User:
        logs.set_user(name)
        return User(name, session, name in self._settings.admins, by_cookie)

    def _verified_name(self, session: CatalogSession) -> str:
        """The user's name, asked at the catalog unless that was less than 30 s ago."""
        key, moment = hash_of(session.session_id), time.monotonic()
        with self._lock:
            name, until = self._verified.get(key, ("", 0.0))
        if until > moment:
            return name
        if self.kept.is_logged_out(session.session_id):
            raise NotAuthenticatedError("this session has been ended; please log in again")
        name = session.user_name()
        with self._lock:
            if len(self._verified) >= _VERIFIED_MOST:
                self._verified.clear()
            self._verified[key] = (name, moment + VERIFIED_SECONDS)
        self._prolong(session)
        return name

    def _prolong(self, session: CatalogSession) -> None:
        """Let the session of somebody who is active go on."""
        lifetime = self._catalog.properties().lifetime_minutes
        if session.remaining_minutes() < lifetime / 2:
            session.refresh()

    def save_draft(self, path: str, form: Mapping[str, list[str]]) -> str:
        """Keep a form that was sent without a valid session; gives the id to ask for it with.

        Only the user to whom the ended session belonged can have it back, where that is known.
        """
        draft_id = secrets.token_urlsafe(24)
        with Session(writing(self._database)) as transaction, transaction.begin():
            transaction.execute(delete(DraftRow).where(DraftRow.created_at < now() - _DRAFTS_KEPT))
            transaction.add(
                DraftRow(
                    id_hash=hash_of(draft_id),
                    user_name=self._owner_of_cookie(transaction),
                    path=path,
                    form={name: values for name, values in form.items() if name != "csrf_token"},
                    created_at=now(),
                )
            )
        return draft_id

    def _owner_of_cookie(self, transaction: Session) -> str | None:
        """Whose browser this is, though its session has ended.

        A session that was ended elsewhere has left no row; then the signed cookie of forms says it.
        """
        owner = transaction.scalar(
            select(CatalogSessionRow.user_name)
            .join(BrowserSessionRow)
            .where(BrowserSessionRow.id_hash == hash_of(request.cookies.get(COOKIE, "")))
        )
        return owner or form_session.get(_USER_OF_FORMS)

    def draft_path(self, draft_id: str, user: User) -> str | None:
        """Where a kept form was sent; it stays kept. None as for ``load_draft``."""
        with Session(self._database) as transaction:
            row = transaction.get(DraftRow, hash_of(draft_id))
            return row.path if row and row.user_name in (None, user.name) else None

    def load_draft(self, draft_id: str, user: User) -> Draft | None:
        """A kept form, once; None if there is none (any more) for this user."""
        with Session(writing(self._database)) as transaction, transaction.begin():
            row = transaction.get(DraftRow, hash_of(draft_id))
            if row is None or row.user_name not in (None, user.name):
                return None
            transaction.delete(row)
            return Draft(row.path, dict(row.form))


def bearer() -> str | None:
    """The secret in the request's Authorization header; None if there is none."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() or None if scheme.lower() == "bearer" else None


def current_user() -> User | None:
    """Who makes the current request; None if nobody is logged in.

    Raises:
        NotAuthenticatedError: A program sent a session that is not valid.
    """
    if "user" not in g:
        g.user = _identified(services().sessions)
    found: User | None = g.user
    return found


def _identified(sessions: Sessions) -> User | None:
    if (session_id := bearer()) is not None:
        return sessions.by_session_id(session_id)
    cookie = request.cookies.get(COOKIE)
    return sessions.by_cookie(cookie) if cookie else None


def require_user() -> User:
    """Who makes the current request.

    Raises:
        NotAuthenticatedError: Nobody is logged in. A browser is then led to the log-in page and
            back, a form that it sent kept meanwhile; a program gets 401.
    """
    if (user := current_user()) is None:
        raise NotAuthenticatedError("please log in")
    return user


def login_required(view: Callable[P, R]) -> Callable[P, R]:
    """Decorate a view: it is for users that are logged in."""

    @wraps(view)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        require_user()
        return view(*args, **kwargs)

    return checked


def require_admin() -> User:
    """Who makes the current request, an admin.

    Raises:
        NotAuthorizedError: It is somebody else.
    """
    user = require_user()
    if not user.is_admin:
        raise NotAuthorizedError("this is for administrators")
    return user
