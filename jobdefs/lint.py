"""Looks for everything that is wrong or odd about a facility's definitions."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from jobdefs import document, layout, schemas
from jobdefs.document import Node, UnreadableError
from jobdefs.job_type import JobType
from jobdefs.option_checks import odd_options
from jobdefs.problem import Problem, Severity
from jobdefs.search_items import SearchItem
from jobdefs.store import Definitions, DefinitionStore

_ROOTS = {
    "job_type": "jobType",
    "job_dataset_parameters": "jobDatasetType",
    "dataset_search_items": "searchItems",
    "datafile_search_items": "searchItems",
    "families": "families",
}

_SHELL = set("|&;<>$`*?~")


def lint(folder: Path, *, programs_here: bool = True) -> list[Problem]:
    """Every problem of the definitions in a folder, in the order of files and lines.

    Args:
        folder: The facility's folder.
        programs_here: The job types' programs are on this computer, and are looked for.
    """
    if not folder.is_dir():
        return [Problem(folder, None, Severity.ERROR, "there is no such folder")]
    definitions = DefinitionStore(folder).current()
    found = [*definitions.problems, *_folder_faults(folder)]
    for job_type in definitions.job_types.values():
        found.extend(odd_options(job_type, definitions.by_dataset_type))
        found.extend(_program_faults(job_type, programs_here=programs_here))
        found.extend(_name_faults(job_type))
    found.extend(_copied_labels(folder, definitions))
    known = {problem.file for problem in found if problem.severity != Severity.NOTICE}
    for file in layout.definition_files(folder):
        found.extend(_root_faults(file))
        # What our own checks found says it better; the schema is for what they do not know.
        if file not in known:
            found.extend(_schema_faults(file, found))
    order = {file: number for number, file in enumerate(layout.definition_files(folder))}
    return sorted(found, key=lambda one: (order.get(one.file, -1), one.line or 0))


def _folder_faults(folder: Path) -> Iterator[Problem]:
    job_types = folder / layout.JOB_TYPES
    if not any(job_types.glob("*.xml")):
        advice = "`ijpd jobdefs new NAME` writes one to start from"
        yield Problem(job_types, None, Severity.WARNING, "there are no job types", advice)
    old, new = folder / layout.ITEMS_OF_2013, folder / layout.DATASET_ITEMS
    if old.exists():
        used = "is not used" if new.exists() else "is used as of 2013"
        message = f"{old.name} {used}"
        yield Problem(old, None, Severity.NOTICE, message, f"call it {layout.DATASET_ITEMS}")
    for subfolder in (folder, job_types, folder / layout.QUANTITIES):
        for file in subfolder.glob("*.XML"):
            if file.suffix != ".xml":
                message = "is not read, as its name ends with .XML"
                yield Problem(file, None, Severity.WARNING, message, "let it end with .xml")


def _root_faults(file: Path) -> Iterator[Problem]:
    try:
        root: Node = document.parse(file, document.read_bytes(file))
    except UnreadableError:
        return
    expected = _ROOTS[schemas.schema_of(file)]
    if root.tag != expected:
        message = f"the root element is <{root.tag}>; it was read all the same"
        yield Problem(file, root.line, Severity.NOTICE, message, f"write <{expected}>")


def _schema_faults(file: Path, found: list[Problem]) -> list[Problem]:
    if any(one.file == file for one in found):
        return []
    try:
        return schemas.differences(file)
    except UnreadableError as error:
        return [error.problem]


def _name_faults(job_type: JobType) -> Iterator[Problem]:
    assert job_type.source is not None
    if "/" in job_type.name or not job_type.name.isprintable():
        message = f"the name {job_type.name!r} is part of addresses, where / does not work"
        yield Problem(job_type.source, None, Severity.WARNING, message, "choose a name without")


def _program_faults(job_type: JobType, *, programs_here: bool) -> Iterator[Problem]:
    assert job_type.source is not None
    programs = job_type.source.parent.parent / "bin"
    fault = _program_fault(job_type.program[0], programs) if programs_here else None
    if fault is not None:
        yield Problem(job_type.source, None, Severity.ERROR, *fault)
    if _SHELL & set(job_type.executable):
        message = f"<executable> {job_type.executable!r} has characters that only a shell knows"
        advice = "no shell runs it: put such lines into a script"
        yield Problem(job_type.source, None, Severity.WARNING, message, advice)


def _program_fault(program: str, programs: Path) -> tuple[str, str] | None:
    if "/" not in program:
        # As jobs look for it: the facility's programs first.
        if shutil.which(program, path=f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"):
            return None
        return f"program {program!r} is not found", "install it, or write its whole path"
    path = Path(program)
    if not path.is_file():
        return f"there is no program {program}", "is the path right? (relative: from the folder)"
    if not os.access(path, os.X_OK):
        return f"program {program} cannot be executed", f"chmod +x {program}"
    return None


def _copied_labels(folder: Path, definitions: Definitions) -> Iterator[Problem]:
    """Labels such as "Any instrument" on the list of something else."""
    for file, items in (
        (layout.DATASET_ITEMS, definitions.dataset_search_items),
        (layout.DATAFILE_ITEMS, definitions.datafile_search_items),
    ):
        seen: dict[str, SearchItem] = {}
        for item in items:
            for label in (one.display_value for one in item.list_options if not one.submit_value):
                first = seen.setdefault(label, item)
                if first is not item and len(label.split()) > 1:
                    message = f"label {label!r} of {item.param_name!r} is also at "
                    message += f"{first.param_name!r}"
                    yield Problem(
                        folder / file, item.line, Severity.WARNING, message, "was it copied?"
                    )
