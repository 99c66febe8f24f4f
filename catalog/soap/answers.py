"""Writing SOAP answers, piece by piece: a large one is never in memory as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any

from catalog.description import Description
from catalog.query.include import Instance
from catalog.query.schema import entities
from catalog.soap.interface import NAMESPACE, SOAP, XSD, XSI, type_name
from catalog.soap.schema import field_order
from ijp.catalog import format_date

_BEGIN = (
    f'<?xml version="1.0" encoding="UTF-8"?><S:Envelope xmlns:S="{SOAP}" xmlns:t="{NAMESPACE}"'
    f' xmlns:x="{XSD}" xmlns:xsi="{XSI}"><S:Body>'
)
_END = "</S:Body></S:Envelope>"
_PIECE = 64 * 1024

# XML 1.0 has no way to write most control characters, half characters and U+FFFE, U+FFFF
_ODD = re.compile("[&<>\r]|[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}


def escaped(text: str) -> str:
    """Text as it stands in XML; U+FFFD stands for what XML cannot have."""
    return _ODD.sub(lambda odd: _ESCAPES.get(odd[0], "\ufffd"), text)


def lexical(value: object) -> str:
    """A value as XML Schema writes it."""
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value).replace("inf", "INF").replace("nan", "NaN")
    if isinstance(value, datetime):
        return format_date(value)
    return value.name if isinstance(value, Enum) else str(value)


def answer(operation: str, returns: Iterable[str] = ()) -> Iterator[bytes]:
    """The envelope around what an operation returns, in pieces of some size."""
    waiting, size = [_BEGIN, f"<t:{operation}Response>"], 0
    for text in returns:
        waiting.append(text)
        size += len(text)
        if size >= _PIECE:
            yield "".join(waiting).encode()
            waiting, size = [], 0
    waiting += (f"</t:{operation}Response>", _END)
    yield "".join(waiting).encode()


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


def rows(found: Iterable[list[Any]]) -> Iterator[str]:
    """The rows of a search; those that have but one value, and that is missing, are left out."""
    for row in found:
        if len(row) > 1:
            fields = "".join(_any("fields", value) for value in row)
            yield f'<return xsi:type="t:fieldSet">{fields}</return>'
        elif row[0] is not None:
            yield _any("return", row[0])


def _any(tag: str, value: object) -> str:
    """A value of any type, which it says."""
    if value is None:
        return f'<{tag} xsi:nil="true"/>'
    if isinstance(value, Instance):
        parts: list[str] = []
        _bean(tag, value, parts, f' xsi:type="t:{type_name(value.entity.name)}"')
        return "".join(parts)
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
def _layout(entity: str) -> tuple[tuple[str, int | None], ...]:
    """The fields of an entity in order, with their places in a row; a relation has none."""
    found = entities()[entity]
    return tuple(
        (name, found.positions[str(found.attributes[name].key)])
        if name in found.attributes
        else (name, None)
        for name in field_order(entity)
    )


def _bean(tag: str, instance: Instance, parts: list[str], attributes: str = "") -> None:
    parts.append(f"<{tag}{attributes}>")
    for name, place in _layout(instance.entity.name):
        if place is None:
            related = instance.included.get(name, [])
            for one in related if isinstance(related, list) else [related]:
                _bean(name, one, parts)
        elif (value := instance.row[place]) is not None:
            parts.append(f"<{name}>{lexical(value)}</{name}>")
    parts.append(f"</{tag}>")


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
