"""For whoever runs the portal: job types with what the linter says, the engine, who did what."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from jobdefs.problem import Problem
from portal.nodes import nodes_of, silent_sources
from portal.queue import queue_of
from portal.services import services
from portal.sessions import require_admin

blueprint = Blueprint("admin", __name__, url_prefix="/admin")


@blueprint.get("")
def overview() -> ResponseReturnValue:
    """Everything on one page."""
    require_admin()
    definitions = services().definitions.current()
    by_file: dict[Path, list[Problem]] = defaultdict(list)
    for problem in definitions.problems:
        by_file[problem.file].append(problem)
    return render_template(
        "admin/overview.html",
        job_types=definitions.job_types.values(),
        families=definitions.families,
        problems=by_file,
        folder=services().definitions.folder,
        engines=services().engines,
        nodes=nodes_of(services()),
        silent=silent_sources(services()),
        queue=queue_of(services().database),
    )
