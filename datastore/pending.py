"""Bytes that are announced and have not all arrived."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Engine, func, select

from datastore.model import ResumableUpload


def pending_bytes(engine: Engine, *, user_name: str = "", investigation_id: int = 0) -> int:
    """Bytes that are announced for a user, or for an investigation, and not registered yet."""
    chosen = (
        ResumableUpload.user_name == user_name
        if user_name
        else ResumableUpload.investigation_id == investigation_id
    )
    statement = select(func.coalesce(func.sum(ResumableUpload.length), 0)).where(
        chosen,
        ResumableUpload.datafile_id.is_(None),
        ResumableUpload.expires > datetime.now(UTC),
    )
    with engine.connect() as connection:
        return int(connection.scalar(statement) or 0)
