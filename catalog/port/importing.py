"""Reads a dump into the catalog, row by row: what was stored before an error stays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from sqlalchemy import Connection

from catalog import entities
from catalog.authz.caller import Caller
from catalog.items import Creation, Item
from catalog.port import header, tokens
from catalog.port.cells import label, value_of
from catalog.port.duplicates import settle, stored
from catalog.port.header import Attribute, Header, Label
from catalog.port.lines import at_line, numbered
from catalog.port.lookup import Labels, Lookup
from catalog.port.options import FIRST_LINE, LAST_LINE, VERSION, Attributes, Duplicate
from catalog.port.tokens import Token
from catalog.transactions import Transactions
from ijp.errors import BadRequestError, NotAuthorizedError, PortalError

BATCH = 500
"""How many rows of a root user go to the database together."""

Progress = Callable[[str, int], None]
"""Told the name of an entity and how many rows of its table are done."""


@dataclass(frozen=True)
class Row:
    """A row of a table, and which line of the file it is."""

    number: int
    tokens: list[Token]


def load(
    transactions: Transactions,
    caller: Caller,
    pieces: Iterable[bytes],
    *,
    duplicate: Duplicate = Duplicate.THROW,
    attributes: Attributes = Attributes.USER,
    progress: Progress = lambda _name, _rows: None,
) -> dict[str, int]:
    """Read a dump; each row is a transaction.

    Returns:
        How many rows there were, by entity.

    Raises:
        NotAuthorizedError: ``Attributes.ALL`` is for root users only.
        PortalError: The first row that cannot be stored, or line that is no row; ``offset`` is
            the number of the line, from 1. All rows before it are stored.
    """
    if attributes is Attributes.ALL and not caller.is_root:
        raise NotAuthorizedError("user must be in rootUserNames")
    with closing(Labels()) as labels:
        table = _Table(transactions, caller, duplicate, attributes, labels)
        return _File(table, progress).read(pieces)


@dataclass
class _Table:
    """Stores rows of one table after the other."""

    transactions: Transactions
    caller: Caller
    duplicate: Duplicate
    attributes: Attributes
    labels: Labels
    lookup: Lookup = field(init=False)

    def __post_init__(self) -> None:
        self.lookup = Lookup(self.labels)

    def store(self, table: Header, rows: Sequence[Row]) -> None:
        """Store rows: as if one after the other, for root users first all together."""
        if not self.caller.is_root or len(rows) == 1 or not self._store_together(table, rows):
            for row in rows:
                with at_line(row.number):
                    self._store_one(table, row)

    def _store_together(self, table: Header, rows: Sequence[Row]) -> bool:
        """Whether all rows are stored; else none is. Rules need not be asked for a root user."""
        try:
            labels = [one for row in rows for one in _labels(table, row)]
            if len(set(labels)) < len(labels):
                return False
            with self.transactions.writing() as connection:
                creations = [self._creation(connection, table, row) for row in rows]
                items = [Item(creation=one) for one in creations]
                ids = entities.write(connection, self.caller, items)
        except PortalError:
            return False
        for row, id in zip(rows, ids, strict=True):
            self._label(table, row, id)
        return True

    def _store_one(self, table: Header, row: Row) -> None:
        with self.transactions.writing() as connection:
            creation = self._creation(connection, table, row)
            there = None
            if self.duplicate is not Duplicate.THROW:
                there = stored(connection, creation)
            if there is None:
                (id,) = entities.write(connection, self.caller, [Item(creation=creation)])
            else:
                id = int(there["id"])
                settle(connection, self.caller, self.duplicate, creation, there)
        self._label(table, row, id)

    def _label(self, table: Header, row: Row, id: int) -> None:
        for one in _labels(table, row):
            self.labels.add(table.entity, one, id)

    def _creation(self, connection: Connection, table: Header, row: Row) -> Creation:
        creation = Creation(table.entity, {}, row.number)
        for one in table.fields:
            if isinstance(one, Attribute):
                self._attribute(creation, one, row.tokens[one.column])
            elif isinstance(one, Label):
                self._check_label(table, label(row.tokens[one.column]))
            else:
                found = self.lookup.related(connection, one, row.tokens)
                creation.values[one.relation.column] = found
        return creation

    def _attribute(self, creation: Creation, attribute: Attribute, token: Token) -> None:
        is_stamp = attribute.name in header.STAMPS
        if not is_stamp or (self.attributes is Attributes.ALL and token is not None):
            column, value = value_of(creation.entity, attribute.name, token)
            creation.values[column] = value

    def _check_label(self, table: Header, given: str) -> None:
        if self.labels.find(table.entity, given) is not None:
            raise BadRequestError(f"the label {given!r} of a {table.entity.name} is there twice")


def _labels(table: Header, row: Row) -> list[str]:
    return [label(row.tokens[one.column]) for one in table.fields if isinstance(one, Label)]


class _File:
    """Goes through the lines: comments, version, tables."""

    def __init__(self, table: _Table, progress: Progress) -> None:
        self._table = table
        self._progress = progress
        self._header: Header | None = None
        self._waiting: list[Row] = []
        self._rows: dict[str, int] = {}

    def read(self, pieces: Iterable[bytes]) -> dict[str, int]:
        """Read all of it; gives the numbers of rows by entity."""
        number, first, last = 0, "", ""
        has_version = False
        try:
            for number, line in numbered(pieces):
                first, last = (line if number == 1 else first), line
                if line.startswith("#"):
                    continue
                if has_version:
                    self._line(number, line.strip(" \t"))
                elif line.strip():
                    with at_line(number):
                        has_version = _is_version(line.strip())
        except PortalError:
            self._store()
            raise
        self._store()
        with at_line(number or 1):
            if not has_version:
                raise BadRequestError(f"the file has no version; {VERSION} was expected")
            if first == FIRST_LINE and last != LAST_LINE:
                raise BadRequestError(f"the file ends without {LAST_LINE}: it is not whole")
        return self._rows

    def _line(self, number: int, line: str) -> None:
        if not line:
            self._store()
            self._header = None
            return
        with at_line(number):
            if self._header is None:
                self._header = header.parse(line)
                return
            self._waiting.append(Row(number, _row(self._header, line)))
        if len(self._waiting) == BATCH:
            self._store()

    def _store(self) -> None:
        """Store the rows that were read."""
        rows, self._waiting = self._waiting, []
        if not rows or self._header is None:
            return
        self._table.store(self._header, rows)
        name = self._header.entity.name
        self._rows[name] = self._rows.get(name, 0) + len(rows)
        self._progress(name, self._rows[name])


def _is_version(line: str) -> bool:
    if line != VERSION:
        raise BadRequestError(f"this is version {line[:60]!r} and not {VERSION}")
    return True


def _row(table: Header, line: str) -> list[Token]:
    found = tokens.read(line)
    if len(found) != table.width:
        raise BadRequestError(
            f"the row has {len(found)} values, but {table.entity.name} has {table.width} columns"
        )
    return found
