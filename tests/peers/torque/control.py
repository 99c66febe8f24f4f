"""qdel, qhold, qrls, qalter, qrerun and qsig."""

from __future__ import annotations

import getopt
import re
import time
from collections.abc import Callable

from tests.peers.standin.refusal import Hangs, Refusal
from tests.peers.torque import server
from tests.peers.torque.limits import limits
from tests.peers.torque.store import Job, Store, number_of

_ALTERED = {
    "-A": "Account_Name",
    "-N": "Job_Name",
    "-p": "Priority",
    "-m": "Mail_Points",
    "-M": "Mail_Users",
    "-c": "Checkpoint",
    "-j": "Join_Path",
    "-S": "Shell_Path_List",
    "-v": "Variable_List",
}


def qdel(store: Store, arguments: list[str]) -> str:
    options, operands = _read(arguments, "aW:m:pt:")
    if "-m" in options and not store.is_operator(store.caller()):
        raise Refusal(159, f"qdel: Unauthorized Request  {operands[0]}")

    def one(operand: str) -> None:
        if not re.match(r"\d+(\[\d*\])?(\.|@|$)|all$", operand):
            raise Refusal(1, f"qdel: illegally formed job identifier: {operand}")
        found = server.ids(store, operand)
        job = store.get(found)
        if job is None:
            raise Refusal(153, f"qdel: nonexistent job id: {operand.split('.')[0]}")
        if "-p" in options:
            _purge(store, job)
            return
        _allowed(store, job, "qdel: Unauthorized Request  MSG=operation not permitted {}")
        jobs = store.elements(number_of(found)) if "job_array_request" in job else [job]
        if all(each["job_state"] == "C" for each in jobs):
            text = "Request invalid for state of job MSG=invalid state for job - COMPLETE"
            raise Refusal(170, f"qdel: {text} {found}")
        for each in jobs:
            _delete(store, each)

    return _each(store, operands, one)


def _purge(store: Store, job: Job) -> None:
    """Gone at once: no C, no record, and its processes maybe left."""
    if not store.is_manager(store.caller()):
        raise Refusal(159, f"qdel: Unauthorized Request  {job['Job_Id']}")
    store.remove(job)


def _delete(store: Store, job: Job) -> None:
    job = store.get(job["Job_Id"]) or job
    if job["job_state"] == "C":
        return
    if job["job_state"] in "RSE":
        _reachable(store, job, "qdel: Server could not connect to MOM {}")
        server.account(store, "D", job, f"requestor={store.caller()}@{store.server}")
        job["_end"] = "delete"
        store.save(job)
    else:
        server.delete_waiting(store, job, store.caller())


def qhold(store: Store, arguments: list[str]) -> str:
    def hold(job: Job, kinds: str) -> None:
        server.hold(job, kinds)
        store.save(job)

    return _with_holds(store, arguments, "qhold", hold)


def qrls(store: Store, arguments: list[str]) -> str:
    def release(job: Job, kinds: str) -> None:
        server.release(job, kinds)
        store.save(job)
        for element in store.elements(number_of(job["Job_Id"])):
            if element.get("Hold_Types") != "l":
                server.release(element, kinds)
                store.save(element)
        store.set_value("event", time.time())

    return _with_holds(store, arguments, "qrls", release)


def _with_holds(
    store: Store, arguments: list[str], command: str, change: Callable[[Job, str], None]
) -> str:
    options, operands = _read(arguments, "h:t:")
    # Without -h only u is released, and the exit code is 0 although the job stays held.
    kinds = options.get("-h", "u")

    def one(operand: str) -> None:
        job = _known(store, operand)
        _may_hold(store, job, kinds, command)
        if job["job_state"] == "C":
            text = f"invalid state for job - COMPLETE {job['Job_Id']}"
            raise Refusal(170, f"{command}: Request invalid for state of job MSG={text}")
        change(job, kinds)

    return _each(store, operands, one)


def _may_hold(store: Store, job: Job, kinds: str, command: str) -> None:
    caller = store.caller()
    may = job["euser"] == caller or store.is_operator(caller)
    may = may and not ("o" in kinds and not store.is_operator(caller))
    may = may and not ("s" in kinds and not store.is_manager(caller))
    if not may:
        text = f"Unauthorized Request  MSG=operation not permitted {job['Job_Id']}"
        raise Refusal(159, f"{command}: {text}")


def qalter(store: Store, arguments: list[str]) -> str:
    options, operands = _read(arguments, "a:A:c:e:h:j:k:l:m:M:n:N:o:p:q:r:S:t:u:v:W:x:")
    if "-q" in options:
        # The queue's name is taken for a job's id, and the exit code is 0.
        raise Refusal(0, f"qalter: illegally formed job identifier: {options['-q']}")

    hangs = False

    def one(operand: str) -> None:
        nonlocal hangs
        job = _known(store, operand)
        _allowed(store, job, "qalter: Unauthorized Request  {}")
        is_running = job["job_state"] in "RS"
        for option, value in options.items():
            _alter(store, job, option, value, is_running)
        job["mtime"] = int(time.time())
        store.save(job)
        hangs = hangs or (is_running and "-l" in options)

    answer = _each(store, operands, one)
    if hangs:
        # It is done; the answer never comes.
        raise Hangs
    return answer


def _alter(store: Store, job: Job, option: str, value: str, is_running: bool) -> None:
    if option == "-l":
        if is_running and "nodes" in value:
            text = "Cannot modify attribute while job running  Resource_List.nodes"
            raise Refusal(169, f"qalter: {text} {job['Job_Id']}")
        asked = limits(store, value, job["queue"])
        named = [part.partition("=")[0] for part in value.split(",")]
        job["Resource_List"] |= {name: asked[name] for name in named}
    elif option in ("-o", "-e"):
        name = "Output_Path" if option == "-o" else "Error_Path"
        job[name] = f"{store.server}:{value}"
    elif option == "-r":
        job["Rerunable"] = "False" if value == "n" else "True"
    elif option in _ALTERED:
        job[_ALTERED[option]] = value


def qrerun(store: Store, arguments: list[str]) -> str:
    options, operands = _read(arguments, "f")

    def one(operand: str) -> None:
        job = _known_aloud(store, operand, "qrerun")
        job_id = job["Job_Id"]
        if not store.is_operator(store.caller()):
            text = "additional permissions required (ATR_DFLAG_MGWR | ATR_DFLAG_OPWR)"
            raise Refusal(159, f"qrerun: Unauthorized Request  MSG={text} {job_id}")
        if job["Rerunable"] == "False":
            text = f"job is not rerunnable MSG=job {job_id} not rerunnable {job_id}"
            raise Refusal(192, f"qrerun: {text}")
        if job["job_state"] not in "RS":
            raise Refusal(170, f"qrerun: Request invalid for state of job {job_id}")
        if _is_dead(store, job) and "-f" not in options:
            raise Hangs
        job["_end"] = "rerun"
        store.save(job)

    return _each(store, operands, one)


def qsig(store: Store, arguments: list[str]) -> str:
    options, operands = _read(arguments, "s:t:")
    signal = options.get("-s", "TERM")

    def one(operand: str) -> None:
        job = _known_aloud(store, operand, "qsig")
        operator_only = signal in ("suspend", "resume")
        if operator_only and not store.is_operator(store.caller()):
            raise Refusal(159, f"qsig: Unauthorized Request  {job['Job_Id']}")
        _allowed(store, job, "qsig: Unauthorized Request  {}")
        if job["job_state"] not in "RS":
            raise Refusal(170, f"qsig: Request invalid for state of job {job['Job_Id']}")
        _reachable(store, job, "qsig: Server could not connect to MOM {}")
        job["_signals"] = [*job.get("_signals", []), signal]
        if signal == "suspend":
            job["job_state"] = "S"
        elif signal == "resume":
            job["job_state"] = "R"
        job["mtime"] = int(time.time())
        store.save(job)

    return _each(store, operands, one)


def _read(arguments: list[str], options: str) -> tuple[dict[str, str], list[str]]:
    try:
        pairs, operands = getopt.gnu_getopt(arguments, options)
    except getopt.GetoptError as error:
        raise Refusal(2, f"invalid option -- '{error.opt}'") from error
    return dict(pairs), operands


def _each(store: Store, operands: list[str], one: Callable[[str], None]) -> str:
    """Try all of them; the exit code is that of one that failed."""
    refusals = []
    for operand in operands:
        try:
            with store.writing():
                one(operand)
        except Refusal as refusal:
            refusals.append(refusal)
    if refusals:
        raise Refusal(refusals[-1].code, "\n".join(filter(None, (r.text for r in refusals))))
    return ""


def _known(store: Store, operand: str) -> Job:
    """The job; of an unknown one these commands say nothing but their exit code."""
    job = store.get(server.ids(store, operand))
    if job is None:
        raise Refusal(153)
    return job


def _known_aloud(store: Store, operand: str, command: str) -> Job:
    job = store.get(server.ids(store, operand))
    if job is None:
        text = f"Unknown Job Id Error MSG=cannot locate job {server.ids(store, operand)}"
        raise Refusal(153, f"{command}: {text}")
    return job


def _allowed(store: Store, job: Job, text: str) -> None:
    caller = store.caller()
    if job["euser"] != caller and not store.is_operator(caller):
        raise Refusal(159, text.format(job["Job_Id"]))


def _is_dead(store: Store, job: Job) -> bool:
    dead = store.config["dead_nodes"]
    return any(node in dead for node, _ in server.slots_of(job.get("exec_host", "")))


def _reachable(store: Store, job: Job, text: str) -> None:
    if _is_dead(store, job):
        raise Refusal(224, text.format(job["Job_Id"]))
