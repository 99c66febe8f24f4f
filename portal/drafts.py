"""Forms that were sent after their session had ended: the same page again, with what was typed.

A page whose form can be long takes part by ``@restores_draft`` on its view and ``typed()`` in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import current_app, g, request
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException

from portal.services import services
from portal.sessions import Draft, require_user

P = ParamSpec("P")
R = TypeVar("R")

FIELD = "draft"


def restores_draft(view: Callable[P, R]) -> Callable[P, R]:
    """Mark a view: asked by GET with a draft, it shows its form with what ``typed()`` gives."""
    view.restores_draft = True  # type: ignore[attr-defined]
    return view


def typed() -> MultiDict[str, str] | None:
    """What the user had typed into this page's form; None if this is not such a case."""
    if not (draft_id := request.args.get(FIELD)) or request.method != "GET":
        return None
    draft: Draft | None = g.get("draft") or services().sessions.load_draft(draft_id, require_user())
    g.draft = draft
    if draft is None or urlsplit(draft.path).path != request.path:
        return None
    return MultiDict([(name, value) for name, all in draft.form.items() for value in all])


def way_back(path: str, draft_id: str) -> str | None:
    """The address at which a draft's own page shows it again; None if that page cannot."""
    parts = urlsplit(path)
    try:
        endpoint, _ = current_app.url_map.bind("").match(parts.path, method="GET")
    except HTTPException:
        return None
    if not getattr(current_app.view_functions[endpoint], "restores_draft", False):
        return None
    query = [(name, value) for name, value in parse_qsl(parts.query) if name != FIELD]
    return f"{parts.path}?{urlencode([*query, (FIELD, draft_id)])}"
