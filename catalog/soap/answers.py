"""Writing SOAP answers, piece by piece: a large one is never in memory as a whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any

from catalog.description import Description
from catalog.model import ParameterValueType, StudyStatus
from catalog.query.include import Instance
from catalog.query.schema import entities
from catalog.soap.interface import NAMESPACE, SOAP, XSD, XSI, type_name
from catalog.soap.schema import field_order
from catalog.values import moment_text

_BEGIN = (
    f'<?xml version="1.0" encoding="UTF-8"?><S:Envelope xmlns:S="{SOAP}" xmlns:t="{NAMESPACE}"'
    f' xmlns:x="{XSD}" xmlns:xsi="{XSI}"><S:Body>'
)
_END = "</S:Body></S:Envelope>"

# XML 1.0 has no way to write most control characters, half characters and U+FFFE, U+FFFF
_ODD = re.compile("[&<>\r]|[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}


def escaped(text: str) -> str:
    """Text as it stands in XML; U+FFFD stands for what XML cannot have."""
    return _ODD.sub(lambda odd: _ESCAPES.get(odd[0], "\ufffd"), text)


def lexical(value: object) -> str:
    """A value as XML Schema writes it."""
    write = _LEXICAL.get(type(value))
    return str(value) if write is None else write(value)


def _double(value: float) -> str:
    return repr(value).replace("inf", "INF").replace("nan", "NaN")


def _name(value: ParameterValueType | StudyStatus) -> str:
    # Not .name, which takes twenty times as long.
    return value._name_


_LEXICAL: dict[type, Callable[[Any], str]] = {
    str: escaped,
    bool: lambda value: "true" if value else "false",
    int: repr,
    float: _double,
    datetime: moment_text,
    ParameterValueType: _name,
    StudyStatus: _name,
}
"""How values are written, by exact type."""


def answer(operation: str, returns: Iterable[str] = ()) -> Iterator[str]:
    """The envelope around what an operation returns, in pieces."""
    yield f"{_BEGIN}<t:{operation}Response>"
    yield from returns
    yield f"</t:{operation}Response>{_END}"


def fault(message: str, type: str, offset: int, fault_code: str = "Server") -> bytes:
    """The envelope of an error."""
    text = escaped(message)
    return (
        f"{_BEGIN}<S:Fault><faultcode>S:{fault_code}</faultcode><faultstring>{text}</faultstring>"
        f"<detail><t:IcatException><message>{text}</message><offset>{offset}</offset>"
        f"<type>{type}</type></t:IcatException></detail></S:Fault>{_END}"
    ).encode()


def plain(values: Iterable[object]) -> Iterator[str]:
    """Values whose type the schema tells."""
    return (f"<return>{lexical(value)}</return>" for value in values)


_Made = dict[Instance, str]
"""Entities that stand at several places, as they were written at the first."""


def rows(pages: Iterable[list[list[Any]]]) -> Iterator[str]:
    """The rows of a search; those that have but one value, and that is missing, are left out."""
    for page in pages:
        made: _Made = {}
        for row in page:
            if len(row) > 1:
                fields = "".join([_any("fields", value, made) for value in row])
                yield f'<return xsi:type="t:fieldSet">{fields}</return>'
            elif row[0] is not None:
                yield _any("return", row[0], made)


def _any(tag: str, value: object, made: _Made) -> str:
    """A value of any type, which it says."""
    if value is None:
        return f'<{tag} xsi:nil="true"/>'
    if isinstance(value, Instance):
        type = type_name(value.entity.name)
        return f'<{tag} xsi:type="t:{type}">{_content(value, made)}</{tag}>'
    return f'<{tag} xsi:type="{_type_of(value)}">{lexical(value)}</{tag}>'


def _type_of(value: object) -> str:
    if isinstance(value, Enum):
        return f"t:{type_name(type(value).__name__)}"
    if isinstance(value, bool):
        return "x:boolean"
    if isinstance(value, datetime):
        return "x:dateTime"
    return {int: "x:long", float: "x:double"}.get(type(value), "x:string")


@cache
def _layout(entity: str) -> tuple[tuple[str, int | None, str, str], ...]:
    """The fields of an entity in order: name, place in a row, tags; a relation has no place."""
    found = entities()[entity]
    places = {name: found.positions[str(column.key)] for name, column in found.attributes.items()}
    return tuple(
        (name, places.get(name), f"<{name}>", f"</{name}>") for name in field_order(entity)
    )


def _content(instance: Instance, made: _Made) -> str:
    """What stands inside of the element of an entity."""
    if instance in made:
        return made[instance]
    row, included = instance.row, instance.included
    parts: list[str] = []
    for name, place, begin, end in _layout(instance.entity.name):
        if place is not None:
            if (value := row[place]) is not None:
                parts += (begin, lexical(value), end)
        elif name in included:
            related = included[name]
            for one in related if isinstance(related, list) else [related]:
                parts += (begin, _content(one, made), end)
    text = made[instance] = "".join(parts)
    return text


def entity_info(description: Description) -> str:
    """What getEntityInfo says of an entity; one without key has no constraint."""
    names = "".join(f"<fieldNames>{name}</fieldNames>" for name in description.key)
    constraint = f"<constraints>{names}</constraints>" if names else ""
    fields = "".join(_field(description, name) for name in description.fields)
    comment = escaped(description.comment)
    return f"<return><classComment>{comment}</classComment>{constraint}{fields}</return>"


def _field(description: Description, name: str) -> str:
    field = description.fields[name]
    relation = field.kind.value if field.target else "ATTRIBUTE"
    length = "" if field.length is None else f"<stringLength>{field.length}</stringLength>"
    return (
        f"<fields><name>{name}</name><notNullable>{lexical(field.is_required)}</notNullable>"
        f"<relType>{relation}</relType>{length}<type>{field.type_name}</type></fields>"
    )


def authenticator_info(
    mnemonic: str, friendly: str, keys: Iterable[tuple[str, bool]], *, admin: bool
) -> str:
    """What getAuthenticatorInfo says of one; keys are names, with whether they are hidden."""
    named = f"<friendly>{escaped(friendly)}</friendly>" if friendly else ""
    asked = "".join(
        f"<keys><hide>{lexical(hide)}</hide><name>{escaped(name)}</name></keys>"
        for name, hide in keys
    )
    return (
        f"<return><admin>{lexical(admin)}</admin>{named}{asked}"
        f"<mnemonic>{escaped(mnemonic)}</mnemonic></return>"
    )
