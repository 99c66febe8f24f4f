"""Catalog sessions that are kept, encrypted, for browsers and for jobs that are not finished."""

from __future__ import annotations

import hashlib
import logging
from datetime import timedelta
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Engine, Exists, delete, exists, select, update
from sqlalchemy.orm import Session

from ijp.catalog import CatalogClient, CatalogSession
from ijp.errors import NotAuthenticatedError, PortalError
from portal.model import UNFINISHED, BrowserSessionRow, CatalogSessionRow, JobRow
from portal.moments import now
from servicekit.database import writing
from servicekit.settings import SettingsError

log = logging.getLogger(__name__)


def hash_of(secret: str) -> str:
    """By what a secret is found again without being stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


class KeptSessions:
    """The table of them."""

    def __init__(self, database: Engine, catalog: CatalogClient, keys: str) -> None:
        """Take Fernet keys, one a line.

        Raises:
            SettingsError: A key is none.
        """
        self._database = database
        self._catalog = catalog
        try:
            self._cipher = MultiFernet([Fernet(key) for key in keys.split()])
        except ValueError as error:
            raise SettingsError("the key for stored sessions is not a Fernet key") from error

    def keep(self, transaction: Session, user_name: str, session: CatalogSession) -> int:
        """The id of a session's row, made if there is none, in the caller's transaction.

        Raises:
            NotAuthenticatedError: The user has logged out of this session.
        """
        key_hash = hash_of(session.session_id)
        row = transaction.scalar(
            select(CatalogSessionRow).where(CatalogSessionRow.key_hash == key_hash)
        )
        if row is None:
            row = CatalogSessionRow(
                key_hash=key_hash,
                secret=self._cipher.encrypt(session.session_id.encode()),
                user_name=user_name,
                expires_at=now(),
                log_out=False,
            )
            transaction.add(row)
            transaction.flush()
        if row.log_out:
            raise NotAuthenticatedError("this session has been ended; please log in again")
        return row.id

    def open(self, secret: bytes) -> CatalogSession:
        """The session of a row, by its secret.

        Raises:
            NotAuthenticatedError: It was encrypted under a key that is gone.
        """
        try:
            session_id = self._cipher.decrypt(secret).decode()
        except InvalidToken:
            raise NotAuthenticatedError("the stored session cannot be read any more") from None
        return self._catalog.session(session_id)

    def of_job(self, job_id: int) -> CatalogSession:
        """The session that a job was submitted with.

        Raises:
            NotAuthenticatedError: It is not kept any more.
        """
        with Session(self._database) as transaction:
            row = transaction.scalar(
                select(CatalogSessionRow)
                .join(JobRow, JobRow.catalog_session_id == CatalogSessionRow.id)
                .where(JobRow.id == job_id)
            )
            if row is None:
                raise NotAuthenticatedError(f"the session of job {job_id} has ended")
            return self.open(row.secret)

    def is_logged_out(self, session_id: str) -> bool:
        """Whether the user has ended this session, though it goes on for jobs."""
        with Session(self._database) as transaction:
            found = transaction.scalar(
                select(CatalogSessionRow.log_out).where(
                    CatalogSessionRow.key_hash == hash_of(session_id)
                )
            )
        return bool(found)

    def end(self, session: CatalogSession) -> None:
        """End a session for its user; at the catalog too, unless jobs still need it."""
        key_hash = hash_of(session.session_id)
        with Session(writing(self._database)) as transaction, transaction.begin():
            row = transaction.scalar(
                select(CatalogSessionRow).where(CatalogSessionRow.key_hash == key_hash)
            )
            if row is not None:
                transaction.execute(
                    delete(BrowserSessionRow).where(BrowserSessionRow.catalog_session_id == row.id)
                )
                if transaction.scalar(select(_unfinished_jobs(row.id))):
                    row.log_out = True
                    return
                transaction.delete(row)
        _log_out(session)

    def end_unneeded(self) -> None:
        """End the sessions of users who have logged out and whose last job has ended.

        Rows that neither a browser nor an unfinished job uses are dropped as well; such a
        session belongs to a program, which ends it itself.
        """
        used_by_browser = exists().where(
            BrowserSessionRow.catalog_session_id == CatalogSessionRow.id
        )
        unneeded = select(CatalogSessionRow).where(
            ~used_by_browser, ~_unfinished_jobs(CatalogSessionRow.id)
        )
        with Session(writing(self._database)) as transaction, transaction.begin():
            rows = transaction.scalars(unneeded).all()
            ended = [self.open(row.secret) for row in rows if row.log_out]
            for row in rows:
                transaction.delete(row)
        for session in ended:
            _log_out(session)

    def refresh(self, margin: timedelta) -> None:
        """Let the sessions of unfinished jobs go on that would end within ``margin``."""
        needed = select(CatalogSessionRow).where(
            _unfinished_jobs(CatalogSessionRow.id), CatalogSessionRow.expires_at < now() + margin
        )
        with Session(self._database) as transaction:
            rows = transaction.scalars(needed).all()
        for row in rows:
            self._refresh(row)

    def _refresh(self, row: CatalogSessionRow) -> None:
        try:
            session = self.open(row.secret)
            session.refresh()
            expires_at = now() + timedelta(minutes=session.remaining_minutes())
        except NotAuthenticatedError:
            log.warning("the catalog session of %s has ended before its jobs", row.user_name)
            expires_at = now() + timedelta(days=1)
        except PortalError as error:
            log.warning("the session of %s cannot be refreshed: %s", row.user_name, error.message)
            return
        with Session(writing(self._database)) as transaction, transaction.begin():
            transaction.execute(
                update(CatalogSessionRow)
                .where(CatalogSessionRow.id == row.id)
                .values(expires_at=expires_at)
            )


def _unfinished_jobs(session_id: Any) -> Exists:
    return exists().where(JobRow.catalog_session_id == session_id, UNFINISHED)


def _log_out(session: CatalogSession) -> None:
    try:
        session.logout()
    except NotAuthenticatedError:
        pass
    except PortalError as error:
        log.warning("a session could not be ended at the catalog: %s", error.message)
