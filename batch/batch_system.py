"""What is peculiar to a batch system: which commands to run, and how to read what they print.

**What a subclass gives**: ``name``, ``capabilities``, ``resource_names``, ``job_id_text`` and
``task_index_text``, ``actions``, and the abstract methods ``submit_arguments`` and ``listing``;
``submitted`` and ``refused`` where what the submission prints needs more than a number to be found;
and by capability ``element_id`` and ``array_of``, ``alterable`` and ``alter_arguments``, ``ended``,
``nodes``, ``set_offline``, ``set_online``. ``docs/engines.md`` shows a whole one.

**The mark**: the system's record of a job has to carry its ``tag``, in the name, a comment or a
variable. ``listing`` gives it back, so that a job is known as ours whatever its number: a system
that was set up anew counts from 1 again, and another's job 17 is not taken for ours.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from batch.command import Answer, Commands
from batch.command_settings import CommandSettings, read_settings
from batch.engine import BatchEngine, Capability, ForeignJob, JobSpec, JobStatus, When
from batch.records import JobRecords
from ijp.errors import EngineError, NotFoundError

AFTER = {
    When.SUCCEEDED: "afterok",
    When.FAILED: "afternotok",
    When.ENDED: "afterany",
    When.STARTED: "after",
}
"""What Slurm and the PBS systems call what one job waits for in another."""

_NODE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, kw_only=True)
class ListedJob:
    """What the batch system itself says of one job, or of one element of an array.

    Attributes:
        native_id: As ``read_submitted`` gives it; of an element as ``element_id`` does.
        tag: What was found where the tag belongs; "" if the job has none: it is somebody else's.
        status: ``reason`` only where the system, not the program, decided the end; what cannot be
            interpreted is ``EngineState.UNKNOWN``.
        foreign: Of a job without a tag, what else is known of it, where the listing says that.
    """

    native_id: str
    tag: str
    status: JobStatus
    foreign: ForeignJob | None = None


@dataclass(frozen=True, kw_only=True)
class Request:
    """A job or an array that is to be submitted.

    Attributes:
        spec: The job; for an array the first of them: they agree in all that matters here.
        tag: Has to get into the system's record of the job.
        label: For people who look at the queue: letters, digits, ``._-``, beginning with a letter.
        script: The job script, a file; nothing of the user's is in it.
        log: Where the system is to write what the script prints, both streams; of an array's
            element there follow "-" and its number.
        size: How many elements the array has, numbered from 1; None if it is none.
        options: The raw options that the settings allow, ready as arguments.
        after: Native ids of jobs that have not ended, with what is waited for in them.
    """

    spec: JobSpec
    tag: str
    label: str
    script: Path
    log: Path
    size: int | None
    options: tuple[str, ...]
    after: tuple[tuple[str, When], ...]


class BatchSystem(BatchEngine):
    """A batch system behind its commands; see the module for what a subclass has to give."""

    resource_names: ClassVar[frozenset[str]]
    """Those of ``Resources`` that the engine can give; others are refused."""
    job_id_text: ClassVar[str]
    """For the job script, in sh: the native id, such as ``$JOB_ID``; of an element its own."""
    task_index_text: ClassVar[str] = ""
    """For the job script, in sh: an element's number, such as ``$PBS_ARRAYID``."""
    submitted: ClassVar[re.Pattern[str]] = re.compile(r"^\s*([0-9]+)\s*$")
    """Finds the native id, as its first group, in what a submission prints."""
    refused: ClassVar[re.Pattern[str] | None] = None
    """Finds, in what a submission says on standard error, that trying again cannot mend it."""
    element_separator: ClassVar[str] = "_"
    """Between an array's native id and the number of an element."""
    actions: ClassVar[Mapping[str, tuple[str, ...]]]
    """The commands of cancel, hold, release, suspend, resume, requeue, before the native id."""
    together: ClassVar[frozenset[str]] = frozenset()
    """Those of cancel, hold and release whose commands take any number of ids."""
    guard: ClassVar[str] = ""
    """The program of ``batch.job`` above the runner, where all of a job is killed at once."""
    operator_actions: ClassVar[frozenset[str]] = frozenset({"suspend", "resume"})
    """Those that only an operator may do; the others are done as the job's account."""
    alterable: ClassVar[frozenset[str]] = frozenset()
    """Those of ``Resources`` that ``alter`` can change."""
    settings_of_its_own: ClassVar[Mapping[str, Any]] = {}
    """Further settings with their defaults, whose types hold; for ``self.settings.own``."""

    def __init__(self, settings: Mapping[str, Any], folder: Path) -> None:
        self.settings: CommandSettings = read_settings(
            settings, self.name, self.settings_of_its_own
        )
        if self.guard:
            guard = self.settings.runner.with_name(self.guard)
            self.settings = replace(self.settings, runner=guard)
        self._folder = folder.absolute()
        self._records = JobRecords(self._folder)
        self._commands = Commands(
            folder=self.settings.command_folder,
            environment=self.settings.environment,
            timeout_seconds=self.settings.timeout_seconds,
            engine=self.name,
        )

    @abstractmethod
    def submit_arguments(self, request: Request) -> list[str]:
        """The command that submits; it is run as the account, without a standard input.

        Raises:
            BadRequestError: The system cannot be told this.
        """

    @abstractmethod
    def listing(self) -> dict[str, ListedJob]:
        """All jobs of all users that the system has in its queue, by native id, in one call.

        One that cannot be interpreted does not hide the others.

        Raises:
            EngineError: The system does not answer.
        """

    def listed(self, tags: Mapping[str, str]) -> dict[str, ListedJob]:
        """What the system says of these jobs, and maybe others; for status.

        Args:
            tags: By native id, what the record of our own job has as its tag.
        """
        return self.listing()

    def read_submitted(self, answer: Answer) -> str:
        """The native id out of what the submission printed.

        Raises:
            EngineError: There is none.
        """
        found = self.submitted.search(answer.stdout)
        if found is None:
            command = answer.command.partition(" ")[0]
            raise EngineError(f"{command} gave no job id: {answer.first_line!r}")
        return found[1]

    def refused_for_good(self, answer: Answer) -> bool:
        """Whether a submission failed in a way that trying again cannot mend."""
        return self.refused is not None and self.refused.search(answer.stderr) is not None

    def element_id(self, native_id: str, index: int) -> str:
        """The native id of an array's element, such as "17_3"."""
        return f"{native_id}{self.element_separator}{index}"

    def array_of(self, element_id: str) -> str:
        """The native id of the array that an element belongs to."""
        return element_id.partition(self.element_separator)[0]

    def ended(self, native_ids: Sequence[str]) -> dict[str, ListedJob]:
        """What accounting, or any other memory, has of jobs; by native id.

        Asked for those that are not in the listing, or have ended there without an exit code where
        the runner left no record either: few.
        """
        return {}

    def alter_arguments(self, native_id: str, changes: Mapping[str, Any]) -> list[str]:
        """The command that changes a job; the names are among ``alterable``."""
        raise self._cannot(Capability.ALTER)

    def action_arguments(self, action: str, native_id: str) -> list[str]:
        """The command of an action; see ``actions``."""
        return [*self.actions[action], native_id]

    def arguments_for_many(self, action: str, native_ids: Sequence[str]) -> list[str]:
        """The command of an action on several jobs; only for actions in ``together``."""
        return [*self.actions[action], *native_ids]

    def run(self, arguments: Sequence[str], *, user: str = "", keep: Sequence[int] = ()) -> Answer:
        """Run one of the system's commands; arguments and errors as of ``Commands.run``."""
        return self._commands.run(arguments, user=user, keep=keep)

    def check_node(self, node: str) -> None:
        """Refuse what is not the name of a node, whatever a command would take it for.

        Raises:
            NotFoundError: No node is called this.
        """
        if not _NODE_NAME.fullmatch(node) or node not in {one.name for one in self.nodes()}:
            raise NotFoundError(f"the batch engine {self.name!r} has no node {node!r}")
