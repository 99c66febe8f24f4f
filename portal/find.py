"""Finds datasets and datafiles: runs searches as the user and gives pages of rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ijp.catalog import CatalogSession, Entity
from ijp.errors import BadRequestError, ValidationFailedError
from jobdefs.search_items import SearchItem, fill
from jobdefs.store import DefinitionStore
from portal.found_parameters import ParameterReader, ParameterValue, by_name
from portal.provenance_graph import ancestors, descendants
from portal.recent import Recent
from portal.search import Place, Search
from portal.search_query import Narrowed, RootQuery, is_subquery, root_query, sorted_by
from portal.searchable import Kind, Searchable, Vocabulary, vocabulary
from portal.selection import Selection
from portal.sessions import User
from portal.subject import DATAFILES, ROOT, Subject

KEPT_SECONDS = 15.0


@dataclass(frozen=True)
class Found:
    """One dataset or datafile of a page."""

    entity: Entity
    parameters: tuple[ParameterValue, ...]

    @classmethod
    def of(cls, entity: Entity) -> Found:
        """Read a catalog's dataset or datafile with its parameters."""
        return cls(
            entity, by_name([ParameterValue.of(one) for one in entity.get("parameters", ())])
        )

    @property
    def id(self) -> int:
        """Its id."""
        return int(self.entity["id"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.entity["name"])

    def of_type(self, searchable: Searchable) -> ParameterValue | None:
        """Its parameter of that type, if it has one."""
        return self.of_types((searchable,))[0]

    def of_types(self, columns: Sequence[Searchable]) -> list[ParameterValue | None]:
        """Its parameter of each type, None for one that it does not have."""
        by_type = {one.type_id: one for one in reversed(self.parameters)}
        return [
            next((by_type[id] for id in one.type_ids if id in by_type), None) for one in columns
        ]


@dataclass(frozen=True)
class Page:
    """A page of a search.

    Attributes:
        next: The search for the page after; None at the end.
        previous: The search for the page before; None at the beginning.
        total: How many there are on all pages; None if that has not been counted.
        columns: The parameters shown.
    """

    rows: tuple[Found, ...]
    next: Search | None
    previous: Search | None
    total: int | None
    columns: tuple[Searchable, ...]


class Finder:
    """Searches for users; what a catalog allows to be searched by is kept for some seconds."""

    def __init__(self, definitions: DefinitionStore) -> None:
        """Use the search lists of these definitions."""
        self._definitions = definitions
        self._vocabularies: Recent[Vocabulary] = Recent(KEPT_SECONDS)
        self._types: Recent[Mapping[str, Sequence[int]]] = Recent(KEPT_SECONDS)
        self._parameters = ParameterReader(KEPT_SECONDS)
        self._totals: Recent[int] = Recent(KEPT_SECONDS)
        self._values: Recent[Sequence[float]] = Recent(4 * KEPT_SECONDS)

    def vocabulary(self, user: User, entity: str = "Dataset") -> Vocabulary:
        """What this user can search by."""
        return self._vocabularies.get((user.name, entity), lambda: vocabulary(user.catalog, entity))

    def dataset_types(self, user: User) -> tuple[str, ...]:
        """The names of the dataset types, in alphabetical order."""
        return tuple(self._type_ids(user))

    def _type_ids(self, user: User) -> Mapping[str, Sequence[int]]:
        """The ids of the dataset types by name: one, or one for each facility."""
        return self._types.get(user.name, lambda: _type_ids(user.catalog))

    def page(self, user: User, search: Search) -> Page:
        """One page of a search, in one statement.

        Raises:
            ValidationFailedError: ``fields`` has faults by row (``p0``) and list (``item.NAME``).
        """
        made = self._query(user, search)
        if made is None:
            return Page((), None, None, 0, ())
        included = search.subject.included(with_type=not search.type)
        text = f"{made.select(ROOT, limit=search.limit + 1)} INCLUDE {included}"
        entities = user.catalog.search(text)
        if search.type:
            # The name is all that is shown of the type, and it is known.
            for one in entities:
                search.subject.dataset_of(one)["type"] = {"name": search.type}
        more = len(entities) > search.limit
        del entities[search.limit :]
        ids = [int(one["id"]) for one in entities]
        parameters = self._parameters.read(user, search.subject, ids)
        rows = [Found(one, parameters[id]) for id, one in zip(ids, entities, strict=True)]
        backwards = search.before is not None
        if backwards:
            rows.reverse()
        whole = not more and not search.after and not backwards
        forward, back = (backwards or more), (bool(search.after) or (backwards and more))
        return Page(
            rows=tuple(rows),
            next=self._beside(user, search, rows[-1], after=True) if rows and forward else None,
            previous=self._beside(user, search, rows[0], after=False) if rows and back else None,
            total=len(rows) if whole else self._totals.peek(_total_key(user, search)),
            columns=self._columns(user, search, rows),
        )

    def total(self, user: User, search: Search) -> int:
        """How many a search finds."""

        def count() -> int:
            made = self._query(user, search.at())
            return int(user.catalog.search(made.select(f"COUNT({ROOT})"))[0]) if made else 0

        return self._totals.get(_total_key(user, search), count)

    def ids(self, user: User, search: Search, most: int) -> tuple[int, ...]:
        """The ids of the first so many of a search."""
        made = self._query(user, search.at())
        if made is None:
            return ()
        return tuple(map(int, user.catalog.search(made.select(f"{ROOT}.id", limit=most))))

    def values(
        self, user: User, searchable: Searchable, search: Search, most: int = 2000
    ) -> Sequence[float]:
        """Values of a numeric parameter, the newest so many, for a picture of what is there.

        Of the search only what is searched for and the dataset type count.
        """
        if searchable.kind is not Kind.NUMERIC or searchable.field:
            raise BadRequestError(f"{searchable.label} is not a numeric parameter")
        search = Search(search.subject, search.type)
        made = root_query(search, self.vocabulary(user, search.subject.entity))
        made = replace(
            made,
            ranges=(*made.ranges, f"{ROOT}.parameters p"),
            conditions=(*made.conditions, f"p.type.id IN {_list(searchable.type_ids)}"),
        )
        text = made.select("p.numericValue", limit=most)
        key = (user.name, search.subject, searchable.key, search.type)
        return self._values.get(
            key, lambda: [float(one) for one in user.catalog.search(text) if one is not None]
        )

    def items(self, subject: Subject) -> Sequence[SearchItem]:
        """The facility's lists."""
        if subject is DATAFILES:
            return self._definitions.datafile_search_items
        return self._definitions.dataset_search_items

    def _query(self, user: User, search: Search) -> RootQuery | None:
        """The query of a search; None if a list says already that there is nothing."""
        narrowed: list[Narrowed] = []
        dataset = search.subject.dataset
        if search.derived is not None:
            narrowed.append(Narrowed(dataset, descendants(user.catalog, search.derived)))
        if search.origin is not None:
            narrowed.append(Narrowed(dataset, ancestors(user.catalog, search.origin)))
        for name, values in search.items.items():
            text = self._item_query(name, values, search)
            if text is None:
                continue
            if is_subquery(text):
                narrowed.append(Narrowed(ROOT, text))
            elif ids := [int(id) for id in user.catalog.search(text) if id is not None]:
                narrowed.append(Narrowed(ROOT, ids))
            else:
                return None
        type_ids = self._type_ids(user).get(search.type, ()) if search.type else ()
        return root_query(search, self._known(user, search), narrowed, type_ids)

    def _known(self, user: User, search: Search) -> Vocabulary:
        return self.vocabulary(user, search.subject.entity)

    def _item_query(self, name: str, values: Sequence[str], search: Search) -> str | None:
        item = _named(self.items(search.subject), name)
        if lacking := lacks(item, search):
            text = f"choose a {lacking} to search by {name}"
            raise ValidationFailedError(text, fields={f"item.{name}": [text]})
        try:
            return fill(item, values, dataset_type=search.type or None, dataset_id=search.dataset)
        except ValidationFailedError as error:
            fault = {f"item.{name}": [error.message]}
            raise ValidationFailedError(error.message, fields=fault) from None

    def _beside(self, user: User, search: Search, row: Found, *, after: bool) -> Search:
        place = Place(row.id, self._sort_value(user, search, row))
        return search.at(after=place) if after else search.at(before=place)

    def _sort_value(self, user: User, search: Search, row: Found) -> str | None:
        by = sorted_by(search, self._known(user, search))
        if by is None:
            return None
        if by.field:
            return _exact(row.entity[by.field])
        its = row.of_type(by)
        # repr, because the next page begins at exactly this number
        return None if its is None or its.value is None else _exact(its.value)

    def _columns(self, user: User, search: Search, rows: Sequence[Found]) -> tuple[Searchable, ...]:
        """The chosen columns; else what is searched and sorted by, and what most rows have."""
        known = self._known(user, search)
        if search.columns:
            return tuple(one for one in known if one.key in search.columns and one.type_ids)
        wanted = [known.find(row.name) for row in search.rows]
        if by := sorted_by(search, known):
            wanted.append(by)
        counted = Counter(one.type_id for row in rows for one in row.parameters)
        by_type = {id: one for one in known for id in one.type_ids}
        usual = [by_type[id] for id, _ in counted.most_common() if id in by_type]
        # Moments take much room, and when it was created is there anyway.
        usual.sort(key=lambda one: one.kind is Kind.DATE)
        shown = [one for one in dict.fromkeys([*wanted, *usual]) if one.type_ids]
        return tuple(shown[: max(search.subject.columns, len(set(wanted)))])


def lacks(item: SearchItem, search: Search) -> str:
    """What must be chosen before a list can be used, in words; nothing if it can."""
    if "${datasetType}" in item.query and not search.type:
        return "dataset type"
    return "dataset" if "${datasetId}" in item.query and search.dataset is None else ""


def _exact(value: float | str) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _named(items: Sequence[SearchItem], name: str) -> SearchItem:
    for item in items:
        if item.param_name == name:
            return item
    raise BadRequestError(f"there is no search list {name!r}")


def _type_ids(session: CatalogSession) -> Mapping[str, Sequence[int]]:
    found: dict[str, list[int]] = {}
    rows = session.search("SELECT t.name, t.id FROM DatasetType t")
    for name, id in sorted(rows, key=lambda row: (str(row[0]).lower(), str(row[0]))):
        found.setdefault(str(name), []).append(int(id))
    return found


def _total_key(user: User, search: Search) -> tuple[Any, ...]:
    shown = Search(sort=search.sort.removeprefix("-")).sort
    plain = replace(search.at(), columns=(), limit=1, selection=Selection(), sort=shown)
    return user.name, search.subject, plain.query_string()


def _list(ids: Sequence[int]) -> str:
    return "(" + ", ".join(map(str, ids)) + ")"
