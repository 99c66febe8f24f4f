"""The second level made of its settings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine

from datastore.asker import asker
from datastore.locations import Locations
from datastore.reader import ReaderAccount
from datastore.selection import Resolver, SelectedDatafile
from datastore.storage import Archive, Storage
from datastore.tiers.checker import Checker
from datastore.tiers.levels import Levels, TwoLevels
from datastore.tiers.locks import Locks
from datastore.tiers.moving import Mover
from datastore.tiers.queue import Queue
from datastore.tiers.settings import ArchiveSettings
from datastore.tiers.tidier import Tidier
from datastore.tiers.worker import Worker, Workers
from ijp.datastore import Selection
from ijp.errors import NotFoundError
from servicekit import plugins
from servicekit.hourly import Hourly
from servicekit.service import Background


class Tiers:
    """The parts of two levels.

    Attributes:
        levels: For the calls of the interface.
    """

    def __init__(
        self,
        told: ArchiveSettings,
        base: Path,
        engine: Engine,
        storage: Storage,
        catalog: CatalogView,
        *,
        can_write: bool,
    ) -> None:
        """Make them; paths of the settings are relative to ``base``.

        Raises:
            PluginError: The archive is not installed.
            ValueError: Its settings are wrong.
        """
        archive: Archive = plugins.load("ijp.archives", told.storage, Archive)(  # type: ignore[type-abstract]
            told.settings, base / told.folder
        )
        self._told = told
        queue = Queue(engine, told.unit, timedelta(seconds=told.delay_seconds))
        locks = Locks(engine, queue, timedelta(seconds=told.lease_seconds))
        mover = Mover(
            storage, archive, base / told.spool_folder, catalog.contents, catalog.sees_any
        )
        self.levels: Levels = TwoLevels(queue, locks, storage, can_write=can_write, asker=asker)
        self.worker = Worker(queue, locks, mover)
        self.tidier = Tidier(queue, storage, told.start_archiving_bytes, told.stop_archiving_bytes)
        self.checker = Checker(engine, self.worker, told.check_datasets, catalog.checksums)

    def start(self) -> list[Background]:
        """Begin to move data, in threads."""
        told = self._told
        started: list[Background] = [Workers(self.worker, told.workers, told.poll_seconds)]
        if told.start_archiving_bytes is not None:
            started.append(Hourly("tier-tidier", self.tidier.run, told.tidy_seconds))
        if told.check_datasets:
            started.append(Hourly("archive-check", self.checker.run, told.check_seconds))
        return started


class CatalogView:
    """What the catalog has, as the reader account sees it."""

    def __init__(self, reader: ReaderAccount, locations: Locations) -> None:
        self._reader = reader
        self._locations = locations

    def contents(self, dataset_id: int) -> Sequence[SelectedDatafile] | None:
        """The datafiles of a dataset that have content; None if there is no such dataset."""
        resolver = Resolver(self._reader.session(), self._locations)
        try:
            return resolver.resolve(Selection(dataset_ids=[dataset_id]))
        except NotFoundError:
            return None

    def sees_any(self) -> bool:
        """Whether there is any datafile for this account."""
        found = self._reader.session().search("SELECT df.id FROM Datafile df LIMIT 0, 1")
        return bool(found)

    def checksums(self, dataset_id: int) -> dict[int, str | None]:
        """By datafile id the CRC-32 in hexadecimal, as far as it was noted."""
        resolver = Resolver(self._reader.session(), self._locations)
        return resolver.checksums(dataset_id)
