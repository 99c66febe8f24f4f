"""What all processes know of uploads that arrive in pieces."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, delete, insert, select, update

from datastore import schemas
from datastore.digests import Checked
from datastore.model import FileDigest, ResumableUpload
from datastore.storing import NewDatafile
from ijp.errors import NotFoundError
from servicekit.database import writing


@dataclass(frozen=True)
class Arriving:
    """An upload as it is known to all processes.

    Attributes:
        told: What the client said of the file.
        datafile_id: None until it is registered.
    """

    id: str
    user_name: str
    investigation_id: int
    dataset_id: int
    length: int
    told: Mapping[str, str]
    location: str
    checked_from: int | None
    datafile_id: int | None
    expires: datetime

    def new_datafile(self) -> NewDatafile:
        """What is to be registered."""
        return schemas.new_datafile(
            self.told,
            length=self.length,
            crc32=self.told.get("crc32"),
            sha256=self.told.get("sha256"),
        )


class Records:
    """Reads and writes the table of uploads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, upload: Arriving) -> None:
        """Remember an upload that begins."""
        row = {**vars(upload), "told": json.dumps(upload.told)}
        with writing(self._engine).begin() as connection:
            connection.execute(insert(ResumableUpload).values(**row))

    def get(self, id: str) -> Arriving:
        """An upload that has not expired.

        Raises:
            NotFoundError: There is none of that id.
        """
        with self._engine.connect() as connection:
            row = connection.execute(
                select(ResumableUpload.__table__).where(
                    ResumableUpload.id == id, ResumableUpload.expires > datetime.now(UTC)
                )
            ).one_or_none()
        if row is None:
            raise NotFoundError(f"there is no upload {id} of yours, or it has expired")
        return Arriving(**{**row._mapping, "told": json.loads(row.told)})

    def as_it_is_now(self, upload: Arriving) -> Arriving:
        """What only a holder of the lock may have changed since it was read.

        Raises:
            NotFoundError: It was removed.
        """
        columns = (ResumableUpload.checked_from, ResumableUpload.datafile_id)
        with self._engine.connect() as connection:
            row = connection.execute(
                select(*columns).where(ResumableUpload.id == upload.id)
            ).one_or_none()
        if row is None:
            raise NotFoundError(f"there is no upload {upload.id} any more")
        return replace(upload, **row._mapping)

    def note(self, id: str, **values: Any) -> None:
        """Change what is known of an upload, by column."""
        with writing(self._engine).begin() as connection:
            connection.execute(
                update(ResumableUpload).where(ResumableUpload.id == id).values(**values)
            )

    def found(self, upload: Arriving) -> Checked | None:
        """What was found of a content that is registered."""
        columns = (FileDigest.size, FileDigest.crc32, FileDigest.sha256)
        with self._engine.connect() as connection:
            row = connection.execute(
                select(*columns).where(FileDigest.location == upload.location)
            ).one_or_none()
        return Checked(*row) if row else None

    def expired(self, now: datetime) -> Sequence[str]:
        """Ids of uploads that nobody went on with in time."""
        with self._engine.connect() as connection:
            return connection.scalars(
                select(ResumableUpload.id).where(ResumableUpload.expires <= now)
            ).all()

    def remove(self, id: str) -> None:
        """Forget an upload."""
        with writing(self._engine).begin() as connection:
            connection.execute(delete(ResumableUpload).where(ResumableUpload.id == id))
