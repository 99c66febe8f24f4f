"""Prepared selections: an id, known to whoever was given it, that is good for a while."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, delete, insert, or_, select

from datastore.model import Prepared, PreparedDatafile
from datastore.selection import SelectedDatafile
from ijp.errors import NotFoundError
from servicekit.database import writing


@dataclass(frozen=True)
class PreparedSelection:
    """What was prepared; ``zip`` says whether it is sent as a zip."""

    zip: bool
    compress: bool
    datafiles: list[SelectedDatafile]


class PreparedStore:
    """Keeps prepared selections until they expire or newer ones need their place."""

    def __init__(self, engine: Engine, lifetime: timedelta, at_most: int) -> None:
        self._engine = engine
        self._lifetime = lifetime
        self._at_most = at_most

    def add(self, datafiles: Sequence[SelectedDatafile], *, zip: bool, compress: bool) -> str:
        """Keep a selection; gives its new id, which cannot be guessed."""
        id, now = str(uuid.uuid4()), datetime.now(UTC)
        row = {"id": id, "zip": zip, "compress": compress}
        with writing(self._engine).begin() as connection:
            self._tidy(connection, now)
            connection.execute(
                insert(Prepared).values(**row, created=now, expires=now + self._lifetime)
            )
            if datafiles:
                connection.execute(insert(PreparedDatafile), [_row(id, one) for one in datafiles])
        return id

    def _tidy(self, connection: Connection, now: datetime) -> None:
        surplus = (
            select(Prepared.id)
            .order_by(Prepared.created.desc(), Prepared.id)
            .offset(self._at_most - 1)
            .limit(self._at_most)
        )
        ids = connection.scalars(surplus).all()
        connection.execute(
            delete(Prepared).where(or_(Prepared.expires <= now, Prepared.id.in_(ids)))
        )

    def get(self, id: str) -> PreparedSelection:
        """A selection by its id.

        Raises:
            NotFoundError: There is none of that id, or it has expired.
        """
        with self._engine.connect() as connection:
            found = connection.execute(
                select(Prepared.zip, Prepared.compress).where(
                    Prepared.id == id, Prepared.expires > datetime.now(UTC)
                )
            ).one_or_none()
            if found is None:
                raise NotFoundError(f"The preparedId {id} is not known, or has expired")
            rows = connection.execute(
                select(*_COLUMNS)
                .where(PreparedDatafile.prepared_id == id)
                .order_by(PreparedDatafile.datafile_id)
            )
            return PreparedSelection(
                found.zip, found.compress, [SelectedDatafile(*row) for row in rows]
            )


_COLUMNS = (
    PreparedDatafile.datafile_id,
    PreparedDatafile.dataset_id,
    PreparedDatafile.name,
    PreparedDatafile.folder,
    PreparedDatafile.location,
    PreparedDatafile.file_size,
    PreparedDatafile.mod_time,
)


def _row(id: str, datafile: SelectedDatafile) -> dict[str, object]:
    columns = asdict(datafile)
    return {"prepared_id": id, "datafile_id": columns.pop("id"), **columns}
