"""qstat, qselect and pbsnodes: who may see what, and in which form."""

from __future__ import annotations

import getopt
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tests.peers.standin.refusal import Answered, Refusal
from tests.peers.torque import forms, server
from tests.peers.torque.store import Job, Store, number_of

_HOST = os.uname()


def qstat(store: Store, arguments: list[str]) -> str:
    try:
        pairs, operands = getopt.gnu_getopt(arguments, "fxtQqBan1ru:ielsGM")
    except getopt.GetoptError as error:
        raise Refusal(2, f"qstat: invalid option -- '{error.opt}'") from error
    options = dict(pairs)
    if "-Q" in options or "-q" in options:
        # -x and -f change nothing here, whatever the manual says.
        rows = _queue_rows(store)
        if "-q" in options:
            return f"\nserver: {store.server}\n\n{forms.short_queues(rows)}"
        return forms.queues(rows)
    if "-B" in options:
        return _server_in_full(store) if "-f" in options else _server(store)
    jobs, refusals = _selected(store, operands, elements="-t" in options)
    if "-u" in options:
        jobs = [job for job in jobs if job["euser"] in options["-u"].split(",")]
    if "-r" in options:
        jobs = [job for job in jobs if job["job_state"] in "RS"]
    answer = _formed(store, jobs, options)
    if refusals:
        text = "\n".join(refusal.text for refusal in refusals)
        raise Answered(answer if jobs else "", refusals[-1].code, text)
    return answer


def qselect(store: Store, arguments: list[str]) -> str:
    jobs = [job for job in store.jobs() if _sees(store, job)]
    if arguments[:1] == ["-u"]:
        jobs = [job for job in jobs if job["euser"] == arguments[1]]
    return "".join(f"{job['Job_Id']}\n" for job in jobs if not _is_array(job))


def _formed(store: Store, jobs: list[Job], options: Mapping[str, str]) -> str:
    now = int(time.time())
    jobs = [_with_rest(job, now) for job in jobs]
    if "-x" in options:
        return forms.xml(jobs) + "\n"
    if "-f" in options:
        return forms.text(jobs)
    if options.keys() & {"-a", "-n", "-r", "-u"}:
        return forms.alternative(store.server, jobs, now=now, hosts="-n" in options)
    return forms.table(jobs)


def _with_rest(job: Job, now: int) -> Job:
    """With the time that a running job has left, which is not shown while it is suspended."""
    limit = job["Resource_List"].get("walltime")
    if job["job_state"] != "R" or "start_time" not in job or limit is None:
        return job
    hours, minutes, seconds = (int(part) for part in limit.split(":"))
    rest = 3600 * hours + 60 * minutes + seconds - (now - int(job["start_time"]))
    return job | {"Walltime": {"Remaining": rest}}


def _selected(
    store: Store, operands: Iterable[str], *, elements: bool
) -> tuple[list[Job], list[Refusal]]:
    """The jobs asked for; arrays are folded to one job unless their elements are wanted."""
    jobs: list[Job] = []
    refusals: list[Refusal] = []
    for operand in operands:
        try:
            jobs += _asked(store, operand, elements)
        except Refusal as refusal:
            refusals.append(refusal)
    if not operands:
        jobs = [job for job in store.jobs() if _sees(store, job)]
        jobs = [job for job in jobs if (not _is_array(job) if elements else not _is_element(job))]
    return [_folded(store, job) for job in jobs], refusals


def _asked(store: Store, operand: str, elements: bool) -> list[Job]:
    if not operand[:1].isdigit():
        if operand not in store.config["queues"]:
            raise Refusal(172, f"qstat: Unknown queue destination {operand}")
        return [job for job in store.jobs() if job["queue"] == operand and _sees(store, job)]
    job_id = server.ids(store, operand)
    job = store.get(job_id)
    if job is None:
        raise Refusal(153, f"qstat: Unknown Job Id Error {job_id}")
    if not _sees(store, job):
        raise Refusal(159, f"qstat: Unauthorized Request  {job_id}")
    if elements and _is_array(job):
        return store.elements(number_of(job_id))
    return [job]


def _folded(store: Store, job: Job) -> Job:
    """An array's state is that of its elements."""
    if not _is_array(job) or job["job_state"] == "C":
        return job
    states = [element["job_state"] for element in store.elements(number_of(job["Job_Id"]))]
    state = "R" if "R" in states else "Q" if "Q" in states else job["job_state"]
    return job | {"job_state": state}


def _sees(store: Store, job: Job) -> bool:
    """Ordinary users see only their own jobs, and hear nothing about it."""
    caller = store.caller()
    allowed = store.config["query_other_jobs"] or store.is_operator(caller)
    return bool(allowed or job["euser"] == caller)


def _is_array(job: Job) -> bool:
    return "job_array_request" in job


def _is_element(job: Job) -> bool:
    return "job_array_id" in job


def _queue_rows(store: Store) -> list[tuple[str, Mapping[str, Any], Mapping[str, int]]]:
    counts: dict[str, Counter[str]] = {name: Counter() for name in store.config["queues"]}
    for job in store.jobs():
        if not _is_array(job):
            counts[job["queue"]][job["job_state"]] += 1
    return [(name, queue, counts[name]) for name, queue in store.config["queues"].items()]


def _server(store: Store) -> str:
    counts = Counter(job["job_state"] for job in store.jobs() if not _is_array(job))
    numbers = "".join(f"{counts[state]:>6}" for state in "QRHW") + f"{0:>6}{counts['E']:>6}"
    return (
        "Server             Max   Tot   Que   Run   Hld   Wat   Trn   Ext   Com Status    \n"
        "----------------   ---   ---   ---   ---   ---   ---   ---   ---   --- ----------\n"
        f"{store.server:<16}{0:>6}{sum(counts.values()):>6}{numbers}{counts['C']:>6} Active    \n"
    )


def _server_in_full(store: Store) -> str:
    counts = Counter(job["job_state"] for job in store.jobs() if not _is_array(job))
    words = ("Transit", "Queued", "Held", "Waiting", "Running", "Exiting", "Complete")
    states = "".join(
        f"{word}:{counts[letter]} " for word, letter in zip(words, "TQHWREC", strict=True)
    )
    config = store.config
    found = {
        "server_state": "Active",
        "scheduling": config["scheduling"],
        "total_jobs": sum(counts.values()),
        "state_count": states,
        "acl_hosts": store.server,
        "acl_roots": f"root@{store.server}",
        "managers": _at(store, ["root", *config["managers"]]),
        "operators": _at(store, ["root", *config["operators"]]),
        "default_queue": config["default_queue"],
        **({"query_other_jobs": True} if config["query_other_jobs"] else {}),
        "node_check_rate": 150,
        "tcp_timeout": 300,
        "pbs_version": "6.1.3.h5",
        "keep_completed": config["keep_completed"],
        "next_job_number": store.value("next_job_number") or 1,
    }
    lines = "".join(forms.line(name, str(value)) for name, value in found.items())
    return f"Server: {store.server}\n{lines}\n"


def _at(store: Store, users: list[str]) -> str:
    return ",".join(f"{user}@{store.server}" for user in users)


def pbsnodes(store: Store, arguments: list[str]) -> str:
    try:
        pairs, names = getopt.gnu_getopt(arguments, "acdlnorxqN:s:", [])
    except getopt.GetoptError as error:
        raise Refusal(1, f"pbsnodes: invalid option -- '{error.opt}'") from error
    options = dict(pairs)
    if options.keys() & {"-o", "-c", "-r"} or "-N" in options:
        return _change_nodes(store, options, names)
    listed = nodes(store)
    for name in names:
        if name not in {node["name"] for node in listed} and "-l" not in options:
            raise Refusal(1, "pbsnodes: Unknown node  MSG=cannot locate specified node")
    if "-l" in options:
        bad = "all" not in names and "free" not in names
        chosen = [node for node in listed if _is_listed(node, names, bad=bad)]
        return forms.node_states(chosen, notes="-n" in options)
    if names:
        listed = [node for node in listed if node["name"] in names]
    return forms.nodes_xml(listed) + "\n" if "-x" in options else forms.nodes_text(listed)


def _is_listed(node: Mapping[str, Any], names: list[str], *, bad: bool) -> bool:
    states = set(node["state"].split(","))
    if bad:
        return bool(states & {"down", "offline"})
    return "all" in names or "free" in states


def _change_nodes(store: Store, options: Mapping[str, str], names: list[str]) -> str:
    if not store.is_operator(store.caller()):
        # Nothing is done, and the exit code is 0 all the same.
        text = "Unauthorized Request  MSG=error in permissions (PERM_OPorMGR)"
        raise Refusal(0, f"Error setting note attribute for {names[0]} - {text}")
    with store.writing():
        marked = store.value("nodes") or {}
        for name in names:
            one = marked.setdefault(name, {})
            if "-o" in options:
                one["offline"] = True
            if options.keys() & {"-c", "-r"}:
                # The note stays.
                one["offline"] = False
            if "-N" in options:
                one["note"] = "" if options["-N"] in ("", "n") else options["-N"]
        store.set_value("nodes", marked)
    return ""


def nodes(store: Store) -> list[dict[str, Any]]:
    """The nodes as pbsnodes shows them."""
    marked = store.value("nodes") or {}
    jobs = store.jobs("R")
    return [
        _node(store, node, marked.get(node["name"], {}), jobs) for node in store.config["nodes"]
    ]


def _node(
    store: Store, node: Mapping[str, Any], marked: Mapping[str, Any], jobs: list[Job]
) -> dict[str, Any]:
    held = []
    used = 0
    for job in jobs:
        for part in job["exec_host"].split("+"):
            name, _, slots = part.partition("/")
            if name == node["name"]:
                held.append(f"{slots}/{job['Job_Id']}")
                used += len(list(server.slots_of(part)))
    states = []
    if node["name"] in store.config["down_nodes"]:
        states.append("down")
    if marked.get("offline"):
        states.append("offline")
    if used >= node["np"]:
        states.append("job-exclusive")
    found: dict[str, Any] = {
        "name": node["name"],
        "state": ",".join(states) or "free",
        "power_state": "Running",
        "np": node["np"],
        "properties": node["properties"],
        "ntype": "cluster",
        "jobs": ",".join(held),
        "status": _status(node["name"]),
        "note": marked.get("note", ""),
        "mom_service_port": 15002,
        "mom_manager_port": 15003,
    }
    return {name: value for name, value in found.items() if value != ""}


def _status(name: str) -> str:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024
    return (
        f"opsys=linux,uname={_HOST.sysname} {name} {_HOST.release} {_HOST.version} "
        f"{_HOST.machine},sessions=1 2,nsessions=2,nusers=1,idletime=52162,totmem={memory}kb,"
        f"availmem={memory}kb,physmem={memory}kb,ncpus={os.cpu_count()},"
        f"loadave={os.getloadavg()[0]:.2f},gres=,netload=1193673805,state=free,varattr= ,"
        f"cpuclock=Fixed,version=6.1.3.h5,rectime={int(time.time())},jobs="
    )
