"""Who makes the current request: restores are served in turn, one of each user."""

from __future__ import annotations

from flask import g, has_app_context

from ijp.catalog import CatalogSession

_NAME = "asking"


def asks(session: CatalogSession) -> CatalogSession:
    """Note whose request this is; gives the session back."""
    setattr(g, _NAME, session)
    return session


def asker() -> str:
    """The catalog user name; empty if nobody asks, or who asks is not known."""
    session: CatalogSession | None = g.get(_NAME) if has_app_context() else None
    return session.user_name() if session else ""
