"""A search as its URL has it: the one form that pages, links and programs share.

=================  =========================================================================
``type``           name of the dataset type; of datafiles, their dataset's
``item.NAME``      chosen value of the facility's search list NAME; repeated for several
``p``              ``NAME:operator:value``; repeated, all must hold. NAME is a searchable's key
                   (a ``:`` or ``\\`` in it has a ``\\`` before it), operator one of eq ne lt le gt
                   ge like between, the value of between is ``low..high``
``text``           words that must all occur in name, description, (dataset) or investigation
``investigation``  id of an investigation: only its data
``dataset``        id of a dataset: only its files (where datafiles are searched for)
``derived``        id of a dataset: only what was made from it, directly or not
``origin``         id of a dataset: only what it was made from, directly or not
``sort``           ``created``, ``name`` or the key of a parameter or of a number of its own; a
                   ``-`` before it: descending
``column``         shown parameter; repeated, in their order
``after, before``  where the page begins or ends: an id, then ``:value`` of what is sorted by
``limit``          how many on a page
``incomplete``     ``1``: also (files of) datasets still being written
``sel, files``     selected datasets and datafiles
=================  =========================================================================
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from ijp.errors import BadRequestError
from portal.selection import Selection
from portal.subject import DATAFILES, DATASETS, Subject

LIMIT = 50
MOST = 500
NEWEST_FIRST = "-created"
MOST_ROWS = 30

_ITEM = "item."
_PARTS = re.compile(r"((?:[^:\\]|\\.)*)(?::([a-z]*))?(?::(.*))?", re.DOTALL)


@dataclass(frozen=True)
class Row:
    """One condition on a field or parameter; without values it does not count.

    Attributes:
        name: A searchable's key.
        operator: As in the URL; empty: the first that fits.
        high: The upper value of ``between``; empty otherwise.
    """

    name: str
    operator: str = ""
    value: str = ""
    high: str = ""

    @classmethod
    def parse(cls, text: str) -> Row:
        """Read ``NAME:operator:value``."""
        match = _PARTS.fullmatch(text)
        if match is None or not match[1]:
            raise BadRequestError(f"a condition is written NAME:operator:value, not {text[:80]!r}")
        name = re.sub(r"\\(.)", r"\1", match[1], flags=re.DOTALL)
        operator, value = match[2] or "", match[3] or ""
        if operator == "between":
            low, _, high = value.partition("..")
            return cls(name, operator, low.strip(), high.strip())
        return cls(name, operator, value)

    def __str__(self) -> str:
        name = re.sub(r"([:\\])", r"\\\1", self.name)
        value = self.value
        if self.operator == "between":
            value = f"{self.value}..{self.high}" if self.value or self.high else ""
        return f"{name}:{self.operator}:{value}"

    @property
    def counts(self) -> bool:
        """Whether there is a value to compare with."""
        return bool(self.value.strip() or self.high.strip())


@dataclass(frozen=True)
class Place:
    """A place in a sorted list: just beside this id, sorted by this value (None: by id)."""

    id: int
    value: str | None = None

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read ``ID`` or ``ID:value``."""
        number, colon, value = text.partition(":")
        if not re.fullmatch(r"\d{1,18}", number):
            raise BadRequestError(f"a page begins at an id, not at {text[:40]!r}")
        return cls(int(number), value if colon else None)

    def __str__(self) -> str:
        return str(self.id) if self.value is None else f"{self.id}:{self.value}"


@dataclass(frozen=True)
class Search:
    """What to search for, how to show it, and what is selected."""

    subject: Subject = DATASETS
    type: str = ""
    items: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()
    text: str = ""
    investigation: int | None = None
    dataset: int | None = None
    derived: int | None = None
    origin: int | None = None
    columns: tuple[str, ...] = ()
    sort: str = NEWEST_FIRST
    after: Place | None = None
    before: Place | None = None
    limit: int = LIMIT
    incomplete: bool = False
    selection: Selection = field(default_factory=Selection)

    @classmethod
    def parse(cls, arguments: MultiDict[str, str], subject: Subject = DATASETS) -> Search:
        """Read the parameters of a URL; those of others are left alone.

        Raises:
            BadRequestError: A value is not written as it should be; says which.
        """
        rows = tuple(Row.parse(text) for text in arguments.getlist("p") if text.strip())
        if len(rows) > MOST_ROWS:
            raise BadRequestError(f"{len(rows)} conditions are too many (at most {MOST_ROWS})")
        after, before = arguments.get("after"), arguments.get("before")
        return cls(
            subject=subject,
            type=arguments.get("type", "").strip(),
            items=_items(arguments),
            rows=rows,
            text=" ".join(arguments.get("text", "").split()),
            investigation=_id(arguments, "investigation"),
            dataset=_id(arguments, "dataset") if subject is DATAFILES else None,
            derived=_id(arguments, "derived"),
            origin=_id(arguments, "origin"),
            columns=tuple(dict.fromkeys(filter(None, arguments.getlist("column")))),
            sort=arguments.get("sort") or NEWEST_FIRST,
            after=Place.parse(after) if after else None,
            before=Place.parse(before) if before and not after else None,
            limit=_limit(arguments.get("limit")),
            incomplete=arguments.get("incomplete", "") in ("1", "true", "on"),
            selection=Selection.parse(arguments.get("sel", ""), arguments.get("files", "")),
        )

    def parameters(self) -> list[tuple[str, str]]:
        """The URL's parameters, in one order and without what is as usual."""
        found: list[tuple[str, str]] = []
        if self.type:
            found.append(("type", self.type))
        for name in sorted(self.items):
            found.extend((_ITEM + name, value) for value in self.items[name])
        found.extend(("p", str(row)) for row in self.rows)
        if self.text:
            found.append(("text", self.text))
        for name, id in (
            ("investigation", self.investigation),
            ("dataset", self.dataset),
            ("derived", self.derived),
            ("origin", self.origin),
        ):
            if id is not None:
                found.append((name, str(id)))
        found.extend(("column", name) for name in self.columns)
        if self.sort != NEWEST_FIRST:
            found.append(("sort", self.sort))
        found.extend(
            (name, str(place))
            for name, place in (("after", self.after), ("before", self.before))
            if place
        )
        if self.limit != LIMIT:
            found.append(("limit", str(self.limit)))
        if self.incomplete:
            found.append(("incomplete", "1"))
        found.extend(self.selection.parameters().items())
        return found

    def query_string(self) -> str:
        """The part of the URL after the question mark."""
        return urlencode(self.parameters(), safe=":,.")

    def at(self, *, after: Place | None = None, before: Place | None = None) -> Search:
        """The same search on another page; without a place on the first."""
        return replace(self, after=after, before=before)

    def sorted_by(self, sort: str) -> Search:
        """The same search in another order, on the first page."""
        return replace(self, sort=sort, after=None, before=None)

    def about(self, subject: Subject) -> Search:
        """A search for something else, as far as it can be the same."""
        return Search(
            subject=subject,
            type=self.type,
            text=self.text,
            investigation=self.investigation,
            dataset=self.dataset if subject is DATAFILES else None,
            derived=self.derived,
            origin=self.origin,
            limit=self.limit,
            incomplete=self.incomplete,
            selection=self.selection,
        )

    def selecting(self, selection: Selection) -> Search:
        """The same search with another selection."""
        return replace(self, selection=selection)

    @property
    def descending(self) -> bool:
        """Whether the largest comes first."""
        return self.sort.startswith("-")

    @property
    def sort_key(self) -> str:
        """What is sorted by."""
        return self.sort.removeprefix("-")


def _items(arguments: MultiDict[str, str]) -> dict[str, tuple[str, ...]]:
    chosen: dict[str, tuple[str, ...]] = {}
    for name in arguments:
        if name.startswith(_ITEM):
            values: Sequence[str] = [value for value in arguments.getlist(name) if value]
            if values:
                chosen[name.removeprefix(_ITEM)] = tuple(values)
    return chosen


def _id(arguments: MultiDict[str, str], name: str) -> int | None:
    text = arguments.get(name)
    if not text:
        return None
    if not re.fullmatch(r"\d{1,18}", text):
        raise BadRequestError(f"{name} is a number, not {text[:20]!r}")
    return int(text)


def _limit(text: str | None) -> int:
    if not text:
        return LIMIT
    if not re.fullmatch(r"\d{1,6}", text) or not int(text):
        raise BadRequestError(f"limit must be a number from 1 to {MOST}, not {text[:20]!r}")
    return min(int(text), MOST)
