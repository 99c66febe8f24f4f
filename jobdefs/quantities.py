"""Named quantities of datasets: what conditions are about."""

from __future__ import annotations

from dataclasses import dataclass

PLACEHOLDER = "${datasetId}"


@dataclass(frozen=True, slots=True)
class NamedQuery:
    """A quantity and the catalog query that gives it, asked as the user for each dataset.

    Exactly one row is the value; no row, or several, is null.
    """

    name: str
    query: str

    @property
    def for_each(self) -> str:
        """The query with ``:id`` for the dataset, as ``CatalogSession.search_each`` takes it."""
        return self.query.replace(PLACEHOLDER, ":id")

    def for_dataset(self, dataset_id: int) -> str:
        """The query for one dataset."""
        return self.query.replace(PLACEHOLDER, str(int(dataset_id)))
