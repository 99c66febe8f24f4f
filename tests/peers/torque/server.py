"""What pbs_server does with jobs: holds, dependencies, ends, arrays, the accounting file."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from tests.peers.torque.store import Job, Store, number_of

# What a hold is called, in the order in which they are shown.
HOLDS = "sou"


def ids(store: Store, given: str) -> str:
    """The full form of a job id: ``49[1]`` and ``49[1]@head`` are ``49[1].head``."""
    name = given.split("@")[0]
    return name if "." in name else f"{name}.{store.server}"


def account(store: Store, kind: str, job: Mapping[str, Any], content: str = "") -> None:
    """Write a line into the accounting file of the day."""
    now = time.localtime()
    path = store.folder / "accounting" / time.strftime("%Y%m%d", now)
    moment = time.strftime("%m/%d/%Y %H:%M:%S", now)
    with path.open("a") as file:
        file.write(f"{moment};{kind};{job['Job_Id']};{content}\n")


def started_record(job: Mapping[str, Any]) -> str:
    """The content of an S record."""
    limits = job["Resource_List"]
    pairs = {
        "user": job["euser"],
        "group": job["egroup"],
        "account": job.get("Account_Name"),
        "jobname": job["Job_Name"],
        "queue": job["queue"],
        "ctime": job["ctime"],
        "qtime": job["qtime"],
        "etime": job["etime"],
        "start_count": job["start_count"],
        "start": job["start_time"],
        "owner": job["Job_Owner"],
        "exec_host": job["exec_host"],
        **{f"Resource_List.{name}": value for name, value in limits.items()},
        "Resource_List.neednodes": limits.get("nodes", "1"),
    }
    return "".join(f"{name}={value} " for name, value in pairs.items() if value is not None)


def ended_record(job: Mapping[str, Any]) -> str:
    """The content of an E record."""
    slots = sum(1 for _ in slots_of(job["exec_host"]))
    nodes = len({node for node, _ in slots_of(job["exec_host"])})
    pairs = {
        "session": job["session_id"],
        "total_execution_slots": slots,
        "unique_node_count": nodes,
        "end": job["comp_time"],
        "Exit_status": job["exit_status"],
        **{f"resources_used.{name}": value for name, value in job["resources_used"].items()},
    }
    text = " ".join(f"{name}={value}" for name, value in pairs.items())
    return started_record(job) + text.replace("cput=00:00:00", "cput=0")


def slots_of(exec_host: str) -> Iterable[tuple[str, int]]:
    """Node and slot of each part of ``node02/0-1+node01/3``."""
    for part in filter(None, exec_host.split("+")):
        node, _, numbers = part.partition("/")
        first, _, last = numbers.partition("-")
        for number in range(int(first), int(last or first) + 1):
            yield node, number


def hold(job: Job, kinds: str) -> None:
    """Add holds; a running job stays as it is, until it is queued again."""
    had = job.get("Hold_Types", "n").replace("n", "")
    job["Hold_Types"] = "".join(kind for kind in HOLDS if kind in had + kinds) or "n"
    place(job)


def release(job: Job, kinds: str) -> None:
    """Take holds away; one that is not there is no error."""
    had = job.get("Hold_Types", "n")
    job["Hold_Types"] = "".join(kind for kind in had if kind not in kinds) or "n"
    place(job)


def place(job: Job) -> None:
    """Give a job that does not run the state that its holds and times make."""
    if job["job_state"] not in "QHW":
        return
    now = int(time.time())
    if job.get("Hold_Types", "n") != "n":
        job["job_state"] = "H"
    elif int(job.get("Execution_Time", 0)) > now:
        job["job_state"] = "W"
    else:
        job["job_state"] = "Q"
        job.pop("Execution_Time", None)
        job.setdefault("etime", now)


def delete_waiting(store: Store, job: Job, requestor: str) -> None:
    """End a job that does not run: C, without exit status and time of completion."""
    account(store, "D", job, f"requestor={requestor}@{store.server}")
    finish(store, job, None)


def finish(store: Store, job: Job, status: int | None) -> None:
    """The end of a job, whatever it was; its dependants learn it, and it is kept or not."""
    job["job_state"] = "C"
    job["mtime"] = int(time.time())
    job["_ended"] = time.time()
    store.set_value("event", time.time())
    if status is not None:
        job["exit_status"] = status
    store.save(job)
    # A job that was deleted before it ran counts as a good one for whoever depends on it.
    tell(store, job["Job_Id"], good=status in (None, 0), ended=True)
    _tell_array(store, job)
    if not store.config["keep_completed"]:
        store.remove(job)


def purge(store: Store) -> None:
    """Forget the jobs that have been kept long enough."""
    kept = store.config["keep_completed"]
    for job in store.jobs("C"):
        if time.time() - job.get("_ended", 0) > kept:
            store.remove(job)


def started(store: Store, job: Job) -> None:
    """Tell the jobs that wait for the start of this one."""
    tell(store, job["Job_Id"], good=True, ended=False)


def tell(store: Store, parent: str, *, good: bool, ended: bool) -> None:
    """Let the jobs that depend on this one be queued or deleted."""
    for child in store.jobs("H"):
        waits: list[list[str]] = child.get("_depend", [])
        mine = [kind for kind, on in waits if on == parent]
        if not mine:
            continue
        met = [kind for kind in mine if _is_met(kind, good, ended)]
        if ended and len(met) < len(mine):
            _delete_dependant(store, child, parent)
            continue
        child["_depend"] = [wait for wait in waits if wait[1] != parent or wait[0] not in met]
        if met and not child["_depend"]:
            child.pop("depend", None)
            child["mtime"] = int(time.time())
            release(child, "s")
        store.save(child)


def _is_met(kind: str, good: bool, ended: bool) -> bool:
    kind = kind.removesuffix("array")
    if kind == "after":
        return True
    return ended and (kind == "afterany" or good is (kind == "afterok"))


def _delete_dependant(store: Store, child: Job, parent: str) -> None:
    child["comment"] = f"Job deleted as result of dependency on job {parent}"
    account(store, "A", child)
    finish(store, child, 271)


def _tell_array(store: Store, job: Job) -> None:
    """When all elements have ended, the array has ended too."""
    if "job_array_id" not in job:
        return
    array = store.get(f"{number_of(job['Job_Id'])}[].{store.server}")
    elements = store.elements(number_of(job["Job_Id"]))
    if array is None or any(one["job_state"] != "C" for one in elements):
        return
    array["job_state"] = "C"
    array["_ended"] = time.time()
    array["mtime"] = int(time.time())
    store.save(array)
    results = {one.get("exit_status", 0) == 0 for one in elements}
    # Mixed results meet neither afterokarray nor afternotokarray.
    for child in store.jobs("H"):
        for kind, on in child.get("_depend", []):
            if on == array["Job_Id"] and kind != "afteranyarray" and len(results) == 2:
                _delete_dependant(store, child, array["Job_Id"])
                break
    tell(store, array["Job_Id"], good=results == {True}, ended=True)
