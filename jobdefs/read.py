"""From the XML of a job type to a ``JobType``, tolerantly: what is odd is noted, not refused."""

from __future__ import annotations

import hashlib
import math
import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from jobdefs import condition, document
from jobdefs.document import Node, UnreadableError
from jobdefs.job_type import JobOption, JobType, Kind, OptionType, RequestedResources
from jobdefs.problem import Problem

JOB_ONLY = "none (job only)"

JOB_TYPE_ATTRIBUTES = (
    "family",
    "sessionId",
    "icatUrlRequired",
    "idsUrlRequired",
    "acceptsDatasets",
    "acceptsDatafiles",
    "createsProvenance",
    "rawArguments",
)
JOB_TYPE_ELEMENTS = (
    "name",
    "executable",
    "type",
    "multiple",
    "datasetTypes",
    "jobOptions",
    "help",
    "resources",
)
OPTION_ELEMENTS = (
    "name",
    "groupName",
    "type",
    "programParameter",
    "values",
    "defaultValue",
    "minValue",
    "maxValue",
    "condition",
    "tip",
)
RESOURCES = {"cores": "cores", "memoryMiB": "memory_mib", "wallMinutes": "wall_minutes"}
ENGINE = "engine"

_ENGINE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class JobTypeFile:
    """What was found in a file: a job type, or None when the problems do not allow one."""

    job_type: JobType | None
    problems: tuple[Problem, ...]


def read_job_type(file: Path, folder: Path | None = None) -> JobTypeFile:
    """Read a job type.

    Args:
        file: The XML file.
        folder: The facility's folder, which relative programs belong to; None: the one that
            holds the folder of the file.
    """
    problems: list[Problem] = []
    try:
        content = document.read_bytes(file)
        root = document.parse(file, content)
        problems = root.problems
        job_type = _job_type(root, folder or file.resolve().parent.parent)
    except UnreadableError as error:
        return JobTypeFile(None, (*problems, error.problem))
    version = hashlib.sha256(content).hexdigest()
    return JobTypeFile(replace(job_type, version=version, source=file), tuple(problems))


def _job_type(root: Node, folder: Path) -> JobType:
    old_name = root.boolean("generatesProvenance")
    root.expect(JOB_TYPE_ELEMENTS, (*JOB_TYPE_ATTRIBUTES, "generatesProvenance"))
    if old_name is not None:
        root.warning("attribute 'generatesProvenance' is an old slip", "write createsProvenance")
    executable = root.required("executable")
    dataset_types = _dataset_types(root)
    accepts_datasets, accepts_datafiles = _accepts(root, dataset_types)
    multiple, force_single_job = _multiple(root)
    family = root.attribute("family")
    return JobType(
        name=root.required("name"),
        executable=executable,
        program=_program(root, executable, folder),
        kind=_kind(root),
        multiple=multiple,
        force_single_job=force_single_job,
        family=None if family is None else family.strip() or None,
        session_id=root.boolean("sessionId") or False,
        icat_url_required=root.boolean("icatUrlRequired") or False,
        ids_url_required=root.boolean("idsUrlRequired") or False,
        accepts_datasets=accepts_datasets,
        accepts_datafiles=accepts_datafiles,
        creates_provenance=root.boolean("createsProvenance") or old_name or False,
        dataset_types=dataset_types,
        options=_options(root),
        help=root.text("help"),
        raw_arguments=root.boolean("rawArguments") or False,
        resources=_resources(root),
    )


def _program(root: Node, executable: str, folder: Path) -> tuple[str, ...]:
    try:
        words = shlex.split(executable)
    except ValueError as error:
        raise root.unreadable(
            f"<executable> {executable!r}: {error}", "quote a blank in a path, close quotes"
        ) from error
    if not words or not words[0]:
        raise root.unreadable("<executable> names no program")
    program = Path(words[0])
    if "/" in words[0] and not program.is_absolute():
        words[0] = str(folder.absolute() / program)
    return tuple(words)


def _kind(root: Node) -> Kind:
    text = root.required("type")
    known = next((kind for kind in Kind if kind == text.lower()), None)
    if known is None:
        raise root.unreadable(f"<type> {text!r} is unknown", "write batch or interactive")
    if known != text:
        root.warning(f"<type> {text!r} is not in lower case", f"write {known}")
    return known


def _dataset_types(root: Node) -> tuple[str, ...]:
    found: list[str] = []
    for node in root.children("datasetTypes"):
        name = node.content.strip()
        if not name:
            node.warning("<datasetTypes> is empty", f"name a dataset type, or {JOB_ONLY}")
        elif name in found:
            node.warning(f"dataset type {name!r} is given twice", "take one out")
        elif name.lower() != JOB_ONLY:
            found.append(name)
        elif len(root.children("datasetTypes")) > 1:
            node.warning(f"{JOB_ONLY!r} stands beside dataset types", "keep one or the other")
    return tuple(found)


def _accepts(root: Node, dataset_types: tuple[str, ...]) -> tuple[bool, bool]:
    datasets = root.boolean("acceptsDatasets")
    datafiles = root.boolean("acceptsDatafiles")
    if dataset_types and datasets is None and datafiles is None:
        root.notice(
            "datasetTypes without acceptsDatasets: read as acceptsDatasets='true', as in 2013",
            "add acceptsDatasets='true'",
        )
        return True, False
    if dataset_types and not datasets and not datafiles:
        root.warning(
            "there are datasetTypes, yet neither datasets nor datafiles are accepted",
            "set acceptsDatasets or acceptsDatafiles to true, or take the datasetTypes out",
        )
    if not dataset_types and (datasets or datafiles):
        root.warning(
            "data are accepted, but no <datasetTypes> says of which type: it takes none",
            "add <datasetTypes>…</datasetTypes>",
        )
    return bool(datasets and dataset_types), bool(datafiles and dataset_types)


def _multiple(root: Node) -> tuple[bool, bool]:
    node = root.child("multiple")
    if node is None:
        return False, False
    node.expect((), ("forceSingleJob",))
    multiple = node.truth or False
    force = node.boolean("forceSingleJob") or False
    if force and not multiple:
        node.warning(
            "forceSingleJob='true' has no effect without multiple", "write true in <multiple>"
        )
    return multiple, force and multiple


def _resources(root: Node) -> RequestedResources:
    node = root.child("resources")
    if node is None:
        return RequestedResources()
    node.expect((), (*RESOURCES, ENGINE))
    found: dict[str, int] = {}
    for attribute, field in RESOURCES.items():
        text = (node.attribute(attribute) or "").strip()
        if re.fullmatch("[0-9]{1,9}", text) and int(text) > 0:
            found[field] = int(text)
        elif node.attribute(attribute) is not None:
            node.error(f"{attribute}={text!r} is not a whole number above 0", "it is not used")
    return RequestedResources(**found, engine=_engine(node))


def _engine(node: Node) -> str | None:
    given = node.attribute(ENGINE)
    text = (given or "").strip()
    if _ENGINE_NAME.fullmatch(text):
        return text
    if given is not None:
        node.error(f"{ENGINE}={text!r} is no name of a batch engine", "it is not used")
    return None


def _options(root: Node) -> tuple[JobOption, ...]:
    found: list[JobOption] = []
    for node in root.children("jobOptions"):
        option = _option(node)
        taken = {one.key for one in found}
        key, number = option.name, 2
        while key in taken:
            key, number = f"{option.name} ({number})", number + 1
        if key != option.name:
            node.warning(f"option {option.name!r} is there twice", "give it another name")
        found.append(replace(option, key=key))
    return tuple(found)


def _option(node: Node) -> JobOption:
    node.expect(OPTION_ELEMENTS)
    before = len(node.problems)
    kind = _option_type(node)
    minimum, maximum = _bound(node, "minValue"), _bound(node, "maxValue")
    test = _condition(node)
    default = node.child("defaultValue")
    if default is not None:
        default.expect((), ("send",))
    name = node.required("name")
    words = _words(node, name)
    errors = [one for one in node.problems[before:] if one.severity == "error"]
    return JobOption(
        name=name,
        type=kind,
        group_name=node.text("groupName"),
        program_parameter=words,
        values=tuple(value.content for value in node.children("values")),
        default_value=(default.content or None) if default is not None else None,
        send_default=bool(default is not None and default.boolean("send")),
        min_value=minimum,
        max_value=maximum,
        condition=test,
        tip=node.text("tip"),
        fault=errors[0].message if errors else None,
        line=node.line,
    )


def _option_type(node: Node) -> OptionType:
    text = node.required("type")
    known = next((one for one in OptionType if one == text.lower()), None)
    if known is None:
        known_types = ", ".join(OptionType)
        advice = document.closest(text, list(OptionType)) or f"known: {known_types}"
        raise node.unreadable(f"option type {text!r} is unknown", advice)
    if known != text:
        node.warning(f"option type {text!r} is not in lower case", f"write {known}")
    return known


def _words(node: Node, name: str) -> tuple[str, ...]:
    text = node.text("programParameter")
    if text is None:
        return ()
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        node.error(
            f"option {name!r}: <programParameter> {text!r}: {error}",
            "it is split into words as a shell would: close quotes, or put \\ before one",
        )
        return ()


def _bound(node: Node, name: str) -> float | None:
    text = node.text(name)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text) or math.isinf(float(text)):
        node.error(f"<{name}> {text!r} is not a number", "write it as 5 or 0.25 or 1e-3")
        return None
    return float(text)


def _condition(node: Node) -> condition.Condition | None:
    text = node.text("condition")
    if text is None:
        return None
    try:
        return condition.parse(text)
    except condition.ConditionError as error:
        child = node.child("condition")
        if child is not None:
            child.error(f"condition {text!r}: {error}")
        return None
