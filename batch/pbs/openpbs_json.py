"""What ``qstat -f -F json`` and ``pbsnodes -a -F json`` of OpenPBS print.

The commands put the values of a job together without asking whether that makes JSON: a name such
as ``1e5`` is a number, and a quote or a control character in a variable ends a text too early. So
a text that is no JSON is read record by record, by the tabs before each, and only those that are
broken are spoiled.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any

from batch.engine import Node
from batch.pbs.job import JOB_ID, PbsJob, size_bytes
from batch.reading import whole
from ijp.errors import EngineError

log = logging.getLogger(__name__)

_RECORD = re.compile(r'^\t\t"([^"\n]{1,200})":\t\{\n(.*?)^\t\t\}', re.DOTALL | re.MULTILINE)
_START = re.compile(r'\s*\{\s*"timestamp":')
_DEEPEST = 8
_AWAY = {"down", "offline", "unknown", "state-unknown", "stale", "provisioning", "initializing"}


def read_jobs(text: str) -> list[PbsJob]:
    """The jobs; one whose record cannot be read has its id and no state.

    Raises:
        EngineError: This is not all of what qstat prints.
    """
    jobs = []
    for job_id, record in _records(text, "Jobs", "qstat"):
        if not JOB_ID.fullmatch(job_id):
            log.warning("qstat printed a job with an odd id: %.200r", job_id)
        elif record is None:
            log.warning("qstat printed a record of job %s that cannot be read", job_id)
            jobs.append(PbsJob(id=job_id, state=""))
        else:
            values = dict(_flat(record, "", 0))
            jobs.append(PbsJob(id=job_id, state=values.get("job_state", ""), attributes=values))
    return jobs


def read_nodes(text: str) -> list[Node]:
    """The nodes; one that cannot be read is left out.

    Raises:
        EngineError: This is not all of what pbsnodes prints.
    """
    nodes = []
    for name, record in _records(text, "nodes", "pbsnodes"):
        if record is None:
            log.warning("pbsnodes printed a node that cannot be read: %.200r", name)
        else:
            nodes.append(_node(name, dict(_flat(record, "", 0))))
    return nodes


def _records(text: str, group: str, command: str) -> list[tuple[str, Mapping[str, Any] | None]]:
    if not _START.match(text) or not text.endswith(("\n}\n", "\n}")):
        raise EngineError(f"this is not all that {command} prints: {text[:100]!r}…{text[-60:]!r}")
    whole_text = _json(text)
    if whole_text is not None:
        found = whole_text.get(group, {})
        if not isinstance(found, dict):
            raise EngineError(f"this is not what {command} prints: {group} is {found!r:.100}")
        return [(name, one if isinstance(one, dict) else None) for name, one in found.items()]
    return [(one[1], _json("{" + one[2] + "}")) for one in _RECORD.finditer(text)]


def _json(text: str) -> dict[str, Any] | None:
    """An object, with numbers as they are written; None if it is none."""
    try:
        found = json.loads(text, strict=False, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _flat(values: Mapping[str, Any], above: str, depth: int) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            if depth < _DEEPEST:
                yield from _flat(value, f"{above}{name}.", depth + 1)
        elif isinstance(value, list):
            yield above + name, ", ".join(str(one) for one in value)
        else:
            yield above + name, str(value)


def _node(name: str, values: Mapping[str, str]) -> Node:
    states = set(values.get("state", "").split(","))
    return Node(
        name=name,
        online=not states & _AWAY and states != {""},
        slots=whole(values.get("resources_available.ncpus")) or 0,
        slots_used=whole(values.get("resources_assigned.ncpus")) or 0,
        memory_bytes=size_bytes(values.get("resources_available.mem")),
        state=values.get("state", ""),
        reason=values.get("comment", ""),
        gpus=whole(values.get("resources_available.ngpus")) or 0,
        queues=tuple(filter(None, [values.get("queue", "")])),
    )
