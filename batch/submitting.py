"""Submitting to a batch system: each mark once, whoever is killed in between.

``submission.json`` is on the disk before the system hears of a job; its id is written after, and
need not survive a power cut. Where only the first is there, one listing tells by the tag whether
the job exists. Specs that agree in all but their command become arrays.

**Batch ids** are ``NATIVE/MARK``: the system's own id, and the mark that it has to belong to.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace

from batch import witness
from batch.batch_system import BatchSystem, ListedJob, Request
from batch.check import check, check_capabilities
from batch.command import CommandFailedError
from batch.command_settings import split_options
from batch.engine import Capability, Dependency, EngineState, JobSpec, JobStatus, When
from batch.records import Submission
from batch.resources import check_supported
from ijp.errors import BadRequestError, EngineError, PortalError

_NATIVE_ID = re.compile(r"[0-9][A-Za-z0-9_.:\[\]-]*")


class Submitting(BatchSystem):
    """A batch system that is given each job once."""

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
        arrays: dict[str, str | None] = {}
        for mark in marks:
            native_id = self._records.native_id(mark)
            submission = None if native_id else self._records.submission(mark)
            if submission is not None and submission.index is not None:
                if submission.tag not in arrays:
                    arrays[submission.tag] = self._records.array_id(submission.tag)
                if array := arrays[submission.tag]:
                    native_id = self.element_id(array, submission.index)
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
            marks = [spec.mark for spec in specs]
            if is_array:
                self._records.prepare_array(tag, marks, run_as)
            request = self._request(specs, tag)
            self._records.make_durable(marks, tag if is_array else None)
            answer = self.run(
                self.submit_arguments(request), user=run_as, keep=self._records.lock_descriptors
            )
            native_id = self.read_submitted(answer)
        except PortalError as error:
            return self._not_taken(specs, error)
        if not is_array:
            return {tag: self._known(tag, native_id)}
        self._records.set_array_id(tag, native_id)
        return {
            spec.mark: f"{self.element_id(native_id, index)}/{spec.mark}"
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


def _has_come(when: When, status: JobStatus) -> bool:
    return {
        When.SUCCEEDED: status.succeeded,
        When.FAILED: not status.succeeded,
        When.ENDED: True,
        When.STARTED: status.started is not None,
    }[when]
