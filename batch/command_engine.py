"""Engines that run a batch system's commands: what is the same for all of them.

A subclass says which commands to run, as argument lists, and reads what they print; it keeps no
state. Everything else is here: each mark is submitted once, found again after a crash, followed by
one listing for all jobs of all users, and its end is told from two witnesses.

**What a subclass gives**: ``name``, ``capabilities``, ``resource_names``, ``job_id_text`` and
``task_index_text``, ``actions``, and the abstract methods ``submit_arguments``, ``read_submitted``
and ``listing``; and where the system has them ``ended``, ``nodes``, ``set_offline``,
``set_online``, ``alter_arguments``. ``docs/engines.md`` shows a whole one.

**The mark**: the system's record of a job has to carry its ``tag``, in the name, a comment or a
variable. ``listing`` gives it back, so that a job is known as ours whatever its number: a system
that was set up anew counts from 1 again, and another's job 17 is not taken for ours.

**Batch ids** are ``NATIVE/MARK``: the system's own id, and the mark that it has to belong to.

**Two witnesses**: what the runner left on disk (``batch.job.runner``) tells how a program ended by
itself, and it does not run again. Until then, while the system has the job, its word counts.
When it says that the job has ended, or has forgotten it, the runner's record tells how, and the
system's word is the second: why it was ended from outside, or how it ended if the runner could
leave nothing. If neither knows, the job is absent from ``status``: absence is not success.
"""

from __future__ import annotations

import re
import shlex
import time
from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from batch import witness
from batch.check import check, check_capabilities
from batch.command import Answer, CommandFailedError, Commands
from batch.command_settings import CommandSettings, read_settings, split_options
from batch.engine import (
    BatchEngine,
    Capability,
    Dependency,
    EngineState,
    JobSpec,
    JobStatus,
    When,
)
from batch.records import JobRecords, Submission
from batch.resources import check_supported
from ijp.errors import BadRequestError, ConflictError, EngineError, NotFoundError, PortalError

_ACTIVE = {EngineState.QUEUED, EngineState.HELD, EngineState.RUNNING, EngineState.SUSPENDED}
_NATIVE_ID = re.compile(r"[0-9][A-Za-z0-9_.:\[\]-]*")


@dataclass(frozen=True, kw_only=True)
class ListedJob:
    """What the batch system itself says of one job, or of one element of an array.

    Attributes:
        native_id: As ``read_submitted`` gives it; of an element as ``element_id`` does.
        tag: What was found where the tag belongs; "" if the job has none: it is somebody else's.
        status: ``reason`` only where the system, not the program, decided the end; what cannot be
            interpreted is ``EngineState.UNKNOWN``.
    """

    native_id: str
    tag: str
    status: JobStatus


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


class CommandEngine(BatchEngine):
    """A batch system behind its commands; see the module for what a subclass has to give."""

    resource_names: ClassVar[frozenset[str]]
    """Those of ``Resources`` that the engine can give; others are refused."""
    job_id_text: ClassVar[str]
    """For the job script, in sh: the native id, such as ``$JOB_ID``; of an element its own."""
    task_index_text: ClassVar[str] = ""
    """For the job script, in sh: an element's number, such as ``$PBS_ARRAYID``."""
    actions: ClassVar[Mapping[str, tuple[str, ...]]]
    """The commands of cancel, hold, release, suspend, resume, requeue, before the native id."""
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
        self._folder = folder.absolute()
        self._without_end: dict[str, float] = {}
        self._records = JobRecords(self._folder)
        self._commands = Commands(
            folder=self.settings.command_folder,
            environment=self.settings.environment,
            timeout_seconds=self.settings.timeout_seconds,
        )

    # What subclasses implement.

    @abstractmethod
    def submit_arguments(self, request: Request) -> list[str]:
        """The command that submits; it is run as the account, without a standard input.

        Raises:
            BadRequestError: The system cannot be told this.
        """

    @abstractmethod
    def read_submitted(self, answer: Answer) -> str:
        """The native id out of what the submission printed.

        Raises:
            EngineError: There is none.
        """

    @abstractmethod
    def listing(self) -> dict[str, ListedJob]:
        """All jobs of all users that the system has in its queue, by native id, in one call.

        One that cannot be interpreted does not hide the others.

        Raises:
            EngineError: The system does not answer.
        """

    def element_id(self, native_id: str, index: int) -> str:
        """The native id of an array's element, such as "17_3"."""
        raise NotImplementedError

    def ended(self, native_ids: Sequence[str]) -> dict[str, ListedJob]:
        """What accounting, or any other memory, has of jobs; by native id.

        Asked for those that are not in the listing, or have ended there without an exit code where
        the runner left no record either: few.
        """
        return {}

    def alter_arguments(self, native_id: str, changes: Mapping[str, Any]) -> list[str]:
        """The command that changes a job; the names are among ``alterable``."""
        raise NotImplementedError

    def refused_for_good(self, answer: Answer) -> bool:
        """Whether a submission failed in a way that trying again cannot mend."""
        return False

    def action_arguments(self, action: str, native_id: str) -> list[str]:
        """The command of an action; see ``actions``."""
        return [*self.actions[action], native_id]

    def run(self, arguments: Sequence[str], *, user: str = "", keep: Sequence[int] = ()) -> Answer:
        """Run one of the system's commands; arguments and errors as of ``Commands.run``."""
        return self._commands.run(arguments, user=user, keep=keep)

    # What they inherit.

    def submit(self, spec: JobSpec) -> str:
        answer = self.submit_many([spec])[0]
        if isinstance(answer, PortalError):
            raise answer
        return answer

    def submit_many(self, specs: Sequence[JobSpec]) -> list[str | PortalError]:
        specs = [
            replace(spec, resources=self.settings.with_defaults(spec.resources)) for spec in specs
        ]
        answers: dict[str, str | PortalError] = {}
        refused: dict[int, PortalError] = {}
        new: dict[str, JobSpec] = {}
        with self._records.locked():
            wanted = [spec.mark for spec in specs]
            try:
                answers.update(self.find(wanted))
            except EngineError as error:
                return [error] * len(specs)
            for place, spec in enumerate(specs):
                if spec.mark in answers or spec.mark in new:
                    continue
                try:
                    self._check(spec)
                    new[spec.mark] = spec
                except PortalError as refusal:
                    refused[place] = refusal
            for group in self._groups(list(new.values())):
                answers.update(self._submit_group(group))
        return [refused.get(place) or answers[spec.mark] for place, spec in enumerate(specs)]

    def find(self, marks: Iterable[str]) -> dict[str, str]:
        """As the contract says; asks the system only for marks whose submission was cut short."""
        found: dict[str, str] = {}
        cut_short: dict[str, Submission] = {}
        for mark in marks:
            native_id = self._records.native_id(mark)
            submission = None if native_id else self._records.submission(mark)
            if native_id:
                found[mark] = f"{native_id}/{mark}"
            elif (started := self._native_id("", mark)) and submission is not None:
                found[mark] = self._known(mark, started)
            elif submission is not None:
                cut_short[mark] = submission
        if cut_short:
            listed = list(self.listing().values())
            for mark, submission in cut_short.items():
                for one in listed:
                    if one.tag == submission.tag and self._is_element(one, submission.index):
                        found[mark] = self._known(mark, one.native_id)
        return found

    def status(self, batch_ids: Collection[str]) -> dict[str, JobStatus]:
        asked = {
            batch_id: mark
            for batch_id in batch_ids
            if (mark := batch_id.rpartition("/")[2]) and self._records.exists(mark)
        }
        if not asked:
            return {}
        native = {batch_id: self._native_id(batch_id, mark) for batch_id, mark in asked.items()}
        tags = {mark: self._tag(mark) for mark in asked.values()}
        listed = self.listing()
        gone = [
            native_id
            for batch_id, native_id in native.items()
            if self._lacks_its_end(asked[batch_id], listed.get(native_id))
        ]
        listed |= self.ended(gone) if gone else {}
        statuses: dict[str, JobStatus] = {}
        for batch_id, mark in asked.items():
            one = listed.get(native[batch_id])
            known = one.status if one is not None and one.tag == tags[mark] else None
            told = self._judge(mark, known)
            if told is not None:
                statuses[batch_id] = told
        return statuses

    def cancel(self, batch_id: str) -> None:
        mark, status = self._status_of(batch_id)
        if status.state is EngineState.ENDED:
            return
        self._records.set_cancelled(mark)
        try:
            self._act("cancel", batch_id, mark)
        except CommandFailedError:
            if self._status_of(batch_id)[1].state is not EngineState.ENDED:
                raise

    def forget(self, batch_id: str) -> None:
        mark = batch_id.rpartition("/")[2]
        if not self._records.exists(mark):
            return
        status = self.status([batch_id]).get(batch_id)
        if status is not None and status.state is not EngineState.ENDED:
            raise ConflictError(f"job {batch_id} has not ended")
        self._records.remove(mark)
        self._without_end.pop(mark, None)

    def hold(self, batch_id: str) -> None:
        self._change("hold", Capability.HOLD, batch_id, EngineState.QUEUED, EngineState.HELD)

    def release(self, batch_id: str) -> None:
        self._change("release", Capability.RELEASE, batch_id, EngineState.HELD, EngineState.QUEUED)

    def suspend(self, batch_id: str) -> None:
        before, after = EngineState.RUNNING, EngineState.SUSPENDED
        self._change("suspend", Capability.SUSPEND, batch_id, before, after)

    def resume(self, batch_id: str) -> None:
        before, after = EngineState.SUSPENDED, EngineState.RUNNING
        self._change("resume", Capability.SUSPEND, batch_id, before, after)

    def requeue(self, batch_id: str) -> None:
        before, after = EngineState.RUNNING, EngineState.QUEUED
        self._change("requeue", Capability.REQUEUE, batch_id, before, after)

    def alter(self, batch_id: str, changes: Mapping[str, Any]) -> None:
        if Capability.ALTER not in self.capabilities:
            raise self._cannot(Capability.ALTER)
        if wrong := sorted(changes.keys() - self.alterable):
            raise BadRequestError(f"the batch engine {self.name!r} cannot change {wrong}")
        mark, status = self._status_of(batch_id)
        if status.state not in (EngineState.QUEUED, EngineState.HELD):
            raise ConflictError(f"job {batch_id} is {status.state.value}, not queued")
        run_as = self._run_as(mark)
        self.run(self.alter_arguments(self._native_id(batch_id, mark), changes), user=run_as)
        spec = self._records.spec(mark)
        self._records.replace_spec(mark, witness.altered(spec, changes), run_as)

    # How.

    def _check(self, spec: JobSpec) -> None:
        check(spec)
        check_capabilities(spec, self)
        check_supported(spec.resources, self.resource_names, self.name)
        self.settings.check_options(spec.options)

    def _groups(self, specs: Sequence[JobSpec]) -> list[list[JobSpec]]:
        """Specs that can be submitted together, at most as many as an array may have."""
        if Capability.ARRAYS not in self.capabilities or self.settings.array_limit < 2:
            return [[spec] for spec in specs]
        alike: dict[object, list[JobSpec]] = {}
        for spec in specs:
            key = (spec.owner, spec.name, spec.resources, spec.after, spec.run_as, spec.options)
            alike.setdefault(key, []).append(spec)
        most = self.settings.array_limit
        return [
            group[start : start + most]
            for group in alike.values()
            for start in range(0, len(group), most)
        ]

    def _submit_group(self, specs: Sequence[JobSpec]) -> dict[str, str | PortalError]:
        tag = specs[0].mark
        run_as = specs[0].run_as or self.settings.run_as
        is_array = len(specs) > 1
        try:
            for index, spec in enumerate(specs, start=1):
                submission = Submission(tag=tag, index=index if is_array else None, run_as=run_as)
                content = witness.runner_spec(spec, self.settings)
                self._records.prepare(spec.mark, submission, content)
            if is_array:
                self._records.prepare_array(tag, [spec.mark for spec in specs], run_as)
            request = self._request(specs, tag)
            answer = self.run(
                self.submit_arguments(request), user=run_as, keep=self._records.lock_descriptors
            )
            native_id = self.read_submitted(answer)
        except PortalError as error:
            return self._not_taken(specs, error)
        if not is_array:
            return {tag: self._known(tag, native_id)}
        return {
            spec.mark: self._known(spec.mark, self.element_id(native_id, index))
            for index, spec in enumerate(specs, start=1)
        }

    def _not_taken(
        self, specs: Sequence[JobSpec], error: PortalError
    ) -> dict[str, str | PortalError]:
        """What a failed submission means: a definite refusal, or ask again what became of it."""
        for_good = isinstance(error, CommandFailedError) and self.refused_for_good(error.answer)
        told = BadRequestError(error.message) if for_good else error
        if isinstance(told, BadRequestError):
            for spec in specs:
                self._records.remove(spec.mark)
        return {spec.mark: told for spec in specs}

    def _request(self, specs: Sequence[JobSpec], tag: str) -> Request:
        first, is_array = specs[0], len(specs) > 1
        place = self._records.array(tag) if is_array else self._records.job(tag)
        script = place / "script"
        words = [
            *(str(self.settings.python), "-I", "-S", str(self.settings.runner)),
            *(str(self._folder), tag),
        ]
        variables = f'"{self.job_id_text}" "{self.task_index_text if is_array else ""}"'
        # Announcements of a suspension must not end what has no handler yet.
        text = f"#!/bin/sh\ntrap '' USR1\nexec {shlex.join(words)} {variables}\n"
        try:
            script.write_text(text)
            script.chmod(0o755)
        except OSError as error:
            raise EngineError(f"cannot write {script}: {error}") from error
        return Request(
            spec=first,
            tag=tag,
            label=witness.label(first.name),
            script=script,
            log=place / "run" / "log",
            size=len(specs) if is_array else None,
            options=split_options(first.options),
            after=self._waited_for(first.after),
        )

    def _waited_for(self, after: Sequence[Dependency]) -> tuple[tuple[str, When], ...]:
        """What is still to be waited for: systems forget ended jobs, and take any number.

        Raises:
            BadRequestError: A job is not known, or what is waited for can never be.
        """
        statuses = self.status([one.batch_id for one in after]) if after else {}
        left = []
        for one in after:
            status = statuses.get(one.batch_id)
            if status is None:
                raise BadRequestError(f"it is to wait for a job nobody knows: {one.batch_id!r}")
            if status.state is not EngineState.ENDED:
                mark = one.batch_id.rpartition("/")[2]
                left.append((self._native_id(one.batch_id, mark), one.when))
            elif not _has_come(one.when, status):
                raise BadRequestError(
                    f"it is to wait until {one.batch_id!r} has {one.when.value}; that has ended"
                )
        return tuple(left)

    def _known(self, mark: str, native_id: str) -> str:
        self._records.set_native_id(mark, native_id)
        return f"{native_id}/{mark}"

    def _is_element(self, one: ListedJob, index: int | None) -> bool:
        if index is None:
            return True
        return one.native_id == self.element_id(self.array_of(one.native_id), index)

    def array_of(self, element_id: str) -> str:
        """The native id of the array that an element belongs to."""
        raise NotImplementedError

    def _native_id(self, batch_id: str, mark: str) -> str:
        """Under which id the job runs; another than it got only if it was submitted twice."""
        started_as = str((self._records.start(mark) or {}).get("id"))
        return started_as if _NATIVE_ID.fullmatch(started_as) else batch_id.rpartition("/")[0]

    def _tag(self, mark: str) -> str:
        submission = self._records.submission(mark)
        return mark if submission is None else submission.tag

    def _run_as(self, mark: str) -> str:
        submission = self._records.submission(mark)
        return "" if submission is None else submission.run_as

    def _judge(self, mark: str, told: JobStatus | None) -> JobStatus | None:
        """What is known of a job, from the system's word and what the runner left."""
        start, end = self._records.start(mark), self._records.end(mark)
        cancelled = self._records.is_cancelled(mark)
        is_settled = witness.settles(end) and not cancelled
        if told is not None and told.state in _ACTIVE and not is_settled:
            return witness.running(told, start)
        if told is not None and told.state is EngineState.UNKNOWN and not is_settled:
            return told
        if start is not None and end is None and self._may_still_come(mark):
            before = told or JobStatus(state=EngineState.RUNNING)
            return witness.running(replace(before, state=EngineState.RUNNING, reason=""), start)
        return witness.ended(
            told,
            start,
            end,
            log=self._records.log(mark),
            cancelled=cancelled,
        )

    def _may_still_come(self, mark: str) -> bool:
        """Whether a job that has ended may have left a record that is not seen here yet.

        Some systems are done with a job a moment before its runner is, and network file systems
        show a file late.
        """
        since = self._without_end.setdefault(mark, time.monotonic())
        return time.monotonic() - since < self.settings.record_wait_seconds

    def _lacks_its_end(self, mark: str, listed: ListedJob | None) -> bool:
        """Whether only the system's further records can tell how a job ended."""
        if listed is None:
            return not witness.settles(self._records.end(mark))
        status = listed.status
        is_silent = status.exit_code is None and status.signal is None and not status.reason
        has_ended = status.state is EngineState.ENDED
        return has_ended and is_silent and self._records.end(mark) is None

    def _status_of(self, batch_id: str) -> tuple[str, JobStatus]:
        status = self.status([batch_id]).get(batch_id)
        if status is None:
            raise NotFoundError(f"the batch engine {self.name!r} knows no job {batch_id!r}")
        return batch_id.rpartition("/")[2], status

    def _change(
        self,
        action: str,
        capability: Capability,
        batch_id: str,
        before: EngineState,
        after: EngineState,
    ) -> None:
        if capability not in self.capabilities:
            raise self._cannot(capability)
        mark, status = self._status_of(batch_id)
        if status.state is after:
            return
        if status.state is not before:
            raise ConflictError(f"job {batch_id} is {status.state.value}, not {before.value}")
        self._act(action, batch_id, mark)

    def _act(self, action: str, batch_id: str, mark: str) -> None:
        user = "" if action in self.operator_actions else self._run_as(mark)
        self.run(self.action_arguments(action, self._native_id(batch_id, mark)), user=user)


def _has_come(when: When, status: JobStatus) -> bool:
    return {
        When.SUCCEEDED: status.succeeded,
        When.FAILED: not status.succeeded,
        When.ENDED: True,
        When.STARTED: status.started is not None,
    }[when]
