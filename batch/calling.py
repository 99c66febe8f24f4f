"""Engines that call Python code which knows the batch system, in a process of its own.

Such code prints, hangs, raises, starts threads and sets signal handlers. So a helper is run for
each call, like a command: with a time limit, with ``command_folder`` first on its PATH. What it
submitted it writes down itself, so that an answer is not lost with whoever waited for it.

It knows jobs by their ids only: no listing, no marks. A job whose submission was not answered is
found by what the helper or the job's runner left. If neither left anything, it is submitted again,
and should the first be there all the same, one of the two does not run: the runner of the later
one finds the record of the other, as each submission has a word of its own.
"""

from __future__ import annotations

import json
import secrets
import shlex
import sys
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from batch import witness
from batch.command import Answer, Commands
from batch.command_engine import CommandEngine, ListedJob, Request
from batch.engine import Capability, EngineState, JobStatus
from batch.records import read_text
from ijp.errors import EngineError

_AT_ONCE = 1000


class CallingEngine(CommandEngine):
    """A batch system behind Python code; its helper knows "submit", "status" and "cancel"."""

    helper: ClassVar[str]
    """The module that makes the calls."""
    capabilities = frozenset({Capability.LIVE_OUTPUT})
    # The word of this submission; the jobs are not told their ids.
    job_id_text: ClassVar[str] = "$1"
    operator_actions: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, settings: Mapping[str, Any], folder: Path) -> None:
        super().__init__(settings, folder)
        python = Path(sys.executable)
        self._call = [python.name, "-P", "-B", "-m", self.helper]
        path = f"{self.settings.command_folder}:/usr/bin:/bin"
        self._commands = Commands(
            folder=python.parent,
            environment={"PATH": path, **self.settings.environment},
            timeout_seconds=self.settings.timeout_seconds,
            engine=self.name,
            named_by=len(self._call) + 1,
        )

    @abstractmethod
    def target(self) -> str:
        """What the helper is to call, as its first argument."""

    @abstractmethod
    def submission(self, request: Request, command: Sequence[str]) -> Mapping[str, Any]:
        """What the helper needs to submit a job that runs a command."""

    @abstractmethod
    def translated(self, told: Any) -> JobStatus | None:
        """What the code's word about a job means; None if it knows no such job."""

    def submit_arguments(self, request: Request) -> list[str]:
        # The first letter tells it from an id of the system.
        word = f"w{secrets.token_hex(8)}"
        content = self.submission(request, [str(request.script), word])
        return ["submit", str(self._answer(request.tag)), json.dumps(content)]

    def action_arguments(self, action: str, native_id: str) -> list[str]:
        return [action, native_id]

    def run(self, arguments: Sequence[str], *, user: str = "", keep: Sequence[int] = ()) -> Answer:
        """Call the helper; arguments and errors as of ``Commands.run``."""
        function, *rest = arguments
        line = [*self._call, self.target(), function, *rest]
        return self._commands.run(line, user=user, keep=keep)

    def listing(self) -> dict[str, ListedJob]:
        """What helpers have submitted and nobody was told, or was told long ago."""
        listed = {}
        for place in self._folder.glob("jobs/*/answer"):
            native_id = (read_text(place) or "").strip()
            if native_id:
                status = JobStatus(state=EngineState.UNKNOWN)
                tag = place.parent.name
                listed[native_id] = ListedJob(native_id=native_id, tag=tag, status=status)
        return listed

    def listed(self, tags: Mapping[str, str]) -> dict[str, ListedJob]:
        """What is said of these jobs, which have to be known by their ids alone.

        Raises:
            EngineError: Nothing is said of any of them.
        """
        told: dict[str, Any] = {}
        # There are no arrays, so that a job's tag is its mark.
        wanted = sorted(one for one, mark in tags.items() if not self._is_settled(mark))
        while wanted:
            answers = self._asked(wanted[:_AT_ONCE])
            if not answers.keys() & set(wanted):
                raise EngineError(f"{self.target()}: no answer about jobs")
            told |= answers
            wanted = [one for one in wanted if one not in told]
        problems = [one["error"] for one in told.values() if isinstance(one, dict)]
        if told and len(problems) == len(told):
            raise EngineError(f"{self.target()}: {problems[0]}")
        listed = {}
        for native_id, said in told.items():
            unknown = JobStatus(state=EngineState.UNKNOWN)
            status = unknown if isinstance(said, dict) else self.translated(said)
            if status is not None and native_id in tags:
                tag = tags[native_id]
                listed[native_id] = ListedJob(native_id=native_id, tag=tag, status=status)
        return listed

    def _asked(self, native_ids: Sequence[str]) -> dict[str, Any]:
        seconds = self.settings.timeout_seconds
        answer = self.run(["status", f"{seconds:g}", *native_ids])
        try:
            told = json.loads(answer.stdout)
        except ValueError as error:
            raise EngineError(f"{self.target()}: no answer about jobs: {error}") from error
        if not isinstance(told, dict):
            raise EngineError(f"{self.target()}: no answer about jobs: {told!r:.100}")
        return told

    def _is_settled(self, mark: str) -> bool:
        """Whether asking could tell nothing that the runner has not recorded."""
        return witness.settles(self._records.end(mark)) and not self._records.is_cancelled(mark)

    def _answer(self, mark: str) -> Path:
        return self._records.job(mark) / "answer"

    def _native_id(self, batch_id: str, mark: str) -> str:
        """The id that was told; of a job that only its runner knows of, the submission's word."""
        known = batch_id.rpartition("/")[0]
        return known or str((self._records.start(mark) or {}).get("id", ""))


def shell_command(command: Sequence[str], log: Path) -> str:
    """For a shell: the command, with what it prints going into the log."""
    return f"{shlex.join(command)} > {shlex.quote(str(log))} 2>&1"
