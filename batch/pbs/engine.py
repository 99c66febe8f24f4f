"""What Torque and OpenPBS have in common as engines."""

from __future__ import annotations

import contextlib
import logging
import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from batch.batch_system import AFTER
from batch.command import Answer, CommandFailedError
from batch.command_engine import CommandEngine, ListedJob, Request
from batch.engine import EngineState, ForeignJob, JobSpec, JobStatus
from batch.pbs.job import JOB_ID, PbsJob, instant, seconds, size_bytes
from batch.reading import whole
from batch.resources import RESOURCE_NAMES, Resources
from batch.witness import CANCELLED
from ijp.errors import BadRequestError, ConflictError, EngineError, NotFoundError, PortalError

log = logging.getLogger(__name__)

UNKNOWN_JOB = 153
"""The exit code in both systems; Torque's qhold, qrls and qalter say nothing else about it."""

_TAG = re.compile(r"\.([0-9A-Z]{26})(?:-[0-9]+)?")
_TAGGED = re.compile(rf"[^\s]*{_TAG.pattern}")
_FEATURE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_KILLED = re.compile(r"=>> PBS: job killed: (.{1,200})")
_REMEMBERED = 200_000
# With the mark and an element's number this makes 64, which Torque was seen to take.
_LABEL_LENGTH = 30
_WAITING = ("Q", "H", "W")
_CHANGES = {"qdel", "qhold", "qrls", "qalter", "qrerun", "qsig"}


class PbsEngine(CommandEngine):
    """A PBS system behind its commands."""

    final_codes: ClassVar[Mapping[int, str]]
    """Exit codes of qsub for what stays refused however often it is tried, and their meaning."""
    ended_codes: ClassVar[frozenset[int]]
    """Exit codes of qdel for a job that has ended."""
    resource_names: ClassVar[frozenset[str]] = RESOURCE_NAMES
    job_id_text: ClassVar[str] = "$PBS_JOBID"
    submitted: ClassVar[re.Pattern[str]] = re.compile(
        r"(?:^|\s)([0-9]+(?:\[\])?\.[A-Za-z0-9_.-]+)\s*$"
    )
    actions: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "cancel": ("qdel",),
        "hold": ("qhold",),
        "release": ("qrls",),
        "suspend": ("qsig", "-s", "suspend"),
        "resume": ("qsig", "-s", "resume"),
        "requeue": ("qrerun",),
    }
    together: ClassVar[frozenset[str]] = frozenset({"cancel", "hold"})
    guard: ClassVar[str] = "guard.py"
    operator_actions: ClassVar[frozenset[str]] = frozenset({"suspend", "resume", "requeue"})
    alterable: ClassVar[frozenset[str]] = frozenset({"wall_seconds", "cpu_seconds", "memory_mib"})

    def __init__(self, settings: Mapping[str, Any], folder: Path) -> None:
        super().__init__(settings, folder)
        self._tags: dict[str, str] = {}
        self._jobs: dict[str, PbsJob] = {}

    @abstractmethod
    def read_jobs(self) -> list[PbsJob]:
        """The jobs of all users, elements of arrays one by one.

        Raises:
            EngineError: The system does not answer.
        """

    @abstractmethod
    def status_of(self, job: PbsJob) -> JobStatus:
        """What the system says of a job."""

    @abstractmethod
    def limits(self, resources: Mapping[str, Any]) -> dict[str, str]:
        """What ``-l`` says for those of ``Resources`` that are not about nodes."""

    # What the command engine asks for.

    def listing(self) -> dict[str, ListedJob]:
        jobs = self.read_jobs()
        if len(self._tags) > _REMEMBERED:
            self._tags = {}
        self._tags.update((job.id, tag) for job in jobs if (tag := self.tag_in(job.name)))
        self._jobs = {job.id: job for job in jobs if job.id in self._tags}
        return {job.id: self._listed(job) for job in jobs}

    def _listed(self, job: PbsJob) -> ListedJob:
        """As the base wants it; of a record that could not be read the tag is remembered."""
        tag = self.tag_in(job.name) if job.state else self._tags.get(job.id, "")
        status = self.status_of(job)
        foreign = _foreign(job, status) if job.state and not tag else None
        return ListedJob(native_id=job.id, tag=tag, status=status, foreign=foreign)

    @staticmethod
    def tag_in(name: str) -> str:
        """The mark at the end of a job's name; "" if it has none."""
        found = _TAGGED.fullmatch(name)
        return found[1] if found else ""

    def element_id(self, native_id: str, index: int) -> str:
        return native_id.replace("[]", f"[{index}]", 1)

    def array_of(self, element_id: str) -> str:
        return re.sub(r"\[[0-9]+\]", "[]", element_id, count=1)

    def alter_arguments(self, native_id: str, changes: Mapping[str, Any]) -> list[str]:
        job = self._jobs.get(native_id)
        nodes = whole(job.attributes.get("Resource_List.nodect")) if job is not None else None
        limits = self.limits({**changes, "nodes": nodes or 1})
        asked = ",".join(f"{name}={text}" for name, text in limits.items())
        if not asked:
            raise BadRequestError(f"the batch engine {self.name!r} cannot be told {dict(changes)}")
        return ["qalter", "-l", asked, native_id]

    # What goes otherwise than with other systems.

    def run(self, arguments: Sequence[str], *, user: str = "", keep: Sequence[int] = ()) -> Answer:
        """Run a command; one that does not answer may have done what it was told: look."""
        try:
            return super().run(arguments, user=user, keep=keep)
        except CommandFailedError as error:
            code, said = error.answer.exit_code, error.answer.first_line
            if arguments[0] == "qsub" and code in self.final_codes:
                told = f"{self.name} refuses it, as for {self.final_codes[code]}: {said}"
                raise BadRequestError(told) from error
            if len(_operands(arguments)) == 1 and code == UNKNOWN_JOB:
                told = f"{arguments[0]}: there is no job {arguments[-1]!r}"
                raise NotFoundError(f"the batch engine {self.name!r}: {told}") from error
            raise
        except EngineError:
            if arguments[0] in _CHANGES:
                self.listing()
                jobs = [self._jobs.get(one) for one in _operands(arguments)]
                if all(_is_done(job, arguments) for job in jobs):
                    return Answer(" ".join(arguments), 0, "", "")
            raise

    def _goes_alone(self, action: str, batch_id: str) -> bool:
        """Those for whose success others wait; the look before has brought them up to date."""
        job = self._jobs.get(self._native_id(batch_id, batch_id.rpartition("/")[2]))
        return action == "cancel" and job is not None and bool(_waiting_for_success(job))

    def _act(self, action: str, batch_id: str, mark: str) -> None:
        if action == "cancel":
            job = self._jobs.get(self._native_id(batch_id, mark))
            self._cancel_those_that_wait(job, self._run_as(mark))
        try:
            super()._act(action, batch_id, mark)
        except NotFoundError:
            # It has left the queue since it was looked for; how it ended may be known.
            state = self._status_of(batch_id)[1].state
            if action != "cancel":
                raise ConflictError(f"job {batch_id} is {state.value}") from None
        if action == "release":
            self._see_released(batch_id)

    def _cancel_those_that_wait(self, job: PbsJob | None, user: str) -> None:
        """If a job is deleted before it runs, those that wait for its success would run."""
        if job is None or job.state not in _WAITING:
            return
        for child in _waiting_for_success(job):
            self._cancel_those_that_wait(self._jobs.get(child), user)
            try:
                self.run(["qdel", child], user=user)
            except NotFoundError:
                continue
            except CommandFailedError as error:
                if error.answer.exit_code not in self.ended_codes:
                    raise

    def _see_released(self, batch_id: str) -> None:
        """qrls takes away the user's hold only, and says nothing of others."""
        if self._status_of(batch_id)[1].state is EngineState.HELD:
            raise ConflictError(f"job {batch_id} is held by an operator, too")

    def _submit_group(self, specs: Sequence[JobSpec]) -> dict[str, str | PortalError]:
        """As the base; a job that can never start, as its parent ended meanwhile, is not left."""
        answers = super()._submit_group(specs)
        taken = {mark: one for mark, one in answers.items() if isinstance(one, str)}
        if not specs[0].after or not taken:
            return answers
        try:
            self._waited_for(specs[0].after)
        except BadRequestError as error:
            for mark, batch_id in taken.items():
                with contextlib.suppress(EngineError, NotFoundError):
                    self.cancel(batch_id)
                    self._records.remove(mark)
            return dict.fromkeys(answers, error)
        except EngineError:
            log.warning("what %s wait for could not be looked at", list(taken.values()))
        return answers

    def _judge(self, mark: str, told: JobStatus | None) -> JobStatus | None:
        """As the base, with what the node wrote about why it killed the job."""
        judged = super()._judge(mark, told)
        if judged is None or judged.reason != CANCELLED or self._records.is_cancelled(mark):
            return judged
        killed = _KILLED.search(self._records.log(mark))
        return replace(judged, reason=killed[1]) if killed else judged

    # Parts of command lines.

    def nodes_text(self, resources: Resources) -> str:
        """As ``nodes=2:ppn=4:bigmem`` has it.

        Raises:
            BadRequestError: A feature has what would change the meaning of the text.
        """
        wrong = [one for one in resources.features if not _FEATURE.fullmatch(one)]
        if wrong:
            raise BadRequestError(f"features that nodes cannot have: {wrong}")
        parts = [str(resources.nodes), f"ppn={resources.cores_per_node}"]
        if resources.gpus is not None:
            parts.append(f"gpus={resources.gpus}")
        return ":".join([*parts, *resources.features])

    def common_arguments(self, request: Request) -> list[str]:
        """What qsub is told in both systems."""
        asked = request.spec.resources
        output = self.log_path(request)
        if re.search(r"[,\s:$]", output):
            raise BadRequestError(f"a file that qsub cannot be told: {output!r}")
        label = request.label[:_LABEL_LENGTH].rstrip("._-")
        arguments = ["qsub", "-N", f"{label}.{request.tag}", "-j", "oe", "-o", output]
        if asked.queue is not None:
            arguments += ["-q", asked.queue]
        if asked.account is not None:
            arguments += ["-A", asked.account]
        if request.after:
            wanted = ",".join(f"{AFTER[when]}:{one}" for one, when in request.after)
            arguments += ["-W", f"depend={wanted}"]
        return arguments

    def log_path(self, request: Request) -> str:
        """Where the system writes what the script prints."""
        return str(request.log)

    @staticmethod
    def resource_values(resources: Resources) -> dict[str, Any]:
        """The fields by name, without those that say nothing."""
        return {name: getattr(resources, name) for name in resources.asked()}


def _operands(arguments: Sequence[str]) -> Sequence[str]:
    """The jobs that a command is to change; none if it changes none."""
    if arguments[0] in ("qdel", "qhold", "qrls"):
        return arguments[1:]
    return arguments[-1:] if arguments[0] in _CHANGES else ()


def _waiting_for_success(job: PbsJob) -> list[str]:
    """The jobs that wait for this one's success: ``beforeok:80.head:86.head,beforenotok:…``."""
    for part in job.attributes.get("depend", "").split(","):
        kind, *children = part.split(":")
        if kind == "beforeok":
            ids = [one.partition("@")[0] for one in children]
            return [one for one in ids if JOB_ID.fullmatch(one)]
    return []


def _is_altered(job: PbsJob, arguments: Sequence[str]) -> bool:
    for part in arguments[arguments.index("-l") + 1].split(","):
        name, _, wanted = part.partition("=")
        has = job.attributes.get(f"Resource_List.{name}")
        read = size_bytes if wanted.endswith("b") else seconds
        if read(has) != read(wanted):
            return False
    return True


def _is_done(job: PbsJob | None, arguments: Sequence[str]) -> bool:
    """Whether what a command was to do has been done, as the job's record shows."""
    if job is None or not job.state:
        return job is None and arguments[0] == "qdel"
    holds = job.attributes.get("Hold_Types", "")
    match arguments[0]:
        case "qhold" | "qrls":
            return ("u" in holds) is (arguments[0] == "qhold")
        case "qalter":
            return _is_altered(job, arguments)
        case "qsig":
            return job.state == ("S" if "suspend" in arguments else "R")
        case "qrerun":
            return job.state in "QE"
        case _:
            return job.state in "CF"


def _foreign(job: PbsJob, status: JobStatus) -> ForeignJob:
    attributes = job.attributes
    return ForeignJob(
        native_id=job.id,
        name=job.name,
        owner=attributes.get("Job_Owner", "").partition("@")[0],
        queue=attributes.get("queue", ""),
        status=status,
        submitted=instant(attributes.get("qtime") or attributes.get("ctime")),
    )
