"""From the ids of a call to datafiles, as the calling user: the catalog decides what there is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from datastore.locations import Locations
from datastore.naming import zip_folder
from datastore.storage import DatasetInfo
from ijp.catalog import CatalogSession, parse_date
from ijp.datastore import Selection
from ijp.errors import NotAuthorizedError, NotFoundError
from ijp.query import query

IDS_A_QUERY = 500
"""Ids in one query: it must fit into a URL."""

_DATAFILE = (
    "SELECT df.id, df.dataset.id, df.name, df.location, df.fileSize, df.datafileModTime "
    "FROM Datafile df WHERE df.location IS NOT NULL AND df.id > {last} AND "
)
_CHECKSUMS = (
    "SELECT df.id, df.checksum FROM Datafile df WHERE df.dataset.id IN {ids} AND df.id > {last} "
    "ORDER BY df.id LIMIT 0, {page}"
)
_REGISTERED = (
    "SELECT df.id, df.dataset.id, df.location, df.checksum FROM Datafile df "
    "WHERE df.location IS NOT NULL AND df.id > {} ORDER BY df.id LIMIT 0, {}"
)
_DATASET = (
    "SELECT ds.id, ds.name, ds.investigation.id, ds.investigation.name, "
    "ds.investigation.visitId, ds.investigation.facility.id, ds.investigation.facility.name "
    "FROM Dataset ds WHERE ds.id IN {ids} ORDER BY ds.id"
)
_DATASETS_OF = (
    "SELECT ds.id FROM Dataset ds WHERE ds.investigation.id IN {ids} AND ds.id > {last} "
    "ORDER BY ds.id LIMIT 0, {page}"
)


@dataclass(frozen=True, slots=True)
class SelectedDatafile:
    """A datafile that has content.

    Attributes:
        folder: That of its dataset in a zip.
        file_size: Bytes as the catalog has it; None if it has none.
    """

    id: int
    dataset_id: int
    name: str
    folder: str
    location: str
    file_size: int | None
    mod_time: datetime | None


@dataclass(frozen=True, slots=True)
class Registered:
    """A datafile's content as the catalog has it.

    Attributes:
        location: Empty if it was not made for this datafile.
        checksum: CRC-32 in hexadecimal; None if the catalog has none.
    """

    id: int
    dataset_id: int
    location: str
    checksum: str | None


def must_zip(asked: Selection) -> bool:
    """The answer can only be a zip: this depends on what was asked for, not on what was found."""
    several = asked.investigation_ids or asked.dataset_ids or len(set(asked.datafile_ids)) != 1
    return bool(several)


class Resolver:
    """Finds what a user selected, with the user's own session."""

    def __init__(self, session: CatalogSession, locations: Locations | None = None) -> None:
        self._session = session
        self._locations = locations or Locations()
        self._page = session.catalog.properties().max_entities

    def resolve(self, asked: Selection, *, inside: bool = True) -> list[SelectedDatafile]:
        """The datafiles with content of a selection, each once, by id.

        Args:
            inside: Also those in datasets; without them only what was named is looked for.

        Raises:
            NotFoundError: A datafile or dataset does not exist, or the datafile has no content.
            NotAuthorizedError: The user may not read one, or not its investigation or facility.
        """
        if asked == Selection():
            # Nobody without a session is answered, not even about nothing.
            self._session.user_name()
            return []
        rows = {row[0]: row for row in self._by_id(asked.datafile_ids)}
        for id in asked.datafile_ids:
            if id not in rows:
                self._explain_datafile(id)
        dataset_ids = {row[1] for row in rows.values()}
        whole = {*asked.dataset_ids, *self._datasets_of(asked.investigation_ids)}
        found = self.datasets(dataset_ids | whole)
        if inside:
            rows |= {row[0]: row for row in self._in_datasets(whole)}
        folders = {id: zip_folder(dataset) for id, dataset in found.items()}
        return [self._datafile(rows[id], folders[rows[id][1]]) for id in sorted(rows)]

    def dataset(self, id: int) -> DatasetInfo:
        """One dataset with its investigation and facility.

        Raises:
            NotFoundError: There is none.
            NotAuthorizedError: The user may not read it, or not its investigation or facility.
        """
        return self.datasets([id])[id]

    def datasets(self, ids: Iterable[int]) -> dict[int, DatasetInfo]:
        """Datasets by id; raises as ``dataset`` does."""
        wanted = sorted(set(ids))
        found: dict[int, DatasetInfo] = {}
        for some in self._portions(wanted):
            for row in self._session.search(query(_DATASET, ids=some)):
                found[row[0]] = DatasetInfo(*row)
        for id in wanted:
            if id not in found:
                self._session.get("Dataset", id)
                raise NotAuthorizedError(
                    f"Dataset {id}: you are probably not able to read its investigation or facility"
                )
        return found

    def checksums(self, dataset_id: int) -> dict[int, str | None]:
        """By datafile id the CRC-32 in hexadecimal that the catalog has."""
        return {row[0]: row[1] for row in self._paged(_CHECKSUMS, [dataset_id])}

    def registered(self, after: int) -> list[Registered]:
        """The next page of all datafiles with content, by id, from the one after an id on."""
        rows = self._session.search(query(_REGISTERED, after, self._page))
        return [
            Registered(id, dataset_id, self._location(id, told), checksum)
            for id, dataset_id, told, checksum in rows
        ]

    def _location(self, id: int, told: str) -> str:
        try:
            return self._locations.plain(id, told)
        except NotAuthorizedError:
            return ""

    def _explain_datafile(self, id: int) -> None:
        self._session.get("Datafile", id)
        raise NotFoundError(f"Datafile {id} has no content, or its dataset cannot be read")

    def _by_id(self, ids: Sequence[int]) -> Iterator[list[Any]]:
        for some in self._portions(sorted(set(ids))):
            template = _DATAFILE + "df.id IN {ids} ORDER BY df.id LIMIT 0, {page}"
            yield from self._paged(template, some)

    def _in_datasets(self, ids: Iterable[int]) -> Iterator[list[Any]]:
        for some in self._portions(sorted(ids)):
            template = _DATAFILE + "df.dataset.id IN {ids} ORDER BY df.id LIMIT 0, {page}"
            yield from self._paged(template, some)

    def _datasets_of(self, investigation_ids: Sequence[int]) -> Iterator[int]:
        for some in self._portions(sorted(set(investigation_ids))):
            for row in self._paged(_DATASETS_OF, some):
                yield row[0]

    def _paged(self, template: str, ids: Sequence[int]) -> Iterator[list[Any]]:
        """All rows, by id from page to page: no query gives more than the catalog allows."""
        last = 1 - 2**63  # the least number that a query can have
        while True:
            text = query(template, ids=ids, last=last, page=self._page)
            rows = [row if isinstance(row, list) else [row] for row in self._session.search(text)]
            yield from rows
            if len(rows) < self._page:
                return
            last = rows[-1][0]

    def _portions(self, ids: Sequence[int]) -> Iterator[Sequence[int]]:
        step = min(IDS_A_QUERY, self._page)
        return (ids[at : at + step] for at in range(0, len(ids), step))

    def _datafile(self, row: list[Any], folder: str) -> SelectedDatafile:
        id, dataset_id, name, location, file_size, mod_time = row
        return SelectedDatafile(
            id=id,
            dataset_id=dataset_id,
            name=name,
            folder=folder,
            location=self._locations.plain(id, location),
            file_size=file_size,
            mod_time=parse_date(mod_time) if mod_time else None,
        )
