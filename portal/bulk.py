"""One action on many jobs and sweeps at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ijp.errors import BadRequestError, PortalError
from portal import batches, sweeps
from portal.failure import Failure
from portal.job_actions import Action, Done, require
from portal.retrying import RetryPlan
from portal.services import Services
from portal.sessions import User


@dataclass(frozen=True)
class References:
    """Jobs by number or public id, and sweeps, of which all jobs are meant that it applies to.

    Attributes:
        failure: Of the sweeps, only jobs that failed so.
    """

    jobs: tuple[str, ...] = ()
    sweeps: tuple[int, ...] = ()
    failure: Failure | None = None

    def __bool__(self) -> bool:
        return bool(self.jobs or self.sweeps)


@dataclass(frozen=True)
class Outcome:
    """What became of an action, job by job.

    Attributes:
        sweep_ids: Of sweeps that repetitions made.
    """

    results: tuple[Done, ...]
    sweep_ids: tuple[int, ...] = ()

    @property
    def done(self) -> int:
        """For how many jobs it was done."""
        return sum(one.error is None for one in self.results)

    @property
    def errors(self) -> list[PortalError]:
        """Why it was not done for others."""
        return [one.error for one in self.results if one.error is not None]


def perform(
    services: Services, user: User, action: Action, chosen: References, *, more: bool = True
) -> Outcome:
    """Do it; what does not go for one job does not stop the others.

    Args:
        more: A retry asks for more memory or time where that was the reason.

    Raises:
        BadRequestError: Nothing is chosen.
        NotFoundError: There is no such sweep.
        NotImplementedHereError: The engine cannot.
        TooLargeError: A retry would be more jobs than the user may have; none is tried.
    """
    require(services.engines.values(), action)
    results: list[Done] = []
    made: list[int] = []
    jobs = list(chosen.jobs)
    if not chosen:
        raise BadRequestError("name the jobs or sweeps that it is to be done to")
    if action is Action.REPEAT:
        for sweep_id in chosen.sweeps:
            records = batches.repeat(services, user, sweep_id, None)
            results += [Done(f"s{sweep_id}", made=one.id) for one in records]
            made += {one.sweep_id: None for one in records if one.sweep_id}
    else:
        jobs += _of_sweeps(services, user, action, chosen)
    if jobs and action is Action.RETRY:
        results += services.jobs.retry(user, jobs, more=more)
    elif jobs:
        results += services.jobs.each(user, action, jobs)
    return Outcome(tuple(results), tuple(made))


def plan_retry(services: Services, user: User, chosen: References, *, more: bool) -> RetryPlan:
    """Say what trying them again would do; raises as ``perform``."""
    if not chosen:
        raise BadRequestError("name the jobs or sweeps that are to be tried again")
    jobs = [*chosen.jobs, *_of_sweeps(services, user, Action.RETRY, chosen)]
    return services.jobs.plan_retry(user, jobs, more=more)


def _of_sweeps(services: Services, user: User, action: Action, chosen: References) -> Iterable[str]:
    database, failure = services.database, chosen.failure
    named = set(chosen.jobs)
    for sweep_id in chosen.sweeps:
        found: Sequence[str] = sweeps.references(database, user, sweep_id, action, failure)
        yield from (one for one in found if one not in named)
