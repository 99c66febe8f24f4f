"""What a batch system is to the portal: one interface, whichever system does the work.

An engine is registered under ``ijp.batch_engines``, chosen by name in the settings and made once
per process. All its state is in the batch system or under its folder, so that several processes
may each have one and any of them may be killed at any moment.

How the systems fit that come later: an array is what ``submit_many`` may make of specs that agree
in all but their command, each element having its own batch id; what accounting knows of an ended
job comes back through ``status``; dependencies and accounts become fields of ``JobSpec`` with a
default, and a member of ``Capability`` that tells whether an engine takes them.
"""

from __future__ import annotations

import os
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar

from ijp.errors import BadRequestError, NotImplementedHereError, PortalError

MARK = re.compile(r"[0-9A-Z]{26}")
"""What a mark looks like: a ULID, so that nobody else's has the same."""

DEFAULT_OUTPUT_LIMIT_BYTES = 64 * 1024 * 1024


class EngineState(Enum):
    """Where a job is in its batch system."""

    QUEUED = "queued"
    HELD = "held"
    RUNNING = "running"
    ENDED = "ended"
    UNKNOWN = "unknown"
    """The system knows the job, but said something about it that nobody can interpret."""


class Capability(Enum):
    """What not every engine can do; ``BatchEngine.capabilities`` has what this one can."""

    HOLD = "hold"
    RELEASE = "release"
    NODES = "nodes"
    LIVE_OUTPUT = "live output"
    """The output files grow while the job runs; otherwise they appear when it has ended."""
    WAKES = "wakes"
    """``wait_for_change`` returns as soon as something changed, not only after the timeout."""


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a job may use at most; None is no limit of its own, the engine's default holds.

    Memory and CPU time are those of all the job's processes together.
    """

    cores: int = 1
    memory_mib: int | None = None
    wall_seconds: int | None = None
    cpu_seconds: int | None = None


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
    """

    name: str
    online: bool
    slots: int
    slots_used: int
    load: float | None = None
    memory_bytes: int | None = None


class BatchEngine(ABC):
    """A batch system. Its methods may be called from several threads and processes at once.

    Batch ids are the engine's own and mean nothing to others. An error of the system itself is an
    EngineError: asking again may help.
    """

    name: ClassVar[str]
    capabilities: ClassVar[frozenset[Capability]]

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

    def nodes(self) -> list[Node]:
        """The hosts that run jobs."""
        raise self._cannot(Capability.NODES)

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


def check(spec: JobSpec) -> None:
    """Refuse what no engine may be given, before it reaches one.

    Raises:
        BadRequestError: Names the first fault found.
    """
    if not MARK.fullmatch(spec.mark):
        raise BadRequestError(f"a mark is 26 characters 0-9 A-Z; this is {spec.mark!r}")
    if not spec.owner:
        raise BadRequestError("a job has no owner")
    _check_texts(spec)
    for path in (spec.folder, spec.stdout, spec.stderr):
        if not path.is_absolute():
            raise BadRequestError(f"not an absolute path: {str(path)!r}")
    if not spec.folder.is_dir():
        raise BadRequestError(f"the job's folder does not exist: {str(spec.folder)!r}")
    if spec.stdout == spec.stderr:
        raise BadRequestError(f"standard output and error are one file: {str(spec.stdout)!r}")
    _check_numbers(spec)


def _check_texts(spec: JobSpec) -> None:
    if not spec.argv or not spec.argv[0]:
        raise BadRequestError("a job has no program")
    paths = (str(spec.folder), str(spec.stdout), str(spec.stderr))
    names_values = (text for pair in spec.environment.items() for text in pair)
    for text in (*spec.argv, *names_values, *paths, spec.owner, spec.name):
        if "\0" in text:
            raise BadRequestError(f"a NUL character cannot be passed to a program: {text!r}")
        try:
            os.fsencode(text)
        except UnicodeEncodeError as error:
            raise BadRequestError(f"not text that can be passed to a program: {text!r}") from error
    for name in spec.environment:
        if not name or "=" in name:
            raise BadRequestError(f"not the name of an environment variable: {name!r}")


def _check_numbers(spec: JobSpec) -> None:
    limits = spec.resources
    numbers = {
        "cores": limits.cores,
        "memory_mib": limits.memory_mib,
        "wall_seconds": limits.wall_seconds,
        "cpu_seconds": limits.cpu_seconds,
        "output_limit_bytes": spec.output_limit_bytes,
    }
    for name, number in numbers.items():
        if number is not None and not 1 <= number < 2**53:
            raise BadRequestError(f"{name} must be at least 1 and can be stored; it is {number}")
