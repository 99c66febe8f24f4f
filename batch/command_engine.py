"""Engines that run a batch system's commands: what is the same for all of them.

A subclass says which commands to run, as argument lists, and reads what they print
(``batch.batch_system``); it keeps no state. Everything else is here: each mark is submitted once
and found again after a crash (``batch.submitting``), followed by one listing for all jobs of all
users, and its end is told from two witnesses.

**Two witnesses**: what the runner left on disk (``batch.job.runner``) tells how a program ended by
itself, and it does not run again. Until then, while the system has the job, its word counts.
When it says that the job has ended, or has forgotten it, the runner's record tells how, and the
system's word is the second: why it was ended from outside, or how it ended if the runner could
leave nothing. If neither knows, the job is absent from ``status``: absence is not success.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from batch import witness
from batch.batch_system import ListedJob, Request
from batch.command import CommandFailedError
from batch.engine import Capability, EngineState, ForeignJob, JobStatus, each
from batch.submitting import Submitting
from ijp.errors import BadRequestError, ConflictError, EngineError, NotFoundError, PortalError

__all__ = ["CommandEngine", "ListedJob", "Request"]

_IDS_AT_ONCE = 1000
"""Of about 20 characters each: far below what a command line can have."""
_CHANGES = {
    "hold": (EngineState.QUEUED, EngineState.HELD),
    "release": (EngineState.HELD, EngineState.QUEUED),
    "suspend": (EngineState.RUNNING, EngineState.SUSPENDED),
    "resume": (EngineState.SUSPENDED, EngineState.RUNNING),
    "requeue": (EngineState.RUNNING, EngineState.QUEUED),
}
_WAITING = {EngineState.QUEUED, EngineState.HELD}
_ACTIVE = {EngineState.QUEUED, EngineState.HELD, EngineState.RUNNING, EngineState.SUSPENDED}


class CommandEngine(Submitting):
    """A batch system behind its commands, as the portal sees it."""

    def __init__(self, settings: Mapping[str, Any], folder: Path) -> None:
        super().__init__(settings, folder)
        self._without_end: dict[str, float] = {}
        if "cancel" in self.together:
            self.at_once = _IDS_AT_ONCE
        self._others: list[ForeignJob] | None = None

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
        listed = self.listed({native[one]: tags[mark] for one, mark in asked.items()})
        self._others = _foreign(listed)
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

    def others(self) -> list[ForeignJob]:
        if Capability.OTHERS not in self.capabilities:
            return super().others()
        found, self._others = self._others, None
        return _foreign(self.listing()) if found is None else found

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

    def cancel_many(self, batch_ids: Sequence[str]) -> list[PortalError | None]:
        return self._act_on_many("cancel", self.cancel, batch_ids)

    def hold_many(self, batch_ids: Sequence[str]) -> list[PortalError | None]:
        return self._act_on_many("hold", self.hold, batch_ids)

    def release_many(self, batch_ids: Sequence[str]) -> list[PortalError | None]:
        return self._act_on_many("release", self.release, batch_ids)

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
        self._change("hold", Capability.HOLD, batch_id)

    def release(self, batch_id: str) -> None:
        self._change("release", Capability.RELEASE, batch_id)

    def suspend(self, batch_id: str) -> None:
        self._change("suspend", Capability.SUSPEND, batch_id)

    def resume(self, batch_id: str) -> None:
        self._change("resume", Capability.SUSPEND, batch_id)

    def requeue(self, batch_id: str) -> None:
        self._change("requeue", Capability.REQUEUE, batch_id)

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

    def _judge(self, mark: str, told: JobStatus | None) -> JobStatus | None:
        """What is known of a job, from the system's word and what the runner left."""
        end = self._records.end(mark)
        if end is None and told is not None and told.state in _WAITING:
            return told
        start, cancelled = self._records.start(mark), self._records.is_cancelled(mark)
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
            raise self._no_such(batch_id)
        return batch_id.rpartition("/")[2], status

    def _no_such(self, batch_id: str) -> NotFoundError:
        return NotFoundError(f"the batch engine {self.name!r} knows no job {batch_id!r}")

    def _change(self, action: str, capability: Capability, batch_id: str) -> None:
        if capability not in self.capabilities:
            raise self._cannot(capability)
        mark, status = self._status_of(batch_id)
        before, after = _CHANGES[action]
        if status.state is after:
            return
        if status.state is not before:
            raise ConflictError(f"job {batch_id} is {status.state.value}, not {before.value}")
        self._act(action, batch_id, mark)

    def _act(self, action: str, batch_id: str, mark: str) -> None:
        user = self._user_for(action, mark)
        self.run(self.action_arguments(action, self._native_id(batch_id, mark)), user=user)

    def _user_for(self, action: str, mark: str) -> str:
        return "" if action in self.operator_actions else self._run_as(mark)

    def _act_on_many(
        self, action: str, on_one: Callable[[str], None], batch_ids: Sequence[str]
    ) -> list[PortalError | None]:
        """One look for all, then one command for many; gives what went wrong with each."""
        if action not in self.together or len(batch_ids) < 2:
            return each(on_one, batch_ids)
        wanted = list(dict.fromkeys(batch_ids))
        try:
            answers = self._settled(action, wanted)
        except EngineError as error:
            return [error] * len(batch_ids)
        left = [one for one in wanted if one not in answers]
        alone = [one for one in left if self._goes_alone(action, one)]
        answers.update(zip(alone, each(on_one, alone), strict=True))
        of_users: dict[str, list[str]] = {}
        for batch_id in left:
            if batch_id not in answers:
                mark = batch_id.rpartition("/")[2]
                of_users.setdefault(self._user_for(action, mark), []).append(batch_id)
        for user, theirs in of_users.items():
            for start in range(0, len(theirs), _IDS_AT_ONCE):
                answers |= self._tell(action, theirs[start : start + _IDS_AT_ONCE], user)
        return [answers[one] for one in batch_ids]

    def _settled(self, action: str, batch_ids: Sequence[str]) -> dict[str, PortalError | None]:
        """Of these jobs those that need no command; with the error where none could help."""
        statuses = self.status(batch_ids)
        answers: dict[str, PortalError | None] = {}
        for batch_id in batch_ids:
            status = statuses.get(batch_id)
            if status is None:
                answers[batch_id] = self._no_such(batch_id)
            elif action == "cancel":
                if status.state is EngineState.ENDED:
                    answers[batch_id] = None
            elif status.state is _CHANGES[action][1]:
                answers[batch_id] = None
            elif status.state is not (before := _CHANGES[action][0]):
                wrong = f"job {batch_id} is {status.state.value}, not {before.value}"
                answers[batch_id] = ConflictError(wrong)
        return answers

    def _tell(
        self, action: str, batch_ids: Sequence[str], user: str
    ) -> dict[str, PortalError | None]:
        """One command for all; if it fails, again without those that needed none, or by halves."""
        marks = [one.rpartition("/")[2] for one in batch_ids]
        native = [self._native_id(*one) for one in zip(batch_ids, marks, strict=True)]
        try:
            if action == "cancel":
                for mark in marks:
                    self._records.set_cancelled(mark)
            self.run(self.arguments_for_many(action, native), user=user)
            return dict.fromkeys(batch_ids)
        except (CommandFailedError, NotFoundError) as error:
            failure: PortalError = error
        except PortalError as error:
            return dict.fromkeys(batch_ids, error)
        try:
            answers = self._settled(action, batch_ids)
        except EngineError as error:
            return dict.fromkeys(batch_ids, error)
        left = [one for one in batch_ids if one not in answers]
        if len(left) == len(batch_ids) == 1:
            return {left[0]: failure}
        half = len(left) // 2 if len(left) == len(batch_ids) else len(left)
        for part in (left[:half], left[half:]):
            if part:
                answers |= self._tell(action, part, user)
        return answers

    def _goes_alone(self, action: str, batch_id: str) -> bool:
        """Whether there is more to do about this job than the command itself."""
        return False


def _foreign(listed: Mapping[str, ListedJob]) -> list[ForeignJob]:
    return [one.foreign for one in listed.values() if one.foreign is not None]
