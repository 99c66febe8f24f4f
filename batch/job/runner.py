"""A job on its node: ``python -I -S runner.py FOLDER TAG BATCH_ID INDEX``.

The job script of every batch system starts this, and nothing of the user's is in the script: what
to run is in ``spec.json``. It runs the program as the spec says, exactly: arguments, environment,
outputs with their limits, time and memory; and it leaves two witnesses beside the spec,
``start.json`` and ``end.json`` (see ``batch.records``). What the batch system says of a job counts
together with these.

A job that its batch system started twice, under two ids, runs once: the second finds the first's
``start.json`` and ends. A job that was requeued has the same id; it starts anew, unless its program
had ended by itself: a system that lost its memory may well start it again.
"""

import os
import sys

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

import fnmatch
import json
import pwd
import resource
import signal
import time

from batch.job.report import ENDED, STARTED, Reporter
from batch.local import watch
from batch.local.launch import NoAccountError, Program, become_subreaper
from batch.local.outcome import Outcome
from batch.local.pooled import Lease

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import FrameType
    from typing import Any

TOLD_TO_STOP = "told to stop by the batch system"
FAILED_HERE = 125
"""The exit code where the program's own would mean something else to the batch system."""
RESERVED = (99, 100)
"""Exit codes that batch systems take as a wish to be started again, or to be held."""

LEASES = "/var/lib/ijp-accounts/jobs"
"""Where the account helper, with its usual ``state_folder``, tells whose an account is."""

_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR2)
"""SIGUSR2 is how Grid Engine announces the end."""
_FORCED = (signal.SIGTERM, signal.SIGKILL)
_IGNORED = (signal.SIGHUP, signal.SIGUSR1)

_TOLD_SECONDS = 0.03
_BUSY_SECONDS = 1.0
_REPORT_SECONDS = 3.0
_told_to_stop = False


class RanElsewhereError(Exception):
    """The job runs, or ran, under another batch id."""


class EndedBeforeError(Exception):
    """The program has run to its end; ``exit_code`` is what the batch system was told."""

    def __init__(self, exit_code: int) -> None:
        super().__init__()
        self.exit_code = exit_code


def ended_from_outside(end: "Mapping[str, Any]") -> bool:
    """Whether the system, or somebody, may have ended the program, going by the record."""
    return end.get("reason") == TOLD_TO_STOP or end.get("signal") in _FORCED


def main(folder: str, tag: str, batch_id: str, index: str) -> int:
    """Run one job; gives the exit code for the batch system."""
    run_folder = os.path.join(folder, "jobs", _mark(folder, tag, index), "run")
    _settle()
    with open(os.path.join(run_folder, "spec.json"), encoding="utf-8") as file:
        spec = json.load(file)
    try:
        _check_lease(spec)
        lease = _lease(spec)
    except NoAccountError:
        # Nothing was begun: the batch system may start the job as if this had not been.
        return int(spec["busy_exit_code"] or FAILED_HERE)
    try:
        return _run_once(run_folder, batch_id, spec, lease)
    finally:
        if lease is not None:
            lease.close()


def _run_once(
    run_folder: str, batch_id: str, spec: "Mapping[str, Any]", lease: "Lease | None"
) -> int:
    started = time.time()
    start = {"id": batch_id, "host": os.uname().nodename, "started": started}
    try:
        _begin(run_folder, start, spec)
    except EndedBeforeError as before:
        return before.exit_code
    start_file = os.path.join(run_folder, "start.json")
    reporter = Reporter(spec.get("report", ""))

    def begun(outputs: "list[list[int] | None]") -> None:
        _write(start_file, start | {"outputs": outputs})
        reporter.tell(STARTED)

    outcome = _run(spec, lease, begun)
    if not outcome.reason:
        # Whoever ends a job tells all its processes, the program perhaps before this one.
        time.sleep(_TOLD_SECONDS)
        outcome.reason = _why_end()
    end = {
        "id": batch_id,
        "started": started,
        "ended": time.time(),
        "host": os.uname().nodename,
        **vars(outcome),
    }
    _write(os.path.join(run_folder, "end.json"), end)
    reporter.tell(ENDED, wait_seconds=_REPORT_SECONDS)
    return _exit_code(outcome)


def _mark(folder: str, tag: str, index: str) -> str:
    """Whose turn it is: the job's own mark, or for an array the line that has this number."""
    if not index:
        return tag
    with open(os.path.join(folder, "arrays", tag, "marks"), encoding="ascii") as file:
        return file.read().splitlines()[int(index) - 1]


def _settle() -> None:
    os.chdir("/")
    os.umask(0o077)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.closerange(3, most)
    for number in _STOPPING:
        signal.signal(number, _stop)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    become_subreaper()


def _stop(number: int, frame: "FrameType | None") -> None:
    global _told_to_stop
    _told_to_stop = True


def _begin(run_folder: str, start: "dict[str, Any]", spec: "Mapping[str, Any]") -> None:
    """Claim the job; of an attempt before this one, the outputs are removed.

    Raises:
        RanElsewhereError: Somebody else has.
        EndedBeforeError: There is nothing to do any more.
    """
    path = os.path.join(run_folder, "start.json")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        with open(path, encoding="utf-8") as file:
            before = json.load(file)
        if before["id"] != start["id"]:
            raise RanElsewhereError(f"this job runs, or ran, as {before['id']}") from None
        end_path = os.path.join(run_folder, "end.json")
        if os.path.exists(end_path):
            with open(end_path, encoding="utf-8") as file:
                end = json.load(file)
            if not ended_from_outside(end):
                outcome = Outcome(end["reason"], exit_code=end["exit_code"], signal=end["signal"])
                raise EndedBeforeError(_exit_code(outcome)) from None
            os.unlink(end_path)
        _remove_outputs(before, spec)
        _write(path, start)
        return
    with open(descriptor, "w", encoding="utf-8") as file:
        json.dump(start, file)


def _remove_outputs(before: "Mapping[str, Any]", spec: "Mapping[str, Any]") -> None:
    """Remove the files that the earlier attempt made, if they are still the same ones."""
    for path in (spec["stdout"], spec["stderr"]):
        if _identity(path) in before.get("outputs", ()):
            os.unlink(os.fsencode(path))


def _identity(path: str) -> "list[int] | None":
    try:
        found = os.lstat(os.fsencode(path))
    except OSError:
        return None
    return [found.st_dev, found.st_ino]


def _check_lease(spec: "Mapping[str, Any]") -> None:
    """Where prologues take leases: see that this job's has.

    A system may start a job that its prologue has sent back, or run no prologue on some node.

    Raises:
        NoAccountError: The account is not this job's.
    """
    if not spec.get("lease_variable"):
        return
    name = pwd.getpwuid(os.getuid()).pw_name
    try:
        with open(os.path.join(LEASES, name, "lease"), encoding="utf-8") as file:
            key = file.read()
    except OSError as error:
        raise NoAccountError(f"no lease: {error.strerror}") from error
    names = spec["lease_variable"].split(".")
    if key != ".".join(os.environ.get(name, "") for name in names):
        raise NoAccountError(f"the account is in use by job {key}")


def _lease(spec: "Mapping[str, Any]") -> "Lease | None":
    """An account for the program, where programs have accounts of their own.

    Raises:
        NoAccountError: None is free, and the job is to go back into the queue.
        batch.local.launch.RefusedError: There is none for such jobs.
    """
    if not spec.get("accounts"):
        return None
    while True:
        try:
            return Lease(spec["accounts"], spec["family"], spec["mark"])
        except NoAccountError:
            if spec["busy_exit_code"]:
                raise
            if _told_to_stop:
                raise RuntimeError(f"{TOLD_TO_STOP} while it waited for an account") from None
            time.sleep(_BUSY_SECONDS)


def _run(
    spec: "Mapping[str, Any]",
    lease: "Lease | None",
    made: "Callable[[list[list[int] | None]], None]",
) -> Outcome:
    limits = watch.Limits(**spec["limits"])
    outputs = watch.Outputs(
        [os.fsencode(spec["stdout"]), os.fsencode(spec["stderr"])], spec["output_limit_bytes"]
    )
    passed = {
        name: value
        for name, value in os.environ.items()
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in spec["pass_variables"])
    }
    pairs = {**passed, **spec["environment"]}
    argv = _terminated(spec["argv"])
    environment = _terminated([f"{name}={value}" for name, value in pairs.items()])
    if lease is None:
        program = Program(spec["mark"], argv, environment, os.fsencode(spec["folder"]))
    else:
        program = lease.program(spec["mark"], argv, environment)
    program.nicer = 0

    def started(pid: int) -> None:
        made([_identity(spec["stdout"]), _identity(spec["stderr"])])

    return watch.run(program, outputs, limits, _why_end, started=started)


def _why_end() -> str:
    return TOLD_TO_STOP if _told_to_stop else ""


def _terminated(texts: "Sequence[str]") -> bytes:
    return b"".join(os.fsencode(text) + b"\0" for text in texts)


def _write(path: str, content: "Mapping[str, Any]") -> None:
    new = f"{path}.new"
    with open(new, "w", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    os.rename(new, path)


def _exit_code(outcome: Outcome) -> int:
    if outcome.signal is not None:
        return 128 + outcome.signal
    code = outcome.exit_code
    if code is None or code in RESERVED or (code == 0 and outcome.reason):
        return FAILED_HERE
    return code


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:5]))
    except Exception as problem:
        print(f"the job's runner failed: {problem}", file=sys.stderr)
        sys.exit(FAILED_HERE)
