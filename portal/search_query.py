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

ROOT = "found"
"""The variable of what is searched for."""

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_STRINGS = re.compile(r"'(?:[^']|'')*'")
_NOT_IN_SUBQUERY = re.compile(rf"\b(?:LIMIT|INCLUDE|ORDER|{ROOT})\b|:\w", re.IGNORECASE)


@dataclass(frozen=True)
class DatasetQuery:
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


def dataset_query(
    search: Search, vocabulary: Vocabulary, narrowed: Sequence[str | Sequence[int]] = ()
) -> DatasetQuery:
    """The query of a search.

    Args:
        search: What to search for.
        vocabulary: What can be searched by; nothing else gets into the query.
        narrowed: From the facility's lists: queries of dataset ids, or such ids.

    Raises:
        ValidationFailedError: ``fields`` has the faults by row: ``p0``, ``p1`` and so on.
        BadRequestError: There is nothing of that name to sort by.
    """
    ranges = [f"Dataset {ROOT}"]
    conditions = [] if search.incomplete else [f"{ROOT}.complete = TRUE"]
    if search.type:
        conditions.append(f"{ROOT}.type.name = {literal(search.type)}")
    if search.investigation is not None:
        conditions.append(f"{ROOT}.investigation.id = {literal(search.investigation)}")
    conditions += [_narrowed(one) for one in narrowed]
    conditions += _words(search.text)
    faults: dict[str, list[str]] = {}
    for number, row in enumerate(search.rows):
        try:
            path, more_ranges, more = _subject(vocabulary.find(row.name), f"p{number}")
            if row.counts:
                conditions += [*more, comparison(path, vocabulary.find(row.name), row)]
                ranges += more_ranges
        except BadRequestError as error:
            faults[f"p{number}"] = [error.message]
    if faults:
        texts = "; ".join(text for texts in faults.values() for text in texts)
        raise ValidationFailedError(texts, fields=faults)
    return _sorted(search, vocabulary, DatasetQuery(tuple(ranges), tuple(conditions)))


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


def _subject(one: Searchable, variable: str) -> tuple[str, list[str], list[str]]:
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


_TEXT_PATHS = (f"{ROOT}.name", f"{ROOT}.description", f"{ROOT}.investigation.name")


def _words(text: str) -> Iterable[str]:
    for word in text.lower().split()[:12]:
        pattern = literal(f"%{like_escaped(word)}%")
        each = (f"LOWER({path}) LIKE {pattern} ESCAPE '!'" for path in _TEXT_PATHS)
        yield "(" + " OR ".join(each) + ")"


def _narrowed(by: str | Sequence[int]) -> str:
    if isinstance(by, str):
        return f"{ROOT}.id IN ({by})"
    return f"{ROOT}.id IN {literal(by)}" if by else f"{ROOT}.id = 0"


def is_subquery(text: str) -> bool:
    """Whether a facility's query can stand inside another one as it is."""
    bare = _STRINGS.sub("''", text)
    return bare.lstrip()[:7].upper() == "SELECT " and not _NOT_IN_SUBQUERY.search(bare)


def _sorted(search: Search, vocabulary: Vocabulary, made: DatasetQuery) -> DatasetQuery:
    if search.sort_key == "created":
        # Ids grow as datasets are created; unlike moments they can be written exactly.
        path, searchable = None, None
    elif search.sort_key == "name":
        path, searchable = f"{ROOT}.name", vocabulary.find("dataset.name")
    else:
        searchable = vocabulary.find(search.sort_key)
        if searchable.field or searchable.kind is Kind.DATE:
            raise BadRequestError(f"datasets cannot be sorted by {searchable.label}")
        path, ranges, conditions = _subject(searchable, "sorted")
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
