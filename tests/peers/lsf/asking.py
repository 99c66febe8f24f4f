"""bjobs, bhist and bhosts, in the forms that IBM's manual of LSF 10.1 and its users show."""

from __future__ import annotations

import json
import re
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.peers.lsf.store import ENDED, STARTED, Job, Store
from tests.peers.lsf.submitting import found
from tests.peers.standin.refusal import Refusal

_JOB_FIELDS: Mapping[str, Callable[[Job], str]] = {
    "jobid": lambda job: job["Job_Id"].partition("[")[0],
    "stat": lambda job: job["job_state"],
    "user": lambda job: job["user"],
    "queue": lambda job: job["queue"],
    "job_name": lambda job: job["name"],
    "exit_code": lambda job: job["exit_code"],
    "exit_reason": lambda job: job["exit_reason"],
    "pend_reason": lambda job: job["pend_reason"] if job["job_state"] in ("PEND", "PSUSP") else "",
    "exec_host": lambda job: ":".join([job["exec_host"]] * job["slots"]),
}
_HEADER_WIDTH = 79
_INDENT = " " * 21


def bjobs(store: Store, arguments: list[str]) -> str:
    options, operands = _read(arguments, {"-u", "-o"}, {"-a", "-json", "-noheader", "-w"})
    jobs = found(store, operands) if operands else store.jobs()
    jobs = [job for job in jobs if not job.get("_forgotten")]
    if options.get("-u") != "all":
        jobs = [job for job in jobs if job["user"] == store.caller()]
    if "-a" not in options and not operands:
        jobs = [job for job in jobs if job["job_state"] not in ENDED]
    return _formed("bjobs", "JOBS", options, jobs, _JOB_FIELDS, "No job found")


def bhosts(store: Store, arguments: list[str]) -> str:
    options, _ = _read(arguments, {"-o"}, {"-json", "-noheader", "-w"})
    closed = store.value("closed") or []
    running = store.jobs(STARTED)

    def used(host: Mapping[str, Any]) -> int:
        return sum(job["slots"] for job in running if job["exec_host"] == host["name"])

    def status(host: Mapping[str, Any]) -> str:
        if host["name"] in closed:
            return "closed_Adm"
        return "closed_Full" if used(host) >= host["max"] else "ok"

    fields: Mapping[str, Callable[[Any], str]] = {
        "host_name": lambda host: str(host["name"]),
        "status": status,
        "max": lambda host: str(host["max"]),
        "njobs": lambda host: str(used(host)),
    }
    return _formed("bhosts", "HOSTS", options, store.config["hosts"], fields, "No host found")


def bhist(store: Store, arguments: list[str]) -> str:
    """As with -l: lines that are too long go on below, 21 columns further right."""
    _, operands = _read(arguments, {"-n"}, {"-l", "-a"})
    try:
        jobs = found(store, operands) if store.config["history"] else []
        if not jobs:
            raise Refusal(255, "No matching job found")
    except Refusal as refusal:
        raise Refusal(255, "No matching job found") from refusal
    return "".join(map(_history, jobs))


def _history(job: Job) -> str:
    head = (
        f"Job <{job['Job_Id']}>, Job Name <{job['name']}>, User <{job['user']}>, "
        f"Project <{job['project']}>, Command <{job['command']}>"
    )
    events = [
        f"{time.strftime('%a %b %e %H:%M:%S', time.localtime(when))}: {text};"
        for when, text in job["_events"]
    ]
    line = "-" * 78
    return "\n".join([line, "", _wrapped(head), *map(_wrapped, events), "", ""])


def _wrapped(text: str) -> str:
    """Cut at a width, within words too."""
    rest = re.findall(f".{{1,{_HEADER_WIDTH - len(_INDENT)}}}", text[_HEADER_WIDTH:])
    return text[:_HEADER_WIDTH] + "".join(f"\n{_INDENT}{part}" for part in rest)


def _formed(
    command: str,
    total: str,
    options: Mapping[str, str],
    things: Sequence[Any],
    fields: Mapping[str, Callable[[Any], str]],
    nothing: str,
) -> str:
    form = options.get("-o", "")
    delimiter = re.search(r"delimiter='(.)'", form)
    names = re.sub(r"delimiter='.'", "", form).split()
    if unknown := [name for name in names if name not in fields]:
        raise Refusal(255, f"Invalid field name: {unknown[0]}. Specify valid field names.")
    records = [{name.upper(): fields[name](thing) for name in names} for thing in things]
    if "-json" in options:
        return _as_json(command, total, records)
    if not records:
        raise Refusal(0, nothing)
    between = delimiter[1] if delimiter else " "
    lines = [between.join(value or "-" for value in one.values()) for one in records]
    if "-noheader" not in options:
        lines.insert(0, between.join(name.upper() for name in names))
    return "".join(f"{line}\n" for line in lines)


def _as_json(command: str, total: str, records: Sequence[Mapping[str, str]]) -> str:
    """One field a line, slashes escaped."""
    text = json.dumps(records, indent=2, separators=(",", ":")).replace("/", "\\/")
    inner = textwrap.indent(text, "  ").lstrip()
    return f'{{\n  "COMMAND":"{command}",\n  "{total}":{len(records)},\n  "RECORDS":{inner}\n}}\n'


def _read(
    arguments: list[str], with_value: set[str], flags: set[str]
) -> tuple[dict[str, str], list[str]]:
    options: dict[str, str] = {}
    left = list(arguments)
    while left and left[0].startswith("-"):
        name = left.pop(0)
        if name not in with_value | flags:
            raise Refusal(255, f"{name}: Illegal option")
        options[name] = left.pop(0) if name in with_value else ""
    return options, left
