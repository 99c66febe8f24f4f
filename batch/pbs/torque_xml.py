"""What ``qstat -f -x`` and ``pbsnodes -x`` of Torque print.

Each record is read by itself, so that one that is broken spoils no other. A text that does not end
as it should is refused as a whole: jobs that are missing in it are not therefore gone.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

from lxml import etree

from batch.engine import Node
from batch.pbs.job import JOB_ID, PbsJob, size_bytes
from batch.reading import whole
from ijp.errors import EngineError

log = logging.getLogger(__name__)

_ID = re.compile(r"<Job_Id>([^<]{1,200})</Job_Id>")
_START = re.compile(r'\s*(<\?xml version="1\.0"[^<>]*\?>)?\s*<Data>')
_XML = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
_DEEPEST = 8
# pbsnodes -a; "down,offline,MOM-list-not-sent" are three.
_AWAY = {"down", "offline", "unknown", "state-unknown", "MOM-list-not-sent"}


def read_jobs(text: str) -> list[PbsJob]:
    """The jobs of a ``qstat -f -x``; one whose record cannot be read has its id and no state.

    Raises:
        EngineError: This is not all of what qstat prints.
    """
    jobs = []
    for record in _records(text, "Job", "qstat"):
        job = _job(record)
        if job is None:
            log.warning("qstat printed a job that has no id: %.200r", record)
        else:
            jobs.append(job)
    return jobs


def read_nodes(text: str) -> list[Node]:
    """The nodes of a ``pbsnodes -x``; one that cannot be read is left out.

    Raises:
        EngineError: This is not all of what pbsnodes prints.
    """
    nodes = []
    for record in _records(text, "Node", "pbsnodes"):
        values = _values(record)
        if values is None or not values.get("name"):
            log.warning("pbsnodes printed a node that cannot be read: %.200r", record)
        else:
            nodes.append(_node(values))
    return nodes


def _records(text: str, kind: str, command: str) -> list[str]:
    """Each from its beginning to the next one's: in texts a "<" is always escaped."""
    if not _START.match(text) or not text.rstrip().endswith("</Data>"):
        raise EngineError(f"this is not all that {command} prints: {text[:100]!r}…{text[-60:]!r}")
    inside = text.rstrip().removesuffix("</Data>")
    return [f"<{kind}>{rest}" for rest in inside.split(f"<{kind}>")[1:]]


def _job(record: str) -> PbsJob | None:
    values = _values(record)
    if values is not None and JOB_ID.fullmatch(values.get("Job_Id", "")):
        state = values.get("job_state", "")
        return PbsJob(id=values["Job_Id"], state=state, attributes=values)
    found = _ID.search(record)
    if found is None or not JOB_ID.fullmatch(found[1]):
        return None
    log.warning("qstat printed a record of job %s that cannot be read", found[1])
    return PbsJob(id=found[1], state="")


def _values(record: str) -> dict[str, str] | None:
    try:
        root = etree.fromstring(record.encode("utf-8", "replace"), _XML)
    except (etree.XMLSyntaxError, ValueError):
        return None
    return dict(_flat(root, "", 0))


def _flat(element: etree._Element, above: str, depth: int) -> Iterator[tuple[str, str]]:
    for child in element:
        if not isinstance(child.tag, str) or depth > _DEEPEST:
            continue
        name = f"{above}{child.tag}"
        if len(child):
            yield from _flat(child, f"{name}.", depth + 1)
        else:
            yield name, child.text or ""


def _node(values: dict[str, str]) -> Node:
    states = set(values.get("state", "").split(","))
    told = (part.partition("=") for part in values.get("status", "").split(","))
    status = {name: value for name, _, value in told}
    return Node(
        name=values["name"],
        online=not states & _AWAY and states != {""},
        slots=whole(values.get("np")) or 0,
        slots_used=_slots_used(values.get("jobs", "")),
        load=_load(status.get("loadave", "")),
        memory_bytes=size_bytes(status.get("physmem")),
        state=values.get("state", ""),
        reason=values.get("note", ""),
        gpus=whole(values.get("gpus")) or 0,
        features=tuple(filter(None, values.get("properties", "").split(","))),
    )


def _slots_used(jobs: str) -> int:
    """How many slots are taken: ``0-1/240.head,3/241.head`` are three.

    A comma is between the slots of one job too: ``0,2-3/242.head`` are three.
    """
    used = 0
    for part in jobs.split(","):
        found = re.fullmatch(r"\s*([0-9]{1,6})(?:-([0-9]{1,6}))?(?:/.*)?", part)
        if found:
            used += int(found[2] or found[1]) - int(found[1]) + 1
    return used


def _load(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", text) else None
