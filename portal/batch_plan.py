"""From the rows of a batch file, or of a sweep that is repeated, to jobs: checked all at once.

However many rows there are, the catalog is asked a few questions only, as the user.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ijp.catalog import CatalogSession
from ijp.errors import TooLargeError, ValidationFailedError
from ijp.query import query
from jobdefs import command, form
from jobdefs.command import Inputs
from jobdefs.form import Choices
from jobdefs.job_type import JobType
from jobdefs.store import Definitions
from portal import planning
from portal import selection as selecting
from portal.batch_file import Fault
from portal.batch_row import ARGUMENTS, DATAFILES, DATASETS, INVESTIGATION, Wanted, shortened
from portal.planning import Plan, Request
from portal.selection import Selected, Selection
from portal.sessions import User
from portal.submitting import Element

MOST_INPUTS = 20_000
_AT_ONCE = 200


@dataclass(frozen=True)
class Planned:
    """One row, checked.

    Attributes:
        plan: None if something is wrong with it.
    """

    wanted: Wanted
    plan: Plan | None
    faults: tuple[Fault, ...] = ()

    def element(self) -> Element:
        """What is stored of it; only if nothing is wrong."""
        assert self.plan is not None
        (inputs,) = self.plan.inputs
        return Element(
            inputs=inputs,
            arguments=self.plan.arguments(inputs),
            options=self.plan.choices.values,
            raw_arguments=self.plan.choices.arguments,
            investigation_id=self.plan.investigation_of(inputs),
            name=self.wanted.name,
        )


@dataclass(frozen=True)
class _Known:
    """What the catalog says of all that the rows name."""

    selected: Selected
    quantities: Mapping[int, Mapping[str, Any]]
    datasets: Mapping[int | str, Sequence[int]]
    investigations: Mapping[int | str, Sequence[int]]

    def __post_init__(self) -> None:
        by_id = {
            "dataset": {int(one["id"]): one for one in self.selected.datasets},
            "datafile": {int(one["id"]): one for one in self.selected.datafiles},
        }
        object.__setattr__(self, "by_id", by_id)

    by_id: Mapping[str, Mapping[int, Any]] = field(init=False)


def plan_all(
    definitions: Definitions, user: User, job_type: JobType, rows: Sequence[Wanted]
) -> list[Planned]:
    """Check rows against the job type, and their data against what the user may read.

    Raises:
        TooLargeError: Together they have too many inputs.
    """
    known = _ask(definitions, user, job_type, rows)
    return [_planned(job_type, known, row) for row in rows]


def _ask(definitions: Definitions, user: User, job_type: JobType, rows: Sequence[Wanted]) -> _Known:
    session = user.catalog
    names = dict.fromkeys(name for row in rows for name in row.dataset_names)
    by_name = _named(session, "Dataset", names)
    ids = dict.fromkeys(id for row in rows for id in row.dataset_ids)
    ids |= dict.fromkeys(found[0] for found in by_name.values() if len(found) == 1)
    files = dict.fromkeys(id for row in rows for id in row.datafile_ids)
    if len(ids) + len(files) > MOST_INPUTS:
        raise TooLargeError(f"these rows have more than {MOST_INPUTS:,} inputs together")
    selected = selecting.look_up(session, Selection(tuple(ids), tuple(files)))
    places = dict.fromkeys(row.investigation for row in rows if row.investigation is not None)
    of_names = _named(session, "Investigation", (one for one in places if isinstance(one, str)))
    return _Known(
        selected=selected,
        quantities=planning.quantities_of(definitions, user, job_type, selected),
        datasets=by_name,
        investigations=_there(session, [one for one in places if isinstance(one, int)]) | of_names,
    )


def _named(
    session: CatalogSession, entity: str, names: Iterable[str]
) -> dict[int | str, list[int]]:
    """The ids that each name has for this user."""
    wanted = list(names)
    found: dict[int | str, list[int]] = {name: [] for name in wanted}
    for start in range(0, len(wanted), _AT_ONCE):
        text = "SELECT x.name, x.id FROM " + entity + " x WHERE x.name IN {} ORDER BY x.id"  # ours
        for name, id in session.search(query(text, wanted[start : start + _AT_ONCE])):
            found.setdefault(str(name), []).append(int(id))
    return found


def _there(session: CatalogSession, ids: Sequence[int]) -> dict[int | str, list[int]]:
    found: dict[int | str, list[int]] = {id: [] for id in ids}
    for start in range(0, len(ids), _AT_ONCE):
        text = "SELECT i.id FROM Investigation i WHERE i.id IN {}"
        for id in session.search(query(text, ids[start : start + _AT_ONCE])):
            found[int(id)] = [int(id)]
    return found


def _planned(job_type: JobType, known: _Known, row: Wanted) -> Planned:
    tell = partial(_tell, row)
    faults = list(row.faults)
    dataset_ids = list(row.dataset_ids)
    for name in row.dataset_names:
        found = known.datasets.get(name, ())
        if len(found) == 1:
            dataset_ids.append(found[0])
        else:
            faults.append(tell(f" {DATASETS}", _not_one("dataset", name, found)))
    investigation = None
    if row.investigation is not None:
        found = known.investigations.get(row.investigation, ())
        if len(found) == 1:
            investigation = found[0]
        else:
            told = _not_one("investigation", row.investigation, found)
            faults.append(tell(f" {INVESTIGATION}", told))
    inputs = Inputs(tuple(dict.fromkeys(dataset_ids)), row.datafile_ids)
    for what, ids, column in (
        ("dataset", inputs.dataset_ids, DATASETS),
        ("datafile", inputs.datafile_ids, DATAFILES),
    ):
        if gone := [id for id in ids if id not in known.by_id[what]]:
            faults.append(tell(f" {column}", f"there is no {what} {gone[0]} that you may see"))
    if faults:
        return Planned(row, None, tuple(faults))
    return _checked(job_type, known, row, inputs, investigation)


def _not_one(what: str, name: int | str, found: Sequence[int]) -> str:
    if not found:
        return f"there is no {what} {shortened(name)!r} that you may see"
    shown = ", ".join(map(str, found[:5]))
    return f"{len(found)} {what}s are called {shortened(name)!r}; give the id of one: {shown}"


def _tell(row: Wanted, about: str, message: str) -> Fault:
    column = row.places.get(about, "")
    value = row.options.get(about, "")
    return Fault(row.line, message, column, shortened(value) if value != "" else "")


def _checked(
    job_type: JobType, known: _Known, row: Wanted, inputs: Inputs, investigation: int | None
) -> Planned:
    selected = Selected(
        tuple(known.by_id["dataset"][id] for id in inputs.dataset_ids),
        tuple(known.by_id["datafile"][id] for id in inputs.datafile_ids),
    )
    faults: list[Fault] = []
    fit = form.runs(job_type, selected.dataset_types, selected.datafile_dataset_types)
    if not fit.fits:
        faults.append(_tell(row, f" {DATASETS}", fit.reason))
    named = [known.quantities[id] for id in inputs.dataset_ids]
    choices = Choices()
    planned: Sequence[Inputs] = ()
    try:
        choices = form.check(job_type, row.options, named, arguments=row.arguments)
    except ValidationFailedError as error:
        faults += _of_fields(row, error)
    if fit.fits:
        try:
            made = command.plan(job_type, inputs.dataset_ids, inputs.datafile_ids, one_job=True)
            planned = made if isinstance(made, list) else ()
        except ValidationFailedError as error:
            faults += _of_fields(row, error)
    plan = Plan(
        request=Request(job_type.name, options=row.options, investigation_id=investigation),
        job_type=job_type,
        selected=selected,
        quantities={},
        offered=(),
        choices=choices,
        inputs=tuple(planned),
        question=None,
        faults={},
    )
    is_open = investigation is None and job_type.creates_provenance and not faults
    if is_open and len(plan.investigations_of(inputs)) > 1:
        text = "its inputs are from several investigations; name one for the results"
        faults.append(_tell(row, f" {INVESTIGATION}", text))
    return Planned(row, None if faults else plan, tuple(faults))


def _of_fields(row: Wanted, error: ValidationFailedError) -> list[Fault]:
    fields = error.fields or {"": [error.message]}
    places = {"inputs": f" {DATASETS}", "oneJob": f" {DATASETS}", "arguments": f" {ARGUMENTS}"}
    return [
        _tell(row, places.get(name, name), text) for name, texts in fields.items() for text in texts
    ]
