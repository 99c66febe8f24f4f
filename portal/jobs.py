"""What users do with jobs: plan, submit, list, follow, cancel, delete, repeat.

Nothing here starts a program: a submitted job is a row, which the dispatcher takes up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine

from jobdefs.command import Question
from jobdefs.form import OfferedOption
from jobdefs.job_type import JobType
from jobdefs.store import DefinitionStore
from portal.job_record import JobDetails, JobFilter, JobPage, JobRecord
from portal.sessions import Sessions, User
from portal.settings import PortalSettings


@dataclass(frozen=True)
class Request:
    """What a user wants to run; nothing in it is trusted.

    Attributes:
        version: The job type's version that the user's form was made from; None: any.
        options: Values by option key, of their own type or as text.
        arguments: The user's own arguments, only for job types with raw arguments.
        one_job: All inputs in one job (True) or a job for each (False); None: not answered.
        investigation_id: Where results go; None: the investigation of the inputs.
        key: The same key by the same user is the same submission; None: a new one.
    """

    job_type: str
    version: str | None = None
    dataset_ids: tuple[int, ...] = ()
    datafile_ids: tuple[int, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    one_job: bool | None = None
    investigation_id: int | None = None
    key: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class Preview:
    """What a request would do, faults and all; nothing is stored.

    Attributes:
        faults: Messages by option key, or by ``inputs``, ``investigation``, ``arguments``.
        command: Of the first job, with what the portal appends; empty if there are faults.
        jobs: How many jobs it would be; 0 if that is not clear.
        question: What the user must answer first: one job or many.
        quantities: Of each selected dataset by id, the named quantities.
        investigation_id: Where results would go; None if the user must choose.
    """

    job_type: JobType
    offered: tuple[OfferedOption, ...]
    faults: Mapping[str, list[str]]
    command: tuple[str, ...]
    jobs: int
    question: Question | None
    quantities: Mapping[int, Mapping[str, Any]]
    investigation_id: int | None


class Jobs:
    """The jobs of all users. A job that is not the caller's is NotFoundError everywhere."""

    def __init__(
        self,
        settings: PortalSettings,
        database: Engine,
        definitions: DefinitionStore,
        sessions: Sessions,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """Work on the tables; ``wake`` tells a dispatcher of this process that there is work."""

    def preview(self, user: User, request: Request) -> Preview:
        """Say what a request would do, for the form that follows the selection.

        Raises:
            NotFoundError: No such job type for this user, or no such dataset or datafile.
        """
        raise NotImplementedError

    def submit(self, user: User, request: Request) -> list[JobRecord]:
        """Accept a request; gives its jobs, in the order of the inputs.

        Raises:
            ValidationFailedError: With ``fields`` for everything that is wrong, also
                ``oneJob`` for a question that is not answered.
            NotFoundError: No such job type for this user, or no such dataset or datafile.
            NotAuthorizedError: The user may not use the job type's family.
            ConflictError: The job type has changed since the form was made, or the key was used
                for another request.
            TooLargeError: More jobs than the user may have.
        """
        raise NotImplementedError

    def page(
        self, user: User, which: JobFilter, *, limit: int = 50, after: int | None = None
    ) -> JobPage:
        """A page of jobs, newest first.

        Args:
            after: The id of the last job of the page before.
        """
        raise NotImplementedError

    def get(self, user: User, reference: int | str) -> JobRecord:
        """One job by its number or public id."""
        raise NotImplementedError

    def details(self, user: User, reference: int | str) -> JobDetails:
        """One job with its inputs, outputs and history."""
        raise NotImplementedError

    def cancel(self, user: User, reference: int | str) -> JobRecord:
        """Have a job end; one that has ended already stays as it is."""
        raise NotImplementedError

    def hold(self, user: User, reference: int | str) -> JobRecord:
        """Keep a waiting job from starting.

        Raises:
            ConflictError: It does not wait.
            NotImplementedHereError: The engine cannot.
        """
        raise NotImplementedError

    def release(self, user: User, reference: int | str) -> JobRecord:
        """Let a held job go on."""
        raise NotImplementedError

    def delete(self, user: User, reference: int | str) -> None:
        """Remove an ended job's record and output; datasets that it made stay.

        Raises:
            ConflictError: It has not ended.
        """
        raise NotImplementedError

    def repeat(self, user: User, reference: int | str, key: str | None = None) -> list[JobRecord]:
        """Submit a job again with the same inputs, options and arguments.

        Raises:
            As ``submit``: the job type, the data or the user's rights may have changed.
        """
        raise NotImplementedError

    def request_of(self, user: User, reference: int | str) -> Request:
        """The request that would repeat a job, to fill a form with."""
        raise NotImplementedError
