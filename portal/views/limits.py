"""What users may have, and what they use of it."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue

from portal import limits_shown
from portal.services import services
from portal.sessions import login_required, require_user
from portal.views.alterations import blueprint

__all__ = ["blueprint"]


@blueprint.get("/limits")
@login_required
def show_limits() -> ResponseReturnValue:
    """A user's limits as bars; for administrators, who uses what."""
    found, user = services(), require_user()
    limits = found.settings.limits
    types = found.definitions.current().job_types
    return render_template(
        "jobs/limits.html",
        own=limits_shown.own(found, user),
        period=limits.period,
        aging_minutes=limits.aging_minutes if limits.has_priorities else None,
        everybody=limits_shown.everybody(found) if user.is_admin else None,
        unknown=sorted(set(limits.job_types) - set(types)) if user.is_admin else [],
    )
