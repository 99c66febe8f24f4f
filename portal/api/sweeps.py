"""Sweeps, and one action on many jobs."""

from __future__ import annotations

from typing import Any

from portal import bulk, queue, sweeps
from portal.api.blueprint import ApiBlueprint
from portal.api.jobs import filter_of, job_as_wire
from portal.api.schemas import JobsIn
from portal.api.sweep_schemas import (
    ActionIn,
    ActionOut,
    EntriesOut,
    QueuesOut,
    ReferencesIn,
    RetryPlanOut,
    SweepOut,
)
from portal.bulk import References
from portal.failure import of_text
from portal.job_actions import Action, Done
from portal.services import services
from portal.sessions import require_user

blueprint = ApiBlueprint("sweeps", __name__, "Many jobs as one.")


@blueprint.route("/job-list")
@blueprint.arguments(JobsIn, location="query")
@blueprint.response(200, EntriesOut)
def entries(asked: dict[str, Any]) -> Any:
    """List jobs, newest first, each sweep as one row that has a job which fits."""
    found = services()
    page = sweeps.entries(
        found.database,
        found.settings,
        require_user(),
        filter_of(asked),
        limit=asked["limit"],
        after=asked.get("after"),
    )
    shown = [
        {"sweep": one.sweep} if one.sweep else {"job": job_as_wire(one.lead)}
        for one in page.entries
    ]
    return {"entries": shown, "next": page.next_after}


@blueprint.route("/sweeps/<int:sweep_id>")
@blueprint.response(200, SweepOut)
def sweep(sweep_id: int) -> Any:
    """Show a sweep with how many of its jobs are where; ``GET /jobs?sweep=`` lists these."""
    return sweeps.get(services().database, require_user(), sweep_id)


@blueprint.route("/jobs/actions", methods=["POST"])
@blueprint.arguments(ActionIn)
@blueprint.response(200, ActionOut)
def act(given: dict[str, Any]) -> Any:
    """Do something to many jobs; what does not go for one does not stop the others."""
    made = bulk.perform(
        services(), require_user(), Action(given["action"]), _chosen(given), more=given["more"]
    )
    return {
        "done": made.done,
        "failed": len(made.results) - made.done,
        "results": list(map(_done, made.results)),
        "sweep_ids": made.sweep_ids,
    }


@blueprint.route("/jobs/retry-plan", methods=["POST"])
@blueprint.arguments(ReferencesIn)
@blueprint.response(200, RetryPlanOut)
def retry_plan(given: dict[str, Any]) -> Any:
    """Say what trying jobs again would do, and with what; nothing is done."""
    plan = bulk.plan_retry(services(), require_user(), _chosen(given), more=given["more"])
    refused = [
        _done(Done(one.reference, one.row.id if one.row else None, error=one.error))
        for one in plan.refused
    ]
    return {"groups": plan.groups, "refused": refused}


@blueprint.route("/queues")
@blueprint.response(200, QueuesOut)
def queues() -> Any:
    """List the queues of the batch system, and how much waits and runs."""
    return queue.queues_of(services(), require_user().name)


def _chosen(given: dict[str, Any]) -> References:
    return References(
        tuple(given["jobs"]), tuple(given["sweeps"]), of_text(given.get("failure", ""))
    )


def _done(one: Done) -> dict[str, Any]:
    return {
        "reference": one.reference,
        "job_id": one.job_id,
        "done": one.error is None,
        "state": one.state,
        "made": one.made,
        "error": one.error,
    }
