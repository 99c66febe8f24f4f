"""From a search to the catalog's query language; every value is a literal made in one place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ijp.errors import BadRequestError, ValidationFailedError
from ijp.query import like_escaped, literal
from portal.search import Place, Row, Search
from portal.searchable import (
    SIGNS,
    VALUE_ATTRIBUTES,
    Kind,
    Operator,
    Searchable,
    Vocabulary,
)
from portal.subject import ROOT, Subject

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_STRINGS = re.compile(r"'(?:[^']|'')*'")
_NOT_IN_SUBQUERY = re.compile(rf"\b(?:LIMIT|INCLUDE|ORDER|{ROOT})\b|:\w", re.IGNORECASE)


@dataclass(frozen=True)
class RootQuery:
    """A search, ready to be put into words.

    Attributes:
        ranges: What stands after FROM.
        conditions: All of them must hold.
        order: What is sorted by, ending in the id; each with its direction.
    """

    ranges: tuple[str, ...]
    conditions: tuple[str, ...]
    order: tuple[str, ...] = ()

    def select(self, what: str, *, offset: int = 0, limit: int | None = None) -> str:
        """The query that gives ``what``, in the order if there is a limit."""
        text = f"SELECT {what} FROM {', '.join(self.ranges)}"
        if self.conditions:
            text += " WHERE " + " AND ".join(self.conditions)
        if limit is not None:
            text += f" ORDER BY {', '.join(self.order)} LIMIT {offset}, {limit}"
        return text


@dataclass(frozen=True)
class Narrowed:
    """What says which ids there may be: a query that gives them, or they themselves.

    Attributes:
        path: What has one of these ids.
    """

    path: str
    by: str | Sequence[int]

    def __str__(self) -> str:
        if isinstance(self.by, str):
            return f"{self.path}.id IN ({self.by})"
        return f"{self.path}.id IN {literal(self.by)}" if self.by else f"{self.path}.id = 0"


def root_query(
    search: Search,
    vocabulary: Vocabulary,
    narrowed: Sequence[Narrowed] = (),
    type_ids: Sequence[int] = (),
) -> RootQuery:
    """The query of a search.

    Args:
        search: What to search for.
        vocabulary: What can be searched by; nothing else gets into the query.
        narrowed: From the facility's lists and the provenance.
        type_ids: The dataset types of the wanted name, if they are known: then the database need
            not look at the types.

    Raises:
        ValidationFailedError: ``fields`` has the faults by row: ``p0``, ``p1`` and so on.
        BadRequestError: There is nothing of that name to sort by.
    """
    dataset = search.subject.dataset
    ranges = [f"{search.subject.entity} {ROOT}"]
    conditions = [] if search.incomplete else [f"{dataset}.complete = TRUE"]
    if search.type and type_ids:
        conditions.append(f"{dataset}.type.id {_one_of(type_ids)}")
    elif search.type:
        conditions.append(f"{dataset}.type.name = {literal(search.type)}")
    if search.investigation is not None:
        conditions.append(f"{dataset}.investigation.id = {literal(search.investigation)}")
    if search.dataset is not None:
        conditions.append(f"{dataset}.id = {literal(search.dataset)}")
    conditions += map(str, narrowed)
    conditions += _words(search.text, search.subject)
    faults: dict[str, list[str]] = {}
    for number, row in enumerate(search.rows):
        try:
            path, more_ranges, more = _value_of(vocabulary.find(row.name), f"p{number}")
            if row.counts:
                conditions += [*more, comparison(path, vocabulary.find(row.name), row)]
                ranges += more_ranges
        except BadRequestError as error:
            faults[f"p{number}"] = [error.message]
    if faults:
        texts = "; ".join(text for texts in faults.values() for text in texts)
        raise ValidationFailedError(texts, fields=faults)
    return _sorted(search, vocabulary, RootQuery(tuple(ranges), tuple(conditions)))


def comparison(path: str, searchable: Searchable, row: Row) -> str:
    """The condition that a row stands for.

    Raises:
        BadRequestError: The operator does not fit, or a value is missing or of another type.
    """
    operator = operator_of(searchable, row.operator)
    if operator is Operator.LIKE:
        return f"LOWER({path}) LIKE {literal(row.value.lower())}"
    if operator is Operator.BETWEEN:
        if not (row.value.strip() and row.high.strip()):
            raise BadRequestError(f"{searchable.label}: give both ends, or neither")
        low = _value(searchable, row.value)
        high = _value(searchable, row.high, end_of_day=True)
        if low > high:  # type: ignore[operator]
            raise BadRequestError(f"{searchable.label}: {row.value} is above {row.high}")
        return f"{path} BETWEEN {literal(low)} AND {literal(high)}"
    after = operator is Operator.GT
    value = _value(searchable, row.value, end_of_day=after)
    return f"{path} {SIGNS[operator]} {literal(value)}"


def operator_of(searchable: Searchable, name: str) -> Operator:
    """The operator of that name; the first that fits if the name is empty.

    Raises:
        BadRequestError: It does not fit, or there is none of that name.
    """
    if not name:
        return searchable.operators[0]
    if name not in searchable.operators:
        fitting = ", ".join(SIGNS[one] for one in searchable.operators)
        sign = SIGNS[Operator(name)] if name in SIGNS else repr(name[:20])
        raise BadRequestError(
            f"{searchable.label} cannot be compared by {sign} (but by: {fitting})"
        )
    return Operator(name)


def _value_of(one: Searchable, variable: str) -> tuple[str, list[str], list[str]]:
    """The path of its value, and what must be joined for it."""
    if one.field:
        return f"{ROOT}.{one.field}", [], []
    condition = f"{variable}.type.id {_one_of(one.type_ids)}"
    path = f"{variable}.{VALUE_ATTRIBUTES[one.kind]}"
    return path, [f"{ROOT}.parameters {variable}"], [condition]


def _one_of(ids: Sequence[int]) -> str:
    return f"= {literal(ids[0])}" if len(ids) == 1 else f"IN {literal(ids)}"


def _value(
    searchable: Searchable, text: str, *, end_of_day: bool = False
) -> int | float | str | datetime:
    if searchable.kind is Kind.STRING:
        return text
    text = text.strip()
    if searchable.kind is Kind.NUMERIC:
        return _number(searchable, text)
    return _moment(searchable, text, end_of_day=end_of_day)


def _number(searchable: Searchable, text: str) -> int | float:
    try:
        number = int(text) if _INTEGER.fullmatch(text) else float(text)
        literal(number)
    except ValueError:
        raise BadRequestError(f"{searchable.label}: {text[:40]!r} is not a number") from None
    return number


def _moment(searchable: Searchable, text: str, *, end_of_day: bool) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequestError(
            f"{searchable.label}: {text[:40]!r} is not a date; write 2026-11-20 or 2026-11-20T14:30"
        ) from None
    if _DAY.fullmatch(text) and end_of_day:
        moment += timedelta(hours=23, minutes=59, seconds=59)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _words(text: str, subject: Subject) -> Iterable[str]:
    for word in text.lower().split()[:12]:
        pattern = literal(f"%{like_escaped(word)}%")
        each = (f"LOWER({ROOT}.{path}) LIKE {pattern} ESCAPE '!'" for path in subject.words)
        yield "(" + " OR ".join(each) + ")"


def is_subquery(text: str) -> bool:
    """Whether a facility's query can stand inside another one as it is."""
    bare = _STRINGS.sub("''", text)
    return bare.lstrip()[:7].upper() == "SELECT " and not _NOT_IN_SUBQUERY.search(bare)


def sorted_by(search: Search, vocabulary: Vocabulary) -> Searchable | None:
    """What is sorted by; None for when it was created, for which the id stands.

    Ids grow as things are created, and unlike moments they can be written exactly.

    Raises:
        BadRequestError: There is none of that name, or one cannot sort by it.
    """
    if search.sort_key == "created":
        return None
    noun = search.subject.noun
    found = vocabulary.find(f"{noun}.name" if search.sort_key == "name" else search.sort_key)
    textual_field = found.field not in (None, "name") and found.kind is Kind.STRING
    if textual_field or found.kind is Kind.DATE:
        raise BadRequestError(f"{noun}s cannot be sorted by {found.label}")
    return found


def _sorted(search: Search, vocabulary: Vocabulary, made: RootQuery) -> RootQuery:
    searchable, path = sorted_by(search, vocabulary), None
    if searchable is not None:
        path, ranges, conditions = _value_of(searchable, "sorted")
        if searchable.field != "name" and searchable.field:
            conditions = [f"{path} IS NOT NULL"]
        made = replace(
            made,
            ranges=(*made.ranges, *ranges),
            conditions=(*made.conditions, *conditions),
        )
    # Backwards: the page before is the reverse list's page after.
    descending = search.descending != (search.before is not None)
    place = search.after or search.before
    if place:
        beyond = _beyond(path, searchable, place, "<" if descending else ">")
        made = replace(made, conditions=(*made.conditions, beyond))
    direction = " DESC" if descending else ""
    keys = (path, f"{ROOT}.id") if path else (f"{ROOT}.id",)
    return replace(made, order=tuple(key + direction for key in keys))


def _beyond(path: str | None, searchable: Searchable | None, place: Place, sign: str) -> str:
    id = f"{ROOT}.id {sign} {literal(place.id)}"
    if path is None or searchable is None:
        return id
    if place.value is None:
        raise BadRequestError(f"sorted by {searchable.label}, a page begins at ID:value")
    value = literal(_value(searchable, place.value))
    return f"({path} {sign} {value} OR ({path} = {value} AND {id}))"
