"""The hosts that run jobs: how they are, for everybody; setting them offline for administrators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from ijp.errors import BadRequestError, EngineError, NotFoundError, NotImplementedHereError
from portal import nodes
from portal.nodes import NodeRecord
from portal.services import services
from portal.sessions import login_required, require_admin, require_user
from portal.views.jobs import fragment

blueprint = Blueprint("nodes", __name__, url_prefix="/nodes")

_REFUSALS = (BadRequestError, EngineError, NotFoundError, NotImplementedHereError)
_COLUMNS = (
    ("name", "Host", ""),
    ("state", "State", ""),
    ("slots", "Cores in use", ""),
    ("load", "Load", ""),
    ("memory", "Memory in use", ""),
    ("disk", "Disk free", "num"),
    ("jobs", "Jobs", "num"),
    ("age", "As of", ""),
)
"""By what the table can be ordered, with the heading and its class."""
_ORDERS: dict[str, Callable[[NodeRecord], Any]] = {
    "name": lambda one: (one.name, one.engine),
    "state": lambda one: (one.online, not one.is_old),
    "slots": lambda one: _share(one.slots_used, one.slots),
    "load": lambda one: _or_least(one.load_fraction),
    "memory": lambda one: _or_least(one.memory_fraction),
    "disk": lambda one: _or_least(one.disk_free_bytes),
    "jobs": lambda one: one.jobs,
    "age": lambda one: one.told_at,
}


@blueprint.get("")
@login_required
def show() -> ResponseReturnValue:
    """All hosts; their order is in the address."""
    silent = nodes.silent_sources(services())
    return render_template("nodes/list.html", columns=_COLUMNS, silent=silent, **_list())


@blueprint.get("/rows")
@login_required
def rows() -> ResponseReturnValue:
    """The rows alone, for the script that keeps them up to date."""
    return fragment("nodes/rows.html", **_list())


@blueprint.post("/offline")
def set_offline() -> ResponseReturnValue:
    """Have no new jobs start on a host."""
    user, given = require_admin(), request.form
    try:
        made = nodes.set_offline(
            services(),
            user.name,
            given.get("name", ""),
            note=given.get("note", ""),
            engine=given.get("engine", ""),
        )
    except _REFUSALS as refusal:
        flash(f"{refusal.message[:1].upper()}{refusal.message[1:]}.", "error")
    else:
        flash(f"No new jobs start on {made.name}; those that run there go on.", "success")
    return redirect("/nodes", 303)


@blueprint.post("/online")
def set_online() -> ResponseReturnValue:
    """Let a host run jobs again."""
    user, given = require_admin(), request.form
    try:
        name, engine = given.get("name", ""), given.get("engine", "")
        made = nodes.set_online(services(), user.name, name, engine=engine)
    except _REFUSALS as refusal:
        flash(f"{refusal.message[:1].upper()}{refusal.message[1:]}.", "error")
    else:
        flash(f"Jobs start on {made.name} again.", "success")
    return redirect("/nodes", 303)


def _list() -> dict[str, Any]:
    user = require_user()
    by = request.args.get("by", "name")
    by = by if by in _ORDERS else "name"
    is_down = request.args.get("down") == "true"
    found = nodes.nodes_of(services(), user.name)
    ordered = sorted(sorted(found, key=_ORDERS["name"]), key=_ORDERS[by], reverse=is_down)
    return {
        "nodes": ordered,
        "by": by,
        "down": is_down,
        "several": len({one.engine for one in found}) > 1,
        "has_gpus": any(one.gpus for one in found),
        "can_change": user.is_admin and any(one.can_change for one in found),
    }


def _share(part: int, of: int) -> float:
    return part / of if of else 0.0


def _or_least(value: float | None) -> float:
    return -1.0 if value is None else value
