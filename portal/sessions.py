"""Who is asking: browsers by a cookie, programs by the catalog session in a header.

A browser never sees the catalog session: its cookie is a random id, of which the database has
the hash, beside the catalog session encrypted under a key in a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import Response, g
from sqlalchemy import Engine

from ijp.catalog import CatalogClient, CatalogSession
from ijp.errors import NotAuthenticatedError, NotAuthorizedError
from portal.settings import PortalSettings

P = ParamSpec("P")
R = TypeVar("R")

COOKIE = "ijp_session"


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
        self, settings: PortalSettings, database: Engine, catalog: CatalogClient, key: bytes
    ) -> None:
        """Keep sessions in the database, encrypted with a Fernet key."""

    def login(self, authenticator: str, credentials: Mapping[str, str]) -> tuple[User, str]:
        """Log a browser in; the second member is the value of its cookie.

        Raises:
            NotAuthenticatedError: The authenticator refused.
        """
        raise NotImplementedError

    def set_cookie(self, response: Response, value: str) -> None:
        """Give a browser its cookie: HttpOnly, SameSite=Lax, Secure under HTTPS."""
        raise NotImplementedError

    def logout(self, user: User, response: Response | None = None) -> None:
        """End a user's session and take the cookie back.

        While jobs of this session are not finished it goes on at the catalog for their sake,
        and ends with the last of them.
        """
        raise NotImplementedError

    def save_draft(self, path: str, form: Mapping[str, list[str]]) -> str:
        """Keep a form that was sent without a valid session; gives the id to ask for it with."""
        raise NotImplementedError

    def load_draft(self, draft_id: str, user: User) -> Draft | None:
        """A kept form, once; None if there is none (any more) for this user."""
        raise NotImplementedError


def current_user() -> User | None:
    """Who makes the current request; None if nobody is logged in."""
    found: User | None = g.get("user")
    return found


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
