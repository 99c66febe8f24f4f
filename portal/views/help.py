"""A short help page, open to everybody."""

from __future__ import annotations

from flask import Blueprint, render_template

blueprint = Blueprint("help", __name__)


@blueprint.get("/help")
def show() -> str:
    """What a scientist needs to know."""
    return render_template("help.html")
