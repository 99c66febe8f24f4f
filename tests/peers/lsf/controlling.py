"""bkill, bstop, bresume, brequeue and badmin."""

from __future__ import annotations

from collections.abc import Callable

from tests.peers.lsf.store import ENDED, STARTED, WAITING, Job, Store
from tests.peers.lsf.submitting import found
from tests.peers.lsf.work import end
from tests.peers.standin.refusal import Refusal


def bkill(store: Store, operands: list[str]) -> str:
    def kill(job: Job) -> None:
        reason = "TERM_OWNER: job killed by owner"
        if store.caller() != job["user"]:
            reason = "TERM_ADMIN: job killed by root or LSF administrator"
        if job["job_state"] in WAITING:
            end(store, job, "EXIT", None, reason)
        else:
            store.save({**job, "_end": "kill", "_reason": reason})

    return _each(store, operands, kill, "is being terminated")


def bstop(store: Store, operands: list[str]) -> str:
    def stop(job: Job) -> None:
        if job["job_state"] == "PEND":
            reason = "Job was suspended by the user while pending;"
            store.save({**job, "job_state": "PSUSP", "pend_reason": reason})
        elif job["job_state"] == "RUN":
            store.save({**job, "job_state": "USUSP", "_signals": ["STOP"]})

    return _each(store, operands, stop, "is being stopped")


def bresume(store: Store, operands: list[str]) -> str:
    def resume(job: Job) -> None:
        if job["job_state"] == "PSUSP":
            store.save({**job, "job_state": "PEND"})
        elif job["job_state"] == "USUSP":
            store.save({**job, "job_state": "RUN", "_signals": ["CONT"]})
        else:
            raise Refusal(255, f"Job <{job['Job_Id']}>: Job is not suspended")

    return _each(store, operands, resume, "is being resumed")


def brequeue(store: Store, operands: list[str]) -> str:
    def requeue(job: Job) -> None:
        if job["job_state"] not in STARTED:
            raise Refusal(255, f"Job <{job['Job_Id']}>: Job has not started yet")
        store.save({**job, "_end": "requeue"})

    return _each(store, operands, requeue, "is being requeued")


def badmin(store: Store, arguments: list[str]) -> str:
    command, *rest = arguments
    if rest[:1] == ["-C"]:
        rest = rest[2:]
    if store.caller() not in store.config["managers"]:
        raise Refusal(255, "User permission denied")
    known = {host["name"] for host in store.config["hosts"]}
    text = ""
    with store.writing():
        closed = set(store.value("closed") or [])
        for name in rest:
            if name not in known:
                raise Refusal(255, f"{name}: Bad host name, host group name or cluster name")
            closed = closed | {name} if command == "hclose" else closed - {name}
            text += f"{'Close' if command == 'hclose' else 'Open'} <{name}> ...... done\n"
        store.set_value("closed", sorted(closed))
    return text


def _each(store: Store, operands: list[str], change: Callable[[Job], None], done: str) -> str:
    answer = ""
    with store.writing():
        for job in found(store, operands):
            if store.caller() not in (job["user"], *store.config["managers"]):
                raise Refusal(255, f"Job <{job['Job_Id']}>: User permission denied")
            if job["job_state"] in ENDED:
                raise Refusal(255, f"Job <{job['Job_Id']}>: Job has already finished")
            change(job)
            answer += f"Job <{job['Job_Id']}> {done}\n"
    return answer
