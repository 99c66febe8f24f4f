"""Contents that are not there any more, or not as they were stored, when somebody wants them."""

from __future__ import annotations

import logging

from sqlalchemy import Engine, select, update

from datastore.model import FileDigest
from datastore.selection import SelectedDatafile
from datastore.storage import Storage
from datastore.tiers.levels import Levels
from ijp.errors import NotFoundError
from servicekit.database import writing

log = logging.getLogger(__name__)


class Faults:
    """Marks them for administrators, and has them restored if the archive has them."""

    def __init__(self, engine: Engine, storage: Storage, levels: Levels) -> None:
        self._engine = engine
        self._storage = storage
        self._levels = levels

    def found(self, datafile: SelectedDatafile) -> None:
        """Look why a content is not what the catalog says.

        What users write into the catalog is no fault of the storage: only what was noted when the
        file was stored counts.

        Raises:
            DataNotOnlineError: The archive has it, and it comes back from there.
        """
        stored, size = self._stored_size(datafile), self._size(datafile)
        if size is not None and stored in (None, size):
            log.warning("the catalog has another size of datafile %d", datafile.id)
            return
        what = "it is missing" if size is None else f"it has {size} bytes, and had {stored}"
        log.error("%s, datafile %d: %s", datafile.location, datafile.id, what)
        own = update(FileDigest).where(FileDigest.location == datafile.location)
        with writing(self._engine).begin() as connection:
            connection.execute(own.values(fault=what))
        self._levels.damaged(datafile)

    def _stored_size(self, datafile: SelectedDatafile) -> int | None:
        query = select(FileDigest.size).where(FileDigest.location == datafile.location)
        with self._engine.connect() as connection:
            return connection.scalar(query)

    def _size(self, datafile: SelectedDatafile) -> int | None:
        try:
            return self._storage.size(datafile.location)
        except NotFoundError:
            return None
