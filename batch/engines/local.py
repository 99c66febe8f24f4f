"""Jobs as processes of this machine, for one host and for trying things out.

A spool folder holds the queue; each running job has a supervisor process of its own that needs
nobody (see ``batch.local.supervisor``). The server may end, be killed and start again at any
moment: jobs run on, the queue moves on, and each mark is run once.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from batch.check import check, check_capabilities
from batch.engine import (
    BatchEngine,
    Capability,
    EngineState,
    JobSpec,
    JobStatus,
    Node,
)
from batch.local import schedule, spool
from batch.local.wakeup import Listener, wake
from batch.resources import check_supported
from ijp.errors import BadRequestError, ConflictError, EngineError, NotFoundError, PortalError

log = logging.getLogger(__name__)

T = TypeVar("T")

_MIB = 1024 * 1024
_RESOURCES = ("memory_mib", "wall_seconds", "cpu_seconds")
_STATES = {
    "queued": EngineState.QUEUED,
    "starting": EngineState.QUEUED,
    "held": EngineState.HELD,
    "running": EngineState.RUNNING,
    "ended": EngineState.ENDED,
}
_STATUS_COLUMNS = (
    "mark, state, exit_code, signal, reason, started, ended, cpu_seconds, peak_memory_bytes"
)


class LocalEngine(BatchEngine):
    """Runs jobs as the user that the server runs as; batch ids are the marks.

    Settings, all optional: ``slots`` (cores for jobs, by default those of the machine),
    ``grace_seconds`` (between asking a job to end and killing it, 5), ``process_limit`` (per job,
    1000), ``queue_limit`` (jobs that have not ended, 100,000), and ``memory_mib``,
    ``wall_seconds``, ``cpu_seconds`` for jobs that name no limit (none). With ``accounts``, the
    command of the account helper as a list, each job runs in an account of its family's pool
    (docs/accounts.md).
    """

    name: ClassVar[str] = "local"
    capabilities = frozenset(
        {
            Capability.HOLD,
            Capability.RELEASE,
            Capability.NODES,
            Capability.LIVE_OUTPUT,
            Capability.WAKES,
        }
    )

    def __init__(self, settings: Mapping[str, Any], folder: Path) -> None:
        self._helper = _helper(settings)
        self._settings = _checked(
            {name: value for name, value in settings.items() if name != "accounts"}
        )
        self._folder = str(folder.absolute())
        self._threads = threading.local()
        self._listener: tuple[int, Listener] | None = None
        self._supervisors: set[int] = set()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (folder / "locks").mkdir(mode=0o700, exist_ok=True)
            kept = {name: value for name, value in self._settings.items() if value is not None}
            with schedule.ScheduleLock(self._folder, wait=True):
                spool.create(self._folder, kept, self._helper)
        except (OSError, sqlite3.Error) as error:
            raise EngineError(f"cannot use the spool {self._folder}: {error}") from error
        self._advance()

    def submit(self, spec: JobSpec) -> str:
        answer = self.submit_many([spec])[0]
        if isinstance(answer, PortalError):
            raise answer
        return answer

    def submit_many(self, specs: Sequence[JobSpec]) -> list[str | PortalError]:
        answers: list[str | PortalError] = []
        rows: list[tuple[object, ...]] = []
        room = self._ask(self._room) if specs else 0
        for spec in specs:
            try:
                check(spec)
                check_capabilities(spec, self)
                check_supported(spec.resources, _RESOURCES, self.name)
                rows.append(self._row(spec, has_room=len(rows) < room))
                answers.append(spec.mark)
            except PortalError as refusal:
                answers.append(refusal)
        if rows:
            families = [(spec.mark, spec.family) for spec in specs if spec.family]
            self._ask(lambda here: here.add(rows, families))
            self._advance()
        return answers

    def find(self, marks: Iterable[str]) -> dict[str, str]:
        known = self._ask(lambda here: here.known(marks))
        return {mark: mark for mark in known}

    def status(self, batch_ids: Collection[str]) -> dict[str, JobStatus]:
        self._advance(wait=False)
        rows = self._ask(lambda here: here.jobs(batch_ids, _STATUS_COLUMNS))
        return {row["mark"]: _status(row) for row in rows}

    def cancel(self, batch_id: str) -> None:
        if not self._ask(lambda here: here.cancel(batch_id)):
            raise _unknown(batch_id)
        wake(self._folder)
        self._advance()

    def forget(self, batch_id: str) -> None:
        if not self._ask(lambda here: here.forget(batch_id)):
            raise ConflictError(f"job {batch_id} has not ended")

    def hold(self, batch_id: str) -> None:
        self._move(batch_id, "queued", "held")

    def release(self, batch_id: str) -> None:
        self._move(batch_id, "held", "queued")
        self._advance()

    def nodes(self) -> list[Node]:
        return [
            Node(
                name=os.uname().nodename,
                online=True,
                slots=int(self._settings["slots"] or 0),
                slots_used=self._ask(lambda here: here.cores_used()),
                load=os.getloadavg()[0],
                memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
            )
        ]

    def wait_for_change(self, timeout_seconds: float) -> bool:
        if self._listener is None or self._listener[0] != os.getpid():
            # Nothing was heard so far, so anything may have changed.
            self._listener = (os.getpid(), Listener(self._folder))
            return True
        return self._listener[1].wait(timeout_seconds)

    def close(self) -> None:
        if self._listener is not None and self._listener[0] == os.getpid():
            self._listener[1].close()
        self._listener = None
        connection = getattr(self._threads, "spool", None)
        if connection is not None:
            connection[1].close()
            del self._threads.spool
        self._reap()

    def _room(self, here: spool.Spool) -> int:
        return int(self._settings["queue_limit"] or 0) - here.unfinished()

    def _row(self, spec: JobSpec, *, has_room: bool) -> tuple[object, ...]:
        limits = spec.resources
        slots = int(self._settings["slots"] or 0)
        if limits.cores > slots:
            raise BadRequestError(f"{limits.cores} cores are wanted; this engine has {slots}")
        if not has_room and not self.find([spec.mark]):
            raise EngineError(f"the queue is full: {self._settings['queue_limit']} jobs")
        memory_mib = limits.memory_mib or self._settings["memory_mib"]
        pairs = (f"{name}={value}" for name, value in spec.environment.items())
        return (
            spec.mark,
            spec.owner,
            spec.name,
            _nul_terminated(spec.argv),
            _nul_terminated(pairs),
            os.fsencode(spec.folder),
            os.fsencode(spec.stdout),
            os.fsencode(spec.stderr),
            spec.output_limit_bytes,
            limits.cores,
            memory_mib * _MIB if memory_mib else None,
            limits.wall_seconds or self._settings["wall_seconds"],
            limits.cpu_seconds or self._settings["cpu_seconds"],
            "queued",
            time.time(),
        )

    def _move(self, batch_id: str, before: str, after: str) -> None:
        if self._ask(lambda here: here.move(batch_id, before, after)):
            wake(self._folder)
            return
        state = self._ask(lambda here: here.state(batch_id))
        if state is None:
            raise _unknown(batch_id)
        if state != after:
            raise ConflictError(f"job {batch_id} is {state}, not {before}")

    def _ask(self, question: Callable[[spool.Spool], T]) -> T:
        """Use this thread's connection; a connection does not pass from a process to its fork."""
        try:
            here = getattr(self._threads, "spool", None)
            if here is None or here[0] != os.getpid():
                here = self._threads.spool = (os.getpid(), spool.Spool(self._folder))
            return question(here[1])
        except (OSError, sqlite3.Error) as error:
            raise EngineError(f"cannot use the spool {self._folder}: {error}") from error

    def _advance(self, *, wait: bool = True) -> None:
        """Move the queue on; that it cannot move now changes nothing for the caller."""
        self._reap()
        try:
            started = self._ask(lambda here: schedule.advance(here, wait=wait))
        except EngineError as error:
            log.warning("the local queue does not move: %s", error)
        else:
            self._supervisors.update(started)

    def _reap(self) -> None:
        for pid in list(self._supervisors):
            try:
                ended, _ = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:  # of the process that this one was forked from
                ended = pid
            if ended:
                self._supervisors.discard(pid)


def _checked(settings: Mapping[str, Any]) -> dict[str, float | None]:
    values: dict[str, float | None] = {
        "slots": len(os.sched_getaffinity(0)),
        "grace_seconds": 5.0,
        "process_limit": 1000,
        "queue_limit": 100_000,
        "memory_mib": None,
        "wall_seconds": None,
        "cpu_seconds": None,
    }
    faults = [f"unknown setting {name!r}" for name in settings if name not in values]
    for name in settings.keys() & values.keys():
        value = settings[name]
        kinds = (int, float) if name == "grace_seconds" else (int,)
        if isinstance(value, bool) or not isinstance(value, kinds) or value <= 0:
            faults.append(f"{name} must be a number above 0; it is {value!r}")
        else:
            values[name] = value
    if faults:
        raise BadRequestError(f"the local engine's settings: {'; '.join(sorted(faults))}")
    return values


def _helper(settings: Mapping[str, Any]) -> list[str]:
    """The command of the account helper; no folder is searched for it."""
    words = settings.get("accounts", [])
    is_command = isinstance(words, list) and all(isinstance(one, str) and one for one in words)
    if not is_command or (words and not words[0].startswith("/")):
        raise BadRequestError(
            "the local engine's settings: accounts must be a command as a list that begins with "
            f"an absolute path; it is {words!r}"
        )
    return list(words)


def _nul_terminated(texts: Iterable[str]) -> bytes:
    return b"".join(os.fsencode(text) + b"\0" for text in texts)


def _unknown(batch_id: str) -> NotFoundError:
    return NotFoundError(f"the local engine knows no job {batch_id!r}")


def _status(row: sqlite3.Row) -> JobStatus:
    started = _instant(row["started"])
    return JobStatus(
        state=_STATES[row["state"]],
        exit_code=row["exit_code"],
        signal=row["signal"],
        reason=row["reason"],
        started=started,
        ended=_instant(row["ended"]),
        cpu_seconds=row["cpu_seconds"],
        peak_memory_bytes=row["peak_memory_bytes"],
        node=os.uname().nodename if started else None,
    )


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
