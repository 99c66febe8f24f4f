"""What routes answer with, and what they work on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, cast

from flask import Response, current_app

from catalog.services import Services
from catalog.spool import spooled


def services() -> Services:
    """The catalog that this application fronts."""
    return cast(Services, current_app.extensions["catalog"])


def json_answer(document: object) -> Response:
    """An answer of JSON, in which NaN and infinity are null."""
    try:
        text = json.dumps(document, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(_without_nan(document), allow_nan=False, separators=(",", ":"))
    return Response(text, mimetype="application/json")


def text_answer(texts: Iterable[str]) -> Response:
    """An answer of JSON that is text already; all of it is made now."""
    return Response(spooled(texts), mimetype="application/json")


def _without_nan(found: Any) -> Any:
    """The same with null for NaN and infinity, which JSON does not have."""
    if isinstance(found, float):
        return found if found - found == 0 else None
    if isinstance(found, list):
        return [_without_nan(one) for one in found]
    if isinstance(found, dict):
        return {name: _without_nan(one) for name, one in found.items()}
    return found


def nothing() -> Response:
    """The answer to what gives nothing."""
    return Response(status=204)
