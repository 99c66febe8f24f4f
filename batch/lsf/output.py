"""What bjobs, bhist and bhosts print, in the formats that the engine asks for.

After "IBM Spectrum LSF 10.1, Command Reference": bjobs (-o, -json), bhosts (-o, -json), bhist (-l);
"Termination reasons" of bacct. Times are not read: they have no year and no seconds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from batch.batch_system import ListedJob
from batch.engine import EngineState, JobStatus, Node
from batch.reading import tag_at_end, whole
from batch.witness import CANCELLED
from ijp.errors import EngineError

# The name last: users choose it.
JOB_FIELDS = ("jobid", "stat", "exit_code", "exit_reason", "pend_reason", "exec_host", "job_name")
HOST_FIELDS = ("host_name", "status", "max", "njobs")
DELIMITER = "^"
ID = re.compile(r"[0-9]+(\[[0-9]+\])?")

# bjobs(1), STAT
_STATES = {
    "PEND": EngineState.QUEUED,
    "PROV": EngineState.QUEUED,
    "WAIT": EngineState.QUEUED,
    "FWD_PEND": EngineState.QUEUED,
    "PSUSP": EngineState.HELD,
    "RUN": EngineState.RUNNING,
    "USUSP": EngineState.SUSPENDED,
    "SSUSP": EngineState.SUSPENDED,
    "DONE": EngineState.ENDED,
    "EXIT": EngineState.ENDED,
}
_REASONS = {
    "TERM_OWNER": CANCELLED,
    "TERM_ADMIN": CANCELLED,
    "TERM_FORCE_OWNER": CANCELLED,
    "TERM_FORCE_ADMIN": CANCELLED,
    "TERM_BUCKET_KILL": CANCELLED,
    "TERM_REMOVE_HUNG_JOB": CANCELLED,
    "TERM_RUNLIMIT": "wall time limit of the batch system",
    "TERM_CPULIMIT": "CPU time limit of the batch system",
    "TERM_MEMLIMIT": "memory limit of the batch system",
    "TERM_SWAP": "memory limit of the batch system",
    "TERM_PREEMPT": "ended in favour of another job",
    "TERM_DEADLINE": "its deadline has passed",
    "TERM_ORPHAN_SYSTEM": "cancelled: what it waits for can never be",
    "TERM_UNKNOWN": "",
}
_ORDINARY = {"", "-", "New job is waiting for scheduling"}
_TAKES_JOBS = {"ok", "closed_Full", "closed_Excl", "closed_Busy", "closed_Cu_Excl"}
_MOST_TEXT = 300
_NAME = re.compile(r"(?P<name>.*?)(?:\[(?P<index>[0-9]+)\])?", re.DOTALL)
# Cut within words too; a blank that was there stays.
_WRAPPED = re.compile(r"\n {21}")
_HEAD = re.compile(
    r"^Job <(?P<id>[0-9]+(?:\[[0-9]+\])?)>, Job Name <(?P<name>[^<>]*)>", re.MULTILINE
)
_EXITED = re.compile(r"Exited(?: by LSF)? (?:with exit code|by signal|signal) ([0-9]+)")
_COMPLETED = re.compile(r"Completed <exit>; (TERM_[A-Z_]+[^;.\n]*)")


def read_bjobs(text: str) -> dict[str, ListedJob]:
    """Read ``bjobs -json``.

    Raises:
        EngineError: This is not what bjobs prints.
    """
    return _listed(_records(text, "bjobs"))


def read_bjobs_text(text: str) -> dict[str, ListedJob]:
    """Read ``bjobs -noheader`` with the delimiter; what is no record is passed over."""
    rows = (line.split(DELIMITER, len(JOB_FIELDS) - 1) for line in text.splitlines())
    names = [name.upper() for name in JOB_FIELDS]
    return _listed(
        {name: "" if value == "-" else value for name, value in zip(names, row, strict=True)}
        for row in rows
        if len(row) == len(names)
    )


def _listed(records: Iterator[Mapping[str, Any]]) -> dict[str, ListedJob]:
    jobs: dict[str, ListedJob] = {}
    for record in records:
        values = {name: text for name, text in record.items() if isinstance(text, str)}
        name = _NAME.fullmatch(values.get("JOB_NAME", ""))
        native_id = values.get("JOBID", "")
        if name is not None and name["index"] and native_id.isdigit():
            native_id = f"{native_id}[{name['index']}]"
        if not ID.fullmatch(native_id):
            continue
        status = _status(values)
        if native_id in jobs:
            # A name with a line break may look like a record: then nothing is known.
            status = JobStatus(state=EngineState.UNKNOWN)
        tag = tag_at_end(name["name"]) if name is not None else ""
        jobs[native_id] = ListedJob(native_id=native_id, tag=tag, status=status)
    return jobs


def _status(values: Mapping[str, str]) -> JobStatus:
    stat = values.get("STAT", "")
    state = _STATES.get(stat, EngineState.UNKNOWN)
    if state is EngineState.QUEUED:
        why = " ".join(values.get("PEND_REASON", "").split()).rstrip(";")
        return JobStatus(state=state, reason="" if why in _ORDINARY else why[:_MOST_TEXT])
    node = re.split(r"[:\s]", values.get("EXEC_HOST", ""))[0].rpartition("*")[2] or None
    if state is not EngineState.ENDED:
        return JobStatus(state=state, node=node)
    code = 0 if stat == "DONE" else whole(values.get("EXIT_CODE") or None)
    return _ended(code, values.get("EXIT_REASON", ""), node)


def _ended(code: int | None, exit_reason: str, node: str | None) -> JobStatus:
    term, _, told = exit_reason.partition(":")
    reason = _REASONS.get(term.strip(), " ".join((told or term).split())[:_MOST_TEXT])
    # bjobs(1): a job that a signal ended has 128 and its number as exit code.
    number = code - 128 if code is not None and code > 128 else None
    return JobStatus(
        state=EngineState.ENDED,
        exit_code=None if number is not None or reason == CANCELLED else code,
        signal=number,
        reason=reason,
        node=node,
    )


def read_bhist(text: str) -> dict[str, ListedJob]:
    """Read ``bhist -l``: the jobs that have ended, each by its last end."""
    jobs = {}
    for block in re.split(r"^-{20,}$", text, flags=re.MULTILINE):
        whole_lines = _WRAPPED.sub("", block)
        head = _HEAD.search(whole_lines)
        if head is None:
            continue
        # What happened is told below the head, which has what the user wrote.
        events = whole_lines[head.end() :].partition("\n")[2]
        name = _NAME.fullmatch(head["name"])
        status = _last_end(events)
        if name is not None and status is not None:
            tag = tag_at_end(name["name"])
            jobs[head["id"]] = ListedJob(native_id=head["id"], tag=tag, status=status)
    return jobs


def _last_end(events: str) -> JobStatus | None:
    host = re.findall(r"ispatched .*?<([^<>]+)>", events)
    node = host[-1].rpartition("*")[2] if host else None
    done, exited = events.rfind(": Done successfully"), events.rfind(": Exited")
    completed = _COMPLETED.findall(events)
    if done > exited:
        return _ended(0, "", node)
    if exited < 0 and not completed:
        return None
    code = _EXITED.search(events, max(exited, 0))
    signalled = code is not None and "signal" in code[0]
    number = None if code is None else int(code[1]) + (128 if signalled else 0)
    return _ended(number, completed[-1] if completed else "", node)


def read_bhosts(text: str) -> list[Node]:
    """Read ``bhosts -json``.

    Raises:
        EngineError: This is not what bhosts prints.
    """
    nodes = []
    for record in _records(text, "bhosts"):
        name, state = record.get("HOST_NAME"), record.get("STATUS")
        if not isinstance(name, str) or not isinstance(state, str):
            continue
        used = whole(str(record.get("NJOBS"))) or 0
        # "-": there is no limit.
        most = whole(str(record.get("MAX")))
        nodes.append(
            Node(
                name=name,
                online=state in _TAKES_JOBS,
                slots=used if most is None else most,
                slots_used=used,
                state=state,
            )
        )
    return nodes


def _records(text: str, command: str) -> Iterator[Mapping[str, Any]]:
    """The records without those that only say an error; where there are none, nothing is said."""
    try:
        found = json.loads(text) if text.strip() else {"RECORDS": []}
        records = found["RECORDS"]
    except (ValueError, TypeError, KeyError) as error:
        raise EngineError(f"cannot read what {command} printed: {error}") from error
    if not isinstance(records, list):
        raise EngineError(f"cannot read what {command} printed: RECORDS is no list")
    return (one for one in records if isinstance(one, dict) and "ERROR" not in one)
