"""What jobs report of themselves: that they began, or have ended.

A report is believed nothing. It has the dispatcher ask the engine, and look at what the job's
runner left, at once instead of at the next poll; these two decide what the job's state is. So a
report that is sent again changes nothing: once the state is known it is not heeded any more, and
until then it is one look, of which there is one in a second at most.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from batch.job.report import ENDED, STARTED, signature
from ijp.errors import NotAuthenticatedError, NotFoundError
from portal import wakeup
from portal.model import JobRow
from portal.moments import now
from portal.services import Services
from portal.states import FINAL, State

KINDS = (STARTED, ENDED)
OLDEST = timedelta(minutes=5)
"""How far a report's time may be from ours."""
_NOT_BEGUN = frozenset({State.STAGING, State.QUEUED, State.HELD, State.UNKNOWN})


@dataclass(frozen=True)
class Report:
    """A job's word.

    Attributes:
        kind: ``started`` or ``ended``.
        at: When it was made, in milliseconds since 1970.
    """

    kind: str
    at: int


def heed(services: Services, public_id: str, report: Report, signed: str) -> bool:
    """Check a report, and have the engines looked at if it tells of something new.

    Returns:
        Whether it does.

    Raises:
        NotFoundError: This portal wants no reports.
        NotAuthenticatedError: It is not signed by a job that has not ended, or it is old.
    """
    if not services.settings.job_reports:
        raise NotFoundError("this portal takes no reports of jobs")
    row = _row(services, public_id)
    key = row.token_hash if row is not None else None
    expected = signature(key or "", public_id, report.kind, report.at)
    if not hmac.compare_digest(expected.encode(), signed.encode()) or row is None or key is None:
        raise NotAuthenticatedError("this report is not signed by a job that is expected to run")
    apart = abs(now().timestamp() - report.at / 1000)
    if apart > OLDEST.total_seconds():
        raise NotAuthenticatedError(
            f"this report is {apart:.0f} s from the present: it is an old one, or a clock is wrong"
        )
    is_new = _is_new(row, report.kind)
    if is_new:
        settings = services.settings
        folder = wakeup.folder_in(settings.work_folder)
        wakeup.waker(settings.database_url, services.database, folder, wakeup.LOOK)()
    return is_new


def _row(services: Services, public_id: str) -> JobRow | None:
    with Session(services.database) as transaction:
        return transaction.scalar(select(JobRow).where(JobRow.public_id == public_id))


def _is_new(row: JobRow, kind: str) -> bool:
    if row.ended_at is not None or row.state in FINAL:
        return False
    return kind == ENDED or row.state in _NOT_BEGUN
