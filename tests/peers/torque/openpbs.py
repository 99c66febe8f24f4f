"""OpenPBS 23 over the same jobs: its options, exit codes and JSON, as far as they were captured.

Chosen by ``dialect = "openpbs"`` in the configuration.
"""

from __future__ import annotations

import getopt
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.peers.standin.refusal import Answered, Refusal
from tests.peers.torque import control, query, server, submit
from tests.peers.torque.forms import MOMENTS, moment
from tests.peers.torque.store import Job, Store

_CODES = {172: 170, 189: 187, 168: 166, 177: 175}
_EXITS = {-11: -29, -10: -26, -12: -28}
_NAMES = {"start_time": "stime", "comp_time": "obittime", "start_count": "run_count"}


def qsub(store: Store, arguments: list[str]) -> str:
    """With ``-J`` for ``-t`` and ``select`` for ``nodes``; ``-P`` is a project."""
    pairs, operands = getopt.gnu_getopt(arguments, submit.OPTIONS + "J:")
    translated: list[str] = []
    for name, value in pairs:
        if name == "-t":
            raise Refusal(2, "qsub: invalid option -- 't'\nusage: qsub [-a date_time]")
        if name == "-J":
            translated += ["-t", value]
        elif name == "-l":
            translated += ["-l", ",".join(map(_nodes, value.split(",")))]
        elif name != "-P":
            translated += [name, value] if value or name + ":" in submit.OPTIONS else [name]
    try:
        return submit.run(store, [*translated, *operands])
    except Refusal as refusal:
        text = refusal.text.replace("qsub: submit error (", "qsub: ").rstrip(")")
        raise Refusal(_CODES.get(refusal.code, refusal.code), text) from refusal


def _nodes(part: str) -> str:
    """A part of a ``-l`` as Torque has it."""
    if not part.startswith("select="):
        return part
    number, *chunks = part.removeprefix("select=").split(":")
    asked = dict(chunk.split("=") for chunk in chunks)
    # OpenPBS makes no limit of a process of mem; Torque, below, would.
    return f"nodes={number}:ppn={asked.get('ncpus', '1')}"


def qstat(store: Store, arguments: list[str]) -> str:
    """``-f -F json``; jobs that have ended are there with ``-x`` only."""
    pairs, ids = getopt.gnu_getopt(arguments, "fxtaF:")
    options = dict(pairs)
    jobs: list[Job] = []
    refusal: Refusal | None = None
    for one in ids or [job["Job_Id"] for job in store.jobs() if _is_listed(job, options)]:
        job = store.get(server.ids(store, one))
        if job is None:
            refusal = Refusal(153, f"qstat: Unknown Job Id {server.ids(store, one)}")
        elif job["job_state"] == "C" and "-x" not in options:
            text = "Job has finished, use -x or -H to obtain historical job information"
            refusal = Refusal(35, f"qstat: {job['Job_Id']} {text}")
        else:
            jobs.append(job)
    answer = printed(
        {
            "timestamp": int(time.time()),
            "pbs_version": "23.06.06",
            "pbs_server": store.server,
            **({"Jobs": {job["Job_Id"]: shown(job) for job in jobs}} if jobs else {}),
        }
    )
    if refusal is not None:
        raise Answered(answer if jobs else "", refusal.code, refusal.text)
    return answer


def _is_listed(job: Job, options: Mapping[str, str]) -> bool:
    is_element = "job_array_id" in job
    return (job["job_state"] != "C" or "-x" in options) and ("-t" in options or not is_element)


def shown(job: Mapping[str, Any]) -> dict[str, Any]:
    """A job's attributes with OpenPBS's names and forms."""
    found: dict[str, Any] = {}
    for name, value in job.items():
        if name.startswith("_") or name in ("Job_Id", "Walltime"):
            continue
        new = _NAMES.get(name, name)
        found[new] = moment(value) if name in MOMENTS else value
    if job["job_state"] == "C":
        found["job_state"] = "F"
    if "job_array_id" in job:
        found["Job_Name"] = job["Job_Name"].rpartition("-")[0]
    if "exit_status" in found:
        status = int(found.pop("exit_status"))
        if job["job_state"] == "C":
            found["Exit_status"] = _EXITS.get(status, status)
        if found.get("comment", "").startswith("Job deleted as result"):
            del found["Exit_status"]
    found["Variable_List"] = dict(job["_variables"])
    return found


def printed(value: Mapping[str, Any]) -> str:
    """JSON with OpenPBS's tabs."""
    return f"{_printed(value, 0)}\n"


def _printed(value: object, depth: int) -> str:
    if isinstance(value, dict):
        inside = ",\n".join(
            f"{chr(9) * (depth + 1)}{json.dumps(name)}:\t{_printed(one, depth + 1)}"
            for name, one in value.items()
        )
        return "{\n" + inside + "\n" + "\t" * depth + "}"
    if isinstance(value, list):
        return "[" + ", ".join(json.dumps(one) for one in value) + "]"
    return str(value) if isinstance(value, int) else json.dumps(value, ensure_ascii=False)


def qdel(store: Store, arguments: list[str]) -> str:
    try:
        return control.qdel(store, arguments)
    except Refusal as refusal:
        job_id = server.ids(store, arguments[-1])
        if refusal.code == 170:
            raise Refusal(35, f"qdel: Job has finished {job_id}") from refusal
        if refusal.code == 153:
            raise Refusal(153, f"qdel: Unknown Job Id {job_id}") from refusal
        raise


def qhold(store: Store, arguments: list[str]) -> str:
    return _aloud(store, "qhold", arguments)


def qrls(store: Store, arguments: list[str]) -> str:
    return _aloud(store, "qrls", arguments)


def _aloud(store: Store, command: str, arguments: Sequence[str]) -> str:
    """Here an unknown job is told of."""
    try:
        return str(getattr(control, command)(store, list(arguments)))
    except Refusal as refusal:
        text = refusal.text or f"{command}: Unknown Job Id {server.ids(store, arguments[-1])}"
        raise Refusal(refusal.code, text) from refusal


def pbsnodes(store: Store, arguments: list[str]) -> str:
    pairs, names = getopt.gnu_getopt(arguments, "aorF:C:")
    options = dict(pairs)
    if options.keys() & {"-o", "-r", "-C"}:
        change = ["-o"] if "-o" in options else ["-c"]
        note = ["-N", options["-C"]] if "-C" in options else []
        return query.pbsnodes(store, [*change, *note, *names])
    return printed(
        {
            "timestamp": int(time.time()),
            "pbs_version": "23.06.06",
            "pbs_server": store.server,
            "nodes": {node["name"]: _node(node) for node in query.nodes(store)},
        }
    )


def _node(node: Mapping[str, Any]) -> dict[str, Any]:
    used = sum(
        len(list(server.slots_of(f"n/{part.partition('/')[0]}")))
        for part in filter(None, node.get("jobs", "").split(","))
    )
    found: dict[str, Any] = {
        "Mom": node["name"],
        "ntype": "PBS",
        "state": node["state"].replace("job-exclusive", "job-busy"),
        "resources_available": {"mem": "24684092kb", "ncpus": node["np"]},
        "resources_assigned": {"ncpus": used},
    }
    if "note" in node:
        found["comment"] = node["note"]
    return found


COMMANDS: Mapping[str, Any] = {
    "qsub": qsub,
    "qstat": qstat,
    "qdel": qdel,
    "qhold": qhold,
    "qrls": qrls,
    "pbsnodes": pbsnodes,
}
