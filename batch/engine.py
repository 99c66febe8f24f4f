"""What a batch system is to the portal: one interface, whichever system does the work.

An engine is registered under ``ijp.batch_engines``, chosen by name in the settings and made once
per process. All its state is in the batch system or under its folder, so that several processes
may each have one and any of them may be killed at any moment.

An array is what ``submit_many`` may make of specs that agree in all but their command, each element
having its own batch id; what accounting knows of an ended job comes back through ``status``.
Engines that run commands of a batch system derive from ``batch.command_engine.CommandEngine``.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar

from batch.resources import Resources
from ijp.errors import NotImplementedHereError, PortalError

DEFAULT_OUTPUT_LIMIT_BYTES = 64 * 1024 * 1024


class EngineState(Enum):
    """Where a job is in its batch system."""

    QUEUED = "queued"
    HELD = "held"
    RUNNING = "running"
    SUSPENDED = "suspended"
    ENDED = "ended"
    UNKNOWN = "unknown"
    """The system knows the job, but said something about it that nobody can interpret."""


class Capability(Enum):
    """What not every engine can do; ``BatchEngine.capabilities`` has what this one can."""

    HOLD = "hold"
    RELEASE = "release"
    SUSPEND = "suspend"
    """``suspend`` and ``resume``."""
    REQUEUE = "requeue"
    ALTER = "alter"
    NODES = "nodes"
    NODE_OFFLINE = "set nodes offline"
    """``set_offline`` and ``set_online``."""
    ARRAYS = "arrays"
    """``submit_many`` makes one array of specs that agree, so that thousands are one call."""
    DEPENDENCIES = "dependencies"
    """``JobSpec.after`` is heeded; others refuse it."""
    RUN_AS = "run as another user"
    """``JobSpec.run_as`` is heeded; others refuse it."""
    RAW_OPTIONS = "options of the batch system"
    """``JobSpec.options`` may be allowed by the settings; others refuse them."""
    ACCOUNTING = "accounting"
    """How a job ended is known from the system's records even after it left the queue."""
    LIVE_OUTPUT = "live output"
    """The output files grow while the job runs; otherwise they appear when it has ended."""
    OTHERS = "list jobs of others"
    """``others``: jobs that were submitted in other ways are in what is asked for anyway."""
    WAKES = "wakes"
    """``wait_for_change`` returns as soon as something changed, not only after the timeout."""


class When(Enum):
    """What a job waits for in another."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ENDED = "ended"
    STARTED = "started"


@dataclass(frozen=True, kw_only=True)
class Dependency:
    """That a job waits for another of the same engine; it ends unrun if that can never be."""

    batch_id: str
    when: When = When.SUCCEEDED


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """A program to run once.

    Attributes:
        mark: Unique, given by the caller (26 characters as of a ULID): what makes a submission
            idempotent. The job finds it in its environment as ``IJP_MARK``.
        owner: Whose job it is; the queue is fair among owners.
        argv: The program and its arguments, as it receives them; no shell sees them. A program
            without a slash is looked for on the ``PATH`` of ``environment``.
        environment: All that the job gets, but for a minimal PATH where none is given. Nothing
            secret: name a file.
        folder: The job's directory, which exists; it is its current directory.
        stdout: Where standard output goes. The engine creates it, private, and refuses a file
            that exists or is a link.
        stderr: Where standard error goes, likewise; not the same file.
        name: What an operator sees in the queue.
        output_limit_bytes: What is kept of each output; what follows is read and dropped, and a
            last line tells so.
        after: What has to happen first.
        run_as: The Unix account that the job runs as; "" is the engine's own choice. The caller
            has seen to it that the account can use the folder and make the outputs.
        family: From whose pool of Unix accounts the job gets one, where the engine has pools; "" is
            the default family.
        report: The job's file, with which its start and end are reported to the portal at once
            (``batch.job.report``), where the engine does not notice them by itself; None: they
            are not.
        options: Options for the batch system as its manual has them, each as one text such as
            "--qos=high" or "-P neutrons". Engines take only those that their settings allow.
    """

    mark: str
    owner: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    stdout: Path
    stderr: Path
    resources: Resources = field(default_factory=Resources)
    name: str = ""
    output_limit_bytes: int = DEFAULT_OUTPUT_LIMIT_BYTES
    after: tuple[Dependency, ...] = ()
    run_as: str = ""
    family: str = ""
    report: Path | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class JobStatus:
    """What an engine knows of a job; None is what it does not know.

    A job has succeeded if it has ended, its exit code is 0 and there is no reason. Nothing else
    is success: not an absent job, and not an absent exit code.

    Attributes:
        exit_code: What the program returned; None if a signal ended it or it never ran. 127 and
            126 are also given where the program was not found or could not be run.
        signal: The number of the signal that ended the program.
        reason: For the user, why it ended as it did: "" if the program decided that itself,
            otherwise words such as "wall time limit of 60 s", "memory limit of 512 MiB",
            "cancelled" or "program not found: x". What of the output was lost is said here too.
            Of a queued job, in the system's words, what keeps it there beside the queue.
        started: UTC, as ``ended``.
        peak_memory_bytes: The most that all its processes together were seen to use.
        node: The host it runs or ran on.
    """

    state: EngineState
    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    node: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the job is known to have ended well."""
        return self.state is EngineState.ENDED and self.exit_code == 0 and not self.reason


@dataclass(frozen=True, kw_only=True)
class Node:
    """A host that runs jobs.

    Attributes:
        online: Whether new jobs are started there.
        slots: How many cores jobs may use there.
        slots_used: How many cores jobs use there now.
        load: The average number of processes that wanted to run in the last minute.
        state: In the system's own words; "" where it has none.
        reason: Why it is offline, as somebody or the system wrote it down.
        features: What jobs may ask for that runs here only.
    """

    name: str
    online: bool
    slots: int
    slots_used: int
    load: float | None = None
    memory_bytes: int | None = None
    state: str = ""
    reason: str = ""
    gpus: int = 0
    features: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ForeignJob:
    """A job that nobody submitted by an engine of ours; what its owner wrote is not to be trusted.

    Attributes:
        native_id: The system's own number.
        owner: The account at the system.
        submitted: UTC, as ``status.started``; None if it is not known.
    """

    native_id: str
    name: str
    owner: str
    queue: str
    status: JobStatus
    submitted: datetime | None = None


class BatchEngine(ABC):
    """A batch system. Its methods may be called from several threads and processes at once.

    Batch ids are the engine's own and mean nothing to others. An error of the system itself is an
    EngineError: asking again may help.
    """

    name: ClassVar[str]
    capabilities: frozenset[Capability]
    at_once: int = 50
    """On how many jobs ``cancel_many`` and the like act in a moment."""

    @abstractmethod
    def __init__(self, settings: Mapping[str, Any], folder: Path) -> None:
        """Make ready to talk to the system.

        Args:
            settings: The engine's own table of the settings.
            folder: For the engine alone; it is created, private, where it is absent.

        Raises:
            BadRequestError: A setting is unknown or wrong; the message names all of them.
        """

    @abstractmethod
    def submit(self, spec: JobSpec) -> str:
        """Put a job into the queue, once per mark.

        Returns:
            The batch id. A mark that the engine knows gives the id it has and starts nothing.

        Raises:
            BadRequestError: The spec cannot be run by any engine; submitting again cannot help.
            EngineError: The system did not take it; whether it got it, ``find`` tells.
        """

    def submit_many(self, specs: Sequence[JobSpec]) -> list[str | PortalError]:
        """Put jobs into the queue, each as ``submit`` does; one that is refused stops no other.

        Returns:
            For each spec, in order, the batch id or (not raised) the error of that spec.
        """
        answers: list[str | PortalError] = []
        for spec in specs:
            try:
                answers.append(self.submit(spec))
            except PortalError as error:
                answers.append(error)
        return answers

    @abstractmethod
    def find(self, marks: Iterable[str]) -> dict[str, str]:
        """The batch ids by mark; a mark that was never submitted, or is forgotten, is absent."""

    @abstractmethod
    def status(self, batch_ids: Collection[str]) -> dict[str, JobStatus]:
        """What is known of these jobs, in one call; what the engine does not know is absent."""

    @abstractmethod
    def cancel(self, batch_id: str) -> None:
        """Have a job end: from the queue at once, running soon; one that has ended stays so.

        Raises:
            NotFoundError: The engine does not know this job.
        """

    def cancel_many(self, batch_ids: Sequence[str]) -> list[PortalError | None]:
        """Have jobs end, each as ``cancel`` does; what goes wrong with one stops no other.

        Returns:
            For each, in order, None or (not raised) the error of that job.
        """
        return each(self.cancel, batch_ids)

    @abstractmethod
    def forget(self, batch_id: str) -> None:
        """Drop the records of a job that has ended; nothing to do if there are none.

        The output files stay. Its mark could be submitted again after this.

        Raises:
            ConflictError: The job has not ended.
        """

    def hold(self, batch_id: str) -> None:
        """Keep a queued job from starting until it is released.

        Raises:
            NotFoundError: The engine does not know this job.
            ConflictError: It is neither queued nor held.
        """
        raise self._cannot(Capability.HOLD)

    def release(self, batch_id: str) -> None:
        """Let a held job start when its turn comes.

        Raises:
            NotFoundError: The engine does not know this job.
            ConflictError: It is neither held nor queued.
        """
        raise self._cannot(Capability.RELEASE)

    def hold_many(self, batch_ids: Sequence[str]) -> list[PortalError | None]:
        """Keep queued jobs from starting, each as ``hold`` does; answers as ``cancel_many``."""
        return each(self.hold, batch_ids)

    def release_many(self, batch_ids: Sequence[str]) -> list[PortalError | None]:
        """Let held jobs start, each as ``release`` does; answers as ``cancel_many``."""
        return each(self.release, batch_ids)

    def suspend(self, batch_id: str) -> None:
        """Stop a running job where it is; it keeps its memory.

        Raises:
            NotFoundError: The engine does not know this job.
            ConflictError: It is neither running nor suspended.
        """
        raise self._cannot(Capability.SUSPEND)

    def resume(self, batch_id: str) -> None:
        """Let a suspended job go on; raises as ``suspend``."""
        raise self._cannot(Capability.SUSPEND)

    def requeue(self, batch_id: str) -> None:
        """End a running job and have it start anew, from its beginning, with its outputs empty.

        Raises:
            NotFoundError: The engine does not know this job.
            ConflictError: It does not run.
        """
        raise self._cannot(Capability.REQUEUE)

    def alter(self, batch_id: str, changes: Mapping[str, Any]) -> None:
        """Change what a job may use that has not started; the names are those of ``Resources``.

        Raises:
            BadRequestError: This engine cannot change one of these; nothing is changed.
            NotFoundError: The engine does not know this job.
            ConflictError: It has started.
        """
        raise self._cannot(Capability.ALTER)

    def nodes(self) -> list[Node]:
        """The hosts that run jobs."""
        raise self._cannot(Capability.NODES)

    def others(self) -> list[ForeignJob]:
        """Jobs without a mark, as the last ``status`` saw them; each look is given once.

        The system is asked only where there was no look since the last call.
        """
        raise self._cannot(Capability.OTHERS)

    def set_offline(self, node: str, reason: str) -> None:
        """Start no new jobs on a host; those that run there go on.

        Raises:
            NotFoundError: There is no such host.
        """
        raise self._cannot(Capability.NODE_OFFLINE)

    def set_online(self, node: str) -> None:
        """Let a host run jobs again; raises as ``set_offline``."""
        raise self._cannot(Capability.NODE_OFFLINE)

    def wait_for_change(self, timeout_seconds: float) -> bool:
        """Wait until some job started, ended or was held, or the time is over.

        A change since this engine object last waited counts, so none is missed between two
        calls; for one thread per engine object.

        Returns:
            Whether something may have changed; always true where the engine cannot tell.
        """
        time.sleep(timeout_seconds)
        return True

    def close(self) -> None:  # noqa: B027  # most engines have nothing to let go
        """Let go of what this object holds open; jobs are not touched."""

    def _cannot(self, capability: Capability) -> NotImplementedHereError:
        return NotImplementedHereError(f"the batch engine {self.name!r} cannot {capability.value}")


def each(act: Callable[[str], None], batch_ids: Sequence[str]) -> list[PortalError | None]:
    """Do it to one after the other; gives what went wrong with each."""
    answers: list[PortalError | None] = []
    for batch_id in batch_ids:
        try:
            act(batch_id)
        except PortalError as error:
            answers.append(error)
        else:
            answers.append(None)
    return answers
