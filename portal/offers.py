"""What can run on a selection, and for what cannot, the one reason."""

from __future__ import annotations

from dataclasses import dataclass

from ijp.errors import ValidationFailedError
from jobdefs import command, form
from jobdefs.command import Question
from jobdefs.job_type import JobType, Kind
from jobdefs.store import Definitions
from portal.selection import Selected


@dataclass(frozen=True)
class Offer:
    """A job type beside a selection.

    Attributes:
        reason: Why it does not fit; empty if it does.
        jobs: How many jobs it would be with one for each input.
        one_job: All inputs could also go to one job.
    """

    job_type: JobType
    reason: str = ""
    jobs: int = 1
    one_job: bool = False

    @property
    def fits(self) -> bool:
        """Whether it can run."""
        return not self.reason

    @property
    def number(self) -> str:
        """The number of jobs in words; nothing if it is one."""
        if not self.fits or self.jobs == 1:
            return "" if not self.fits else "1 job"
        return f"{self.jobs} jobs, or 1 for all" if self.one_job else f"{self.jobs} jobs"


def offers(definitions: Definitions, user_name: str, selected: Selected) -> list[Offer]:
    """Every job type that this user may run, beside a selection: those that fit come first.

    The job types of families that do not admit the user are not there at all.
    """
    admitted = [
        one for one in definitions.job_types.values() if definitions.families.admits(one, user_name)
    ]
    found = [_offer(one, selected) for one in admitted]
    return sorted(found, key=lambda one: (not one.fits, one.job_type.name.lower()))


def _offer(job_type: JobType, selected: Selected) -> Offer:
    if job_type.kind is not Kind.BATCH:
        return Offer(job_type, "it is interactive, and this installation runs batch jobs only")
    fit = form.runs(job_type, selected.dataset_types, selected.datafile_dataset_types)
    if not fit.fits:
        return Offer(job_type, fit.reason)
    ids = selected.selection
    try:
        planned = command.plan(job_type, ids.dataset_ids, ids.datafile_ids)
    except ValidationFailedError as error:
        return Offer(job_type, error.message)
    if isinstance(planned, Question):
        return Offer(job_type, jobs=planned.jobs, one_job=planned.one_job_possible)
    return Offer(job_type, jobs=len(planned))
