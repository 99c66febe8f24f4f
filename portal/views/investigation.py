"""The way down from facilities over investigations to datasets."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from ijp.catalog import CatalogSession, Entity
from ijp.errors import NotAuthorizedError, NotFoundError
from ijp.query import like_escaped, query
from portal.sessions import login_required, require_user

blueprint = Blueprint("investigation", __name__)

ON_A_PAGE = 100


@blueprint.get("/investigations")
@login_required
def index() -> ResponseReturnValue:
    """The investigations that the user may see, under their facilities, newest first."""
    session = require_user().catalog
    text = " ".join(request.args.get("text", "").split())
    before = request.args.get("before", "")
    found = _page(session, text, int(before) if before.isdigit() and len(before) < 19 else None)
    by_facility: dict[str, list[Entity]] = {}
    for one in found[:ON_A_PAGE]:
        facility = one.get("facility") or {}
        name = facility.get("fullName") or facility.get("name") or "Other"
        by_facility.setdefault(name, []).append(one)
    return render_template(
        "investigation/index.html",
        by_facility=by_facility,
        text=text,
        next=found[ON_A_PAGE - 1]["id"] if len(found) > ON_A_PAGE else None,
    )


@blueprint.get("/investigations/<int:investigation_id>")
@login_required
def show(investigation_id: int) -> ResponseReturnValue:
    """One investigation: its people, and how many datasets of each type it has."""
    session = require_user().catalog
    include = "i.facility, i.type, i.investigationUsers AS iu, iu.user, i.parameters AS p, p.type"
    try:
        found = session.get(f"Investigation i INCLUDE {include}", investigation_id)
    except (NotFoundError, NotAuthorizedError):
        text = f"there is no investigation {investigation_id} that you may see"
        raise NotFoundError(text) from None
    counted = session.search(
        query(
            "SELECT d.type.name, COUNT(d) FROM Dataset d"
            " WHERE d.investigation.id = {} AND d.complete = TRUE GROUP BY d.type.name",
            investigation_id,
        )
    )
    types = sorted((str(name), int(number)) for name, number in counted)
    return render_template("investigation/show.html", investigation=found, types=types)


def _page(session: CatalogSession, text: str, before: int | None) -> list[Entity]:
    conditions = []
    if before is not None:
        conditions.append(query("i.id < {}", before))
    for word in text.lower().split()[:12]:
        pattern = query("{}", f"%{like_escaped(word)}%")
        paths = ("i.name", "i.title", "i.visitId")
        each = (f"LOWER({path}) LIKE {pattern} ESCAPE '!'" for path in paths)
        conditions.append("(" + " OR ".join(each) + ")")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return list(
        session.search(
            f"SELECT i FROM Investigation i{where} ORDER BY i.id DESC LIMIT 0, {ON_A_PAGE + 1}"
            " INCLUDE i.facility, i.type"
        )
    )
