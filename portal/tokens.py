"""A job's token: what lets it, and nothing else, use the gateway."""

from __future__ import annotations

import secrets

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from ijp.errors import NotAuthenticatedError
from portal.kept_sessions import hash_of
from portal.model import JobRow
from portal.moments import now

__all__ = ["hash_of", "job_of", "new"]

PREFIX = "ijpjob_"
"""So that a token that leaked somewhere is recognised for what it is."""


def new() -> str:
    """A new token of 256 random bits; only its hash is ever stored."""
    return PREFIX + secrets.token_urlsafe(32)


def job_of(transaction: Session, token: str) -> JobRow:
    """The job that a token is of.

    Raises:
        NotAuthenticatedError: It is no token, or its job has ended.
    """
    query = (
        select(JobRow)
        .where(JobRow.token_hash == hash_of(token))
        .options(undefer(JobRow.dataset_ids), undefer(JobRow.datafile_ids))
    )
    row = transaction.scalar(query) if token.startswith(PREFIX) else None
    if row is None or (row.token_ends_at is not None and row.token_ends_at <= now()):
        raise NotAuthenticatedError("this is not the token of a job that runs")
    return row
