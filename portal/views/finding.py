"""What the views and interfaces of the data side share: the one finder of an application."""

from __future__ import annotations

from typing import cast

from flask import Blueprint, current_app

from portal.find import Finder
from portal.quantities import type_name
from portal.services import services

blueprint = Blueprint("finding", __name__)
blueprint.add_app_template_filter(type_name)

_NAME = "ijp.finder"


def finder() -> Finder:
    """The application's finder, made when it is first asked for."""
    if _NAME not in current_app.extensions:
        current_app.extensions[_NAME] = Finder(services().definitions)
    return cast(Finder, current_app.extensions[_NAME])
