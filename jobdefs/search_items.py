"""Search lists of the Find page, and the queries that their values fill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ListOption:
    """One line of a list; an empty ``submit_value`` means "any"."""

    display_value: str
    submit_value: str


@dataclass(frozen=True, slots=True)
class SearchItem:
    """A list to choose from; its query gives the ids of the datasets or datafiles that fit."""

    param_name: str
    query: str
    multiple_select: bool = False
    visible_item_count: int = 1
    list_options: tuple[ListOption, ...] = ()
    line: int | None = None


def fill(
    item: SearchItem,
    values: Sequence[str],
    *,
    dataset_type: str | None = None,
    dataset_id: int | None = None,
) -> str | None:
    """The query of an item for the chosen values, each as a typed and escaped literal.

    Args:
        item: The item.
        values: The submit values chosen; empty ones count for nothing.
        dataset_type: For ``${datasetType}``.
        dataset_id: For ``${datasetId}``.

    Returns:
        The query, or None when nothing was chosen: the item then does not narrow the search.

    Raises:
        ValidationFailedError: A value is not one of the list's, or not a number or date where the
            query wants one; several values where one may be chosen.
    """
    raise NotImplementedError
