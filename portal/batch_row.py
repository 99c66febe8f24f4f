"""What one row of a batch file asks for: its columns told apart, its cells read."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from jobdefs.job_type import JobType
from portal.batch_file import Cell, Fault, Row, Table

DATASETS, DATAFILES, NAME = "datasets", "datafiles", "name"
INVESTIGATION, ARGUMENTS = "investigation", "arguments"
_OWN = {
    **dict.fromkeys(("datasets", "dataset"), DATASETS),
    **dict.fromkeys(("datafiles", "datafile"), DATAFILES),
    "name": NAME,
    "investigation": INVESTIGATION,
    "arguments": ARGUMENTS,
}
OPTION = "option:"
_MOST_ID = 2**63 - 1
_IDS = re.compile(r"\d{1,19}(?:[\s,;]+\d{1,19})*")


@dataclass(frozen=True)
class Wanted:
    """What one row asks for, before anything of it is checked but how it is written.

    Attributes:
        places: By what a fault may be about (an option's key, ``inputs``), the file's column.
    """

    line: int
    name: str | None = None
    dataset_ids: tuple[int, ...] = ()
    dataset_names: tuple[str, ...] = ()
    datafile_ids: tuple[int, ...] = ()
    investigation: int | str | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)


def columns_of(job_type: JobType) -> list[str]:
    """The columns that a batch file of a job type may have, those of the inputs first."""
    own = [] if job_type.job_only else _inputs_of(job_type)
    own += [NAME, *([INVESTIGATION] if job_type.creates_provenance else [])]
    options = [
        f"{OPTION}{one.key}" if one.key.lower() in _OWN else one.key for one in job_type.options
    ]
    return [*own, *options, *([ARGUMENTS] if job_type.raw_arguments else [])]


def _inputs_of(job_type: JobType) -> list[str]:
    both = ((DATASETS, job_type.accepts_datasets), (DATAFILES, job_type.accepts_datafiles))
    return [name for name, is_taken in both if is_taken]


def header_faults(job_type: JobType, table: Table) -> list[Fault]:
    """Columns that mean nothing to the job type, each with what may have been meant."""
    known = {one.key for one in job_type.options}
    faults = []
    roles: dict[str, str] = {}
    for column in table.columns:
        role = _role(column)
        if role.startswith(OPTION) and (key := role.removeprefix(OPTION)) not in known:
            near = difflib.get_close_matches(key, columns_of(job_type), 1, 0.6)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            faults.append(Fault(1, f"{job_type.name!r} has no such option{hint}", column))
        if role in roles:
            faults.append(Fault(1, f"it says the same as the column {roles[role]!r}", column))
        roles[role] = column
    return faults


def _role(column: str) -> str:
    """What a column is about: one of our own, or ``option:KEY``."""
    if column.startswith(OPTION):
        return column
    return _OWN.get(column.lower(), OPTION + column)


def wanted_of(row: Row) -> Wanted:
    """What a row of a file asks for."""
    faults: list[Fault] = []
    found = Wanted(row.line)
    options: dict[str, object] = {}
    places: dict[str, str] = {}
    for column, cell in row.cells.items():
        role = _role(column)
        places[role.removeprefix(OPTION) if role.startswith(OPTION) else f" {role}"] = column
        if role.startswith(OPTION):
            options[role.removeprefix(OPTION)] = cell
            continue
        try:
            found = _READERS[role](found, cell)
        except ValueError as error:
            faults.append(Fault(row.line, str(error), column, shortened(cell)))
    return replace(found, options=options, faults=tuple(faults), places=places)


def _read_datasets(found: Wanted, cell: Cell) -> Wanted:
    ids, names = _references(cell)
    return replace(found, dataset_ids=ids, dataset_names=names)


def _read_datafiles(found: Wanted, cell: Cell) -> Wanted:
    ids, names = _references(cell)
    if names:
        raise ValueError(f"{names[0][:60]!r} is not an id; datafiles are given by their ids")
    return replace(found, datafile_ids=ids)


def _read_name(found: Wanted, cell: Cell) -> Wanted:
    if isinstance(cell, bool | list) or len(str(cell)) > 255:
        raise ValueError("a job's name is a text of at most 255 characters")
    return replace(found, name=str(cell))


def _read_investigation(found: Wanted, cell: Cell) -> Wanted:
    ids, names = _references(cell)
    if len(ids) + len(names) != 1:
        raise ValueError("one investigation is needed, by its id or its name")
    return replace(found, investigation=ids[0] if ids else names[0])


def _read_arguments(found: Wanted, cell: Cell) -> Wanted:
    if isinstance(cell, list):
        if not all(isinstance(one, str) for one in cell):
            raise ValueError("arguments are texts")
        return replace(found, arguments=tuple(map(str, cell)))
    try:
        return replace(found, arguments=tuple(shlex.split(str(cell))))
    except ValueError as error:
        raise ValueError(f"these words cannot be told apart: {str(error).lower()}") from None


_READERS = {
    DATASETS: _read_datasets,
    DATAFILES: _read_datafiles,
    NAME: _read_name,
    INVESTIGATION: _read_investigation,
    ARGUMENTS: _read_arguments,
}


def _references(cell: Cell) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Ids and names: "12, 15", "a name", or a list of either."""
    if isinstance(cell, str):
        if not (cell.isascii() and _IDS.fullmatch(cell)):
            return (), (cell,)
        given: list[object] = [int(one) for one in re.split(r"[\s,;]+", cell)]
    else:
        given = cell if isinstance(cell, list) else [cell]
    ids: list[int] = []
    names: list[str] = []
    for one in given:
        if isinstance(one, str) and one:
            names.append(one)
        elif isinstance(one, int) and not isinstance(one, bool) and 0 < one <= _MOST_ID:
            ids.append(one)
        else:
            raise ValueError(f"{shortened(one)!r} is neither an id nor a name")
    return tuple(dict.fromkeys(ids)), tuple(dict.fromkeys(names))


def shortened(cell: object) -> str:
    """A value as a message shows it."""
    text = str(cell)
    return text if len(text) <= 60 else text[:59] + "…"
