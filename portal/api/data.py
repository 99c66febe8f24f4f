"""Data and job types: search, look at, ask what can run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from flask import request
from marshmallow import INCLUDE
from werkzeug.datastructures import MultiDict

from ijp.catalog import format_date
from ijp.errors import (
    BadRequestError,
    NotAuthorizedError,
    NotFoundError,
    ValidationFailedError,
)
from ijp.query import query
from jobdefs.job_type import JobType
from portal import job_form, quantities
from portal.api.blueprint import ApiBlueprint
from portal.api.data_schemas import (
    DatafileSearchIn,
    DatafilesOut,
    DatasetIdsIn,
    DatasetOut,
    DatasetsOut,
    EstimateOut,
    FormIn,
    FormOut,
    FoundDatafilesOut,
    GraphOut,
    JobTypeOut,
    JobTypesOut,
    PageIn,
    ProvenanceIn,
    QuantitiesOut,
    SearchablesIn,
    SearchablesOut,
    SearchIn,
    SearchItemsOut,
    SelectionIn,
)
from portal.api.data_wire import (
    datafile_as_wire,
    dataset_as_wire,
    found_datafile_as_wire,
    investigation_as_wire,
)
from portal.find import Found, Page
from portal.jobs import Preview, Request
from portal.offers import Offer, offers
from portal.provenance_graph import Expansion, Kind, Node, graph_of
from portal.routing import Route
from portal.search import Search
from portal.selection import Selection, look_up
from portal.services import services
from portal.sessions import User, require_user
from portal.subject import DATAFILES, DATASETS, Subject
from portal.views.finding import finder

blueprint = ApiBlueprint("data", __name__, "Finding data and what can run on them.")


@blueprint.route("/datasets")
@blueprint.arguments(SearchIn, location="query", unknown=INCLUDE)
@blueprint.response(200, DatasetsOut)
def datasets(asked: dict[str, Any]) -> Any:
    """Search datasets, a page at a time.

    The query parameters are those of the search page, so its address works here too.
    """
    page, answer = _searched(asked, SearchIn, DATASETS)
    return {**answer, "datasets": [dataset_as_wire(one) for one in page.rows]}


@blueprint.route("/datafiles")
@blueprint.arguments(DatafileSearchIn, location="query", unknown=INCLUDE)
@blueprint.response(200, FoundDatafilesOut)
def find_datafiles(asked: dict[str, Any]) -> Any:
    """Search datafiles, a page at a time.

    The query parameters are those of the search page for datafiles, so its address works here
    too.
    """
    page, answer = _searched(asked, DatafileSearchIn, DATAFILES)
    return {**answer, "datafiles": [found_datafile_as_wire(one) for one in page.rows]}


def _searched(
    asked: Mapping[str, Any], schema: type[SearchIn], subject: Subject
) -> tuple[Page, dict[str, Any]]:
    """The page that a search asks for, and what is said of it."""
    known = {*schema().fields, "column", "sel", "files"}
    for name in asked:
        if name not in known and not name.startswith("item."):
            raise BadRequestError(f"there is nothing called {name[:40]!r} to search by")
    user = require_user()
    search = Search.parse(MultiDict(request.args), subject)
    page = finder().page(user, search)
    return page, {
        "next": str(page.next.after) if page.next else None,
        "previous": str(page.previous.before) if page.previous else None,
        "total": finder().total(user, search) if page.total is None else page.total,
    }


@blueprint.route("/datasets/<int:dataset_id>")
@blueprint.response(200, DatasetOut)
def dataset(dataset_id: int) -> Any:
    """Show one dataset."""
    text = "Dataset d INCLUDE d.parameters AS its, its.type, d.type, d.investigation"
    try:
        return dataset_as_wire(Found.of(require_user().catalog.get(text, dataset_id)))
    except (NotFoundError, NotAuthorizedError):
        raise _no_dataset(dataset_id) from None


@blueprint.route("/datasets/<int:dataset_id>/datafiles")
@blueprint.arguments(PageIn, location="query")
@blueprint.response(200, DatafilesOut)
def datafiles(asked: dict[str, Any], dataset_id: int) -> Any:
    """List the files of a dataset."""
    session = require_user().catalog
    if not look_up(session, Selection((dataset_id,))).datasets:
        raise _no_dataset(dataset_id)
    text = (
        "SELECT f FROM Datafile f WHERE f.dataset.id = {} AND f.id > {}"
        " ORDER BY f.id LIMIT 0, {} INCLUDE f.datafileFormat"
    )
    found = session.search(query(text, dataset_id, asked["after"], asked["limit"] + 1))
    shown = found[: asked["limit"]]
    return {
        "datafiles": [datafile_as_wire(one) for one in shown],
        "next": shown[-1]["id"] if len(found) > len(shown) else None,
    }


@blueprint.route("/datasets/<int:dataset_id>/provenance")
@blueprint.arguments(ProvenanceIn, location="query")
@blueprint.response(200, GraphOut)
def provenance(asked: dict[str, Any], dataset_id: int) -> Any:
    """Show what a dataset was made from and what was made from it."""
    expansion = Expansion.parse(asked["expand"], asked["depth"])
    try:
        graph = graph_of(require_user().catalog, dataset_id, expansion)
    except (NotFoundError, NotAuthorizedError):
        raise _no_dataset(dataset_id) from None
    nodes = [{**vars(node), "href": _href(node)} for node in graph.nodes.values()]
    return {"nodes": nodes, "edges": list(graph.edges)}


@blueprint.route("/parameters")
@blueprint.arguments(SearchablesIn, location="query")
@blueprint.response(200, SearchablesOut)
def parameters(asked: dict[str, Any]) -> Any:
    """List what datasets or datafiles can be searched by, with the operators that fit."""
    known = finder().vocabulary(require_user(), asked["entity"])
    return {
        "parameters": [
            {
                "key": one.key,
                "name": one.label,
                "units": one.units,
                "kind": one.kind,
                "operators": one.operators,
                "values": one.values,
                "description": one.description,
            }
            for one in known
        ]
    }


@blueprint.route("/search-items")
@blueprint.arguments(SearchablesIn, location="query")
@blueprint.response(200, SearchItemsOut)
def search_items(asked: dict[str, Any]) -> Any:
    """List the facility's own search lists for datasets or datafiles."""
    require_user()
    subject = DATAFILES if asked["entity"] == DATAFILES.entity else DATASETS
    return {
        "search_items": [
            {
                "name": one.param_name,
                "multiple_select": one.multiple_select,
                "options": [
                    {"display": option.display_value, "value": option.submit_value}
                    for option in one.list_options
                ],
            }
            for one in finder().items(subject)
        ]
    }


@blueprint.route("/quantities")
@blueprint.arguments(DatasetIdsIn, location="query")
@blueprint.response(200, QuantitiesOut)
def named_quantities(asked: dict[str, Any]) -> Any:
    """Give the named quantities of datasets, which the conditions of options are about."""
    session = require_user().catalog
    selected = look_up(session, Selection(asked["dataset_ids"])).require_all()
    found = quantities.of_datasets(session, services().definitions, selected.datasets)
    return {"quantities": _quantities(found)}


@blueprint.route("/job-types")
@blueprint.arguments(SelectionIn, location="query")
@blueprint.response(200, JobTypesOut)
def job_types(asked: dict[str, Any]) -> Any:
    """List the job types that you may run, and whether each takes the given data."""
    user = require_user()
    selection = Selection(asked["dataset_ids"], asked["datafile_ids"])
    selected = look_up(user.catalog, selection).require_all()
    found = offers(services().definitions.current(), user.name, selected)
    return {"job_types": [_offer(one) for one in found]}


@blueprint.route("/job-types/<path:name>")
@blueprint.response(200, JobTypeOut)
def job_type(name: str) -> Any:
    """Show one job type with its options."""
    return _job_type(_admitted(require_user(), name))


@blueprint.route("/job-types/<path:name>/form", methods=["POST"])
@blueprint.arguments(FormIn)
@blueprint.response(200, FormOut)
def form(given: dict[str, Any], name: str) -> Any:
    """Say what a job type offers for these data, and what it would run; nothing is submitted."""
    user = require_user()
    asked, fault = _asked(user, name, given)
    preview = services().jobs.preview(user, asked)
    if fault:
        preview = replace(preview, command=(), faults={**preview.faults, "arguments": [fault]})
    found = job_form.investigations(user.catalog, preview)
    return {**_preview(preview), "investigations": list(map(investigation_as_wire, found))}


@blueprint.route("/job-types/<path:name>/estimate", methods=["POST"])
@blueprint.arguments(FormIn)
@blueprint.response(200, EstimateOut)
def estimate(given: dict[str, Any], name: str) -> Any:
    """Say where jobs would go and about when they would be done; nothing is submitted.

    This is told from how long earlier jobs of the type ran, and from what was last heard of the
    batch engines.
    """
    user = require_user()
    asked, _ = _asked(user, name, given)
    found = services().jobs.preview(user, asked)
    if found.route is None:
        texts = [found.question.text] if found.question else []
        texts += [text for all in found.faults.values() for text in all]
        raise ValidationFailedError("; ".join(texts), fields=dict(found.faults))
    return _estimate(found.route)


def _asked(user: User, name: str, given: dict[str, Any]) -> tuple[Request, str]:
    """What a form is about; and why the arguments cannot be read, or ""."""
    text = job_form.read(
        _admitted(user, name), MultiDict({"arguments": given.pop("arguments_text")})
    )
    asked = Request(
        job_type=name,
        dataset_ids=tuple(given["dataset_ids"]),
        datafile_ids=tuple(given["datafile_ids"]),
        options=given["options"],
        arguments=(*given["arguments"], *text.arguments),
        one_job=given["one_job"],
        investigation_id=given["investigation_id"],
        engine=given["engine"],
    )
    return asked, text.argument_fault


def _no_dataset(dataset_id: int) -> NotFoundError:
    return NotFoundError(f"there is no dataset {dataset_id} that you may see")


def _href(node: Node) -> str | None:
    if node.kind is Kind.DATASET:
        return f"/datasets/{node.number}"
    if node.kind is Kind.DATAFILE:
        return f"/datafiles/{node.number}/content"
    return f"/jobs/{node.public_id}" if node.public_id else None


def _quantities(found: Mapping[int, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        str(id): {
            name: format_date(value) if isinstance(value, datetime) else value
            for name, value in its.items()
        }
        for id, its in found.items()
    }


def _admitted(user: User, name: str) -> JobType:
    definitions = services().definitions.current()
    found = definitions.job_types.get(name)
    if found is None or not definitions.families.admits(found, user.name):
        raise NotFoundError(f"there is no job type {name!r} for you")
    return found


def _offer(one: Offer) -> dict[str, Any]:
    return {**_job_type(one.job_type), "fits": one.fits, "reason": one.reason}


def _job_type(one: JobType) -> dict[str, Any]:
    same = (
        "name help version executable family multiple force_single_job accepts_datasets "
        "accepts_datafiles creates_provenance raw_arguments dataset_types resources"
    )
    return {
        **{name: getattr(one, name) for name in same.split()},
        "type": one.kind.value,
        "job_options": [
            {
                **{name: getattr(option, name) for name in _OPTION},
                "type": option.type.value,
                "condition": option.condition.text if option.condition else None,
            }
            for option in one.options
        ],
    }


_OPTION = [
    "key",
    "name",
    "group_name",
    "program_parameter",
    "values",
    "default_value",
    "min_value",
    "max_value",
    "tip",
]


def _preview(found: Preview) -> dict[str, Any]:
    return {
        "options": [
            {
                "key": one.option.key,
                "name": one.option.name,
                "offered": one.offered,
                "reason": one.reason,
            }
            for one in found.offered
        ],
        "faults": found.faults,
        "command": list(found.command),
        "command_line": job_form.command_line(found.command),
        "jobs": found.jobs,
        "question": found.question,
        "quantities": _quantities(found.quantities),
        "investigation_id": found.investigation_id,
        "estimate": _estimate(found.route) if found.route else None,
    }


def _estimate(found: Route) -> dict[str, Any]:
    run_time = found.run_time
    return {
        "minutes": _minutes(found.chosen.seconds if found.chosen else None),
        "words": found.words,
        "run_minutes": _minutes(run_time.seconds if run_time else None),
        "low_minutes": _minutes(run_time.low if run_time else None),
        "high_minutes": _minutes(run_time.high if run_time else None),
        "runs": run_time.runs if run_time else 0,
        "engine": found.engine,
        "reason": found.reason,
        "fault": found.fault,
        "engines": [{**vars(one), "minutes": _minutes(one.seconds)} for one in found.options],
    }


def _minutes(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds / 60, 2)
