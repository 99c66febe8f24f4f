"""Whatever is sent, the answer is what was asked for or a fault that says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.description import describe
from catalog.model import ENTITIES
from catalog.soap import answers
from catalog.soap.interface import OPERATIONS, type_name

_SETTINGS = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _blame(call: Callable[[], object], fault: Any) -> str:
    """What a call that may fail was told to be wrong with it; empty if nothing."""
    try:
        call()
    except fault as found:
        return str(found)
    return ""


def _is_about_request(told: str) -> bool:
    """A fault of the server itself is none of the caller's."""
    return not told.startswith("INTERNAL") or "Unexpected DB response" in told


_VALID = (
    '<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:t="http://icatproject.org" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    "<S:Body><t:create><sessionId>{session}</sessionId>"
    '<bean xsi:type="t:facility"><name>F</name></bean></t:create></S:Body></S:Envelope>'
)


@_SETTINGS
@given(body=st.binary(max_size=300))
def test_any_bytes(soap: Any, fault: Any, body: bytes) -> None:
    with pytest.raises(fault):
        soap.post(body)


@_SETTINGS
@given(data=st.data())
def test_damaged_request(soap_root: Any, fault: Any, data: st.DataObject) -> None:
    body = bytearray(_VALID.format(session=soap_root.session_id).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(body)))
        end = data.draw(st.integers(start, min(start + 20, len(body))))
        body[start:end] = data.draw(st.binary(max_size=8) | st.sampled_from([b"<", b"&", b'"']))
    assert _is_about_request(_blame(lambda: soap_root.post(bytes(body)), fault))


_EARLY = "0001-01-01T00:00:00+14:00"
_TEXTS = st.text(max_size=30) | st.sampled_from(
    [
        "",
        " ",
        "1",
        "-1",
        "true",
        "NaN",
        "1e999",
        "9" * 30,
        "2026-02-30",
        "0001-01-01T00:00:00+14:00",
    ]
)


def _elements(names: list[str]) -> st.SearchStrategy[str]:
    """XML of these names and others, nested."""
    tags = st.sampled_from([*names, "id", "name", "x", "t:id", "xsi:id"])
    attributes = st.sampled_from(
        ["", ' xsi:nil="true"', ' xsi:type="t:dataset"', ' xsi:type="x:y"', ' xsi:type=""']
    )
    leaf = st.builds(
        lambda tag, more, text: f"<{tag}{more}>{answers.escaped(text)}</{tag}>",
        tags,
        attributes,
        _TEXTS,
    )
    return st.recursive(
        leaf,
        lambda inner: st.builds(
            lambda tag, more, parts: f"<{tag}{more}>{''.join(parts)}</{tag}>",
            tags,
            attributes,
            st.lists(inner, max_size=4),
        ),
        max_leaves=6,
    )


@_SETTINGS
@given(data=st.data())
def test_any_elements_in_any_operation(soap_root: Any, fault: Any, data: st.DataObject) -> None:
    operation = data.draw(st.sampled_from([one for one in OPERATIONS if one != "logout"]))
    entity = data.draw(st.sampled_from(sorted(ENTITIES)))
    fields = list(describe(entity).fields)
    names = [part.name for part in OPERATIONS[operation].parameters if part.name != "sessionId"]
    bean = f' xsi:type="t:{type_name(entity)}"'
    inside = "".join(
        f"<{name}{bean if name in ('bean', 'beans') else ''}>"
        f"{''.join(data.draw(st.lists(_elements(fields), max_size=4)))}</{name}>"
        for name in names
    )
    told = _blame(lambda: soap_root.returns(operation, inside), fault)
    assert _is_about_request(told)


@_SETTINGS
@given(data=st.data())
def test_any_values_of_an_entity(soap_root: Any, fault: Any, data: st.DataObject) -> None:
    entity = data.draw(st.sampled_from(sorted(ENTITIES)))
    values = "".join(
        f"<{name}>{answers.escaped(data.draw(_TEXTS))}</{name}>"
        if field.target is None
        else f"<{name}><id>{data.draw(st.integers(-3, 3))}</id></{name}>"
        for name, field in describe(entity).fields.items()
        if data.draw(st.booleans())
    )
    operation = data.draw(st.sampled_from(["create", "update", "delete", "createMany"]))
    tag = "beans" if operation == "createMany" else "bean"
    bean = f'<{tag} xsi:type="t:{type_name(entity)}">{values}</{tag}>'
    assert _is_about_request(_blame(lambda: soap_root.returns(operation, bean), fault))
