"""Who did what: rows that are only ever added."""

from __future__ import annotations

from sqlalchemy.orm import Session

from portal.model import Audit
from portal.moments import now


def record(
    session: Session, user_name: str, action: str, subject: str = "", detail: str = ""
) -> None:
    """Add a row to the caller's transaction.

    Args:
        action: A word or two, such as ``log in`` or ``cancel job``.
        subject: What it was done to, such as ``job 17``.
    """
    session.add(
        Audit(
            at=now(),
            user_name=user_name,
            action=action,
            subject=subject[:255],
            detail=detail[:2000],
        )
    )
