"""Writes a dump: everything, or what a query gives, as far as the caller may read it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, select

from catalog.authz.caller import Caller
from catalog.authz.rules import Rights
from catalog.port import header, tokens
from catalog.port.header import Attribute, Field, Header, Label, Related
from catalog.port.options import FIRST_LINE, LAST_LINE, VERSION, Attributes
from catalog.port.order import EXPORT_ORDER
from catalog.query.executor import execute
from catalog.query.include import Branch, Instance, include
from catalog.query.parse import parse
from catalog.query.run import Search
from catalog.query.schema import Entity, entities
from catalog.query.tables import Aliases, Tables
from catalog.query.translate import finish
from catalog.transactions import Transactions

PAGE = 1000
"""How many rows are in memory at once."""

_NOT_APPLICABLE = tokens.Word("NA")

Progress = Callable[[str, int], None]
"""Told the name of an entity and how many of its rows are done."""


def dump(
    transactions: Transactions,
    caller: Caller,
    *,
    query: str | None,
    attributes: Attributes,
    max_entities: int,
    progress: Progress = lambda _name, _rows: None,
) -> Generator[bytes]:
    """A dump in pieces, all of the same moment: the transaction ends with the last one.

    A related object that the caller may not read is written as NULL, like one that is not there.

    Args:
        query: Write its rows and what it includes; None is everything.
        max_entities: The most of them.

    Raises:
        PortalError: Before the first piece: the query is wrong, or gives too much.
    """
    with transactions.reading() as connection:
        rights = Rights(connection, caller)
        if query is None:
            pages = partial(_pages, connection, rights)
        else:
            search = Search(connection, rights.environment, rights.visible(), max_entities)
            pages = partial(_chosen, _by_entity(search, query))
        yield f"{FIRST_LINE}\n{VERSION}\n\n".encode()
        for name in EXPORT_ORDER:
            entity = entities()[name]
            table = header.complete(entity, stamps=attributes is Attributes.ALL)
            done = 0
            for page in pages(entity):
                yield _piece(connection, rights, table, page, first=not done)
                done += len(page)
                progress(name, done)
            if done:
                yield b"\n"
        yield f"{LAST_LINE}\n".encode()


def _pages(connection: Connection, rights: Rights, entity: Entity) -> Iterator[list[Instance]]:
    """All visible rows of an entity, in the order of their ids."""
    visible = rights.visible()
    last = 0
    while True:
        tables = Tables(Aliases())
        source = tables.all_of(entity)
        sql: Select[Any] = select(*source.row.columns).where(source.id > last)
        condition = visible(source)
        sql = sql if condition is None else sql.where(condition)
        sql = finish(sql.order_by(source.id).limit(PAGE), tables)
        page = [Instance(entity, tuple(row)) for row in execute(connection, sql)]
        if page:
            yield page
        if len(page) < PAGE:
            return
        last = page[-1].value("id")


def _by_entity(search: Search, query: str) -> dict[str, dict[int, Instance]]:
    """What a query gives and includes, each object once."""
    found: dict[str, dict[int, Instance]] = {}
    waiting = [one for row in search.rows(parse(query)) for one in row if isinstance(one, Instance)]
    seen: set[Instance] = set()
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        # Without what is included: how it is referred to is looked up as for all other rows.
        found.setdefault(one.entity.name, {})[one.value("id")] = Instance(one.entity, one.row)
        for member in one.included.values():
            waiting.extend(member if isinstance(member, list) else [member])
    return found


def _chosen(found: dict[str, dict[int, Instance]], entity: Entity) -> Iterator[list[Instance]]:
    members = [one for _, one in sorted(found.get(entity.name, {}).items())]
    for start in range(0, len(members), PAGE):
        yield members[start : start + PAGE]


def _piece(
    connection: Connection, rights: Rights, table: Header, page: list[Instance], *, first: bool
) -> bytes:
    include(connection, page, _steps(table.fields), rights.visible(), max_entities=sys.maxsize - 1)
    lines = [str(table)] if first else []
    parts = [_part(field, table.entity) for field in table.fields]
    lines += [",".join([part(one) for part in parts]) for one in page]
    return ("\n".join(lines) + "\n").encode()


def _steps(fields: Iterable[Field]) -> dict[str, Branch]:
    """What must be included for the keys of related objects."""
    return {
        one.relation.name: Branch(one.relation, _steps(one.key))
        for one in fields
        if isinstance(one, Related)
    }


def _part(field: Field, entity: Entity) -> Callable[[Instance], str]:
    """Writes what a field is of the objects of a page."""
    if not isinstance(field, Related):
        return _own(field, entity)
    name = field.relation.name
    nothing = tokens.row([None] + [_NOT_APPLICABLE] * (len(list(field.columns())) - 1))
    known: dict[Instance, str] = {}

    def related(instance: Instance) -> str:
        target = instance.included.get(name)
        if not isinstance(target, Instance):
            return nothing
        if target not in known:
            known[target] = _key(field, target) or nothing
        return known[target]

    return related


def _own(field: Attribute | Label, entity: Entity) -> Callable[[Instance], str]:
    if isinstance(field, Label):
        return lambda instance: tokens.text(str(instance.value("id")))
    place, text = entity.positions[str(entity.attributes[field.name].key)], tokens.text
    return lambda instance: text(instance.row[place])


def _key(field: Related, target: Instance) -> str | None:
    """The values by which an object is found; None if a part of its key is not there."""
    found: list[str] = []
    for one in field.key:
        if isinstance(one, Related):
            further = target.included.get(one.relation.name)
            part = _key(one, further) if isinstance(further, Instance) else None
            if part is None:
                return None
            found.append(part)
            continue
        if isinstance(one, Attribute) and _value(one, target) is None:
            return None
        found.append(_own(one, target.entity)(target))
    return ",".join(found)


def _value(attribute: Attribute, instance: Instance) -> object:
    return instance.value(str(instance.entity.attributes[attribute.name].key))
