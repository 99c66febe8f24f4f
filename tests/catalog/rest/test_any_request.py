"""Whatever is sent to whatever route, the answer says what is wrong, and no fault is ours."""

from __future__ import annotations

import io
import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from catalog.port import header
from catalog.query.schema import Entity, entities

pytestmark = pytest.mark.slow

_SETTINGS = settings(
    max_examples=int(os.environ.get("IJP_EXAMPLES", "30")),
    suppress_health_check=list(HealthCheck),
)

_HOSTILE = [
    *("", " ", "\0", "a\0b", "\ud800", "\udfff\ud800", "\uffff", "\u202e", "😀", "ß" * 300),
    *(
        "'",
        "''",
        '"',
        "\\",
        "'; DROP TABLE facility; --",
        "' OR 1=1 --",
        "%",
        "_",
        "${x}",
        "{{7*7}}",
    ),
    *("null", "NaN", "Infinity", "true", "[]", "{}", "-1", "0", "1", "1e999", "9" * 30),
    *("2026-01-01T00:00:00.000Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
    *(
        "2026-02-30T00:00:00Z",
        "../../etc/passwd",
        "a" * 5000,
        "9" * 5000,
        "NUMERIC",
        "COMPLETE",
        "CRUD",
        "F",
    ),
    *("Facility", "Dataset [name='x']", "SELECT x FROM Rule x", "investigation", "datafiles"),
]
_TEXT = st.sampled_from(_HOSTILE) | st.text(max_size=20)
_NUMBER = st.sampled_from(
    [0, 1, 2, -1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**400, 0.5, -0.0, 1e308, 5e-324]
)
_LEAF = st.none() | st.booleans() | _NUMBER | _TEXT | st.floats()
_JSON = st.recursive(
    _LEAF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)


def _bodies(entity: Entity, depth: int) -> st.SearchStrategy[Any]:
    """Objects that are nearly right: names of this entity with any values."""
    names = dict.fromkeys(entity.attributes, _LEAF | _JSON)
    for relation in entity.relations.values() if depth else ():
        inner = st.deferred(lambda target=relation.target: _bodies(entities()[target], depth - 1))
        near = st.lists(inner, max_size=2) if relation.to_many else inner
        names[relation.name] = near | st.fixed_dictionaries({"id": _NUMBER}) | _LEAF
    return st.lists(st.sampled_from(sorted(names)), max_size=6, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries({one: names[one] for one in chosen})
    )


_NAMES = st.sampled_from(sorted(entities()))
_ITEM = _NAMES.flatmap(
    lambda name: st.fixed_dictionaries({name: _bodies(entities()[name], 2) | _JSON})
)
_ITEMS = st.lists(_ITEM, max_size=3) | _ITEM | _JSON


def _line(name: str) -> st.SearchStrategy[list[str]]:
    table = header.complete(entities()[name], stamps=True)
    value = _TEXT.map(json.dumps) | _TEXT | _NUMBER.map(str) | st.sampled_from(["NULL", "NA"])
    row = st.lists(value, min_size=table.width, max_size=table.width).map(",".join)
    return st.lists(row, max_size=3).map(lambda rows: [str(table), *rows, ""])


_DUMP = st.lists(_NAMES.flatmap(_line), max_size=3).map(
    lambda tables: "\n".join(["1.0", "", *(line for table in tables for line in table)])
)


def _as_json(value: Any) -> str:
    return json.dumps(value)


def _check(answer: Any) -> None:
    assert answer.status_code < 500 or answer.status_code == 501, answer.text
    if answer.status_code >= 400:
        assert answer.json["code"] != "INTERNAL"
        assert answer.json["message"]


_TEXTS = st.dictionaries(st.sampled_from(["sessionId", "query", "id", "max", "json"]), _TEXT)


@_SETTINGS
@given(items=_ITEMS)
@example(items={"Facility": {"name": "\ud800"}})
@example(items=[{"Study": {"name": "s", "status": "NEW", "id": 10**30}}])
@example(items={"Rule": {"what": "\0", "crudFlags": "\ud800"}})
@example(items={"FacilityCycle": {"startDate": "0001-01-01T00:00:00+14:00"}})
def test_any_entities_are_written_or_refused(root, items):
    _check(root.post(_as_json(items)))


@_SETTINGS
@given(items=_ITEMS)
def test_any_entities_are_deleted_or_refused(root, items):
    _check(root.call("DELETE", "/entityManager", query_string={"entities": _as_json(items)}))


@_SETTINGS
@given(text=st.text() | _JSON.map(_as_json).map(lambda text: text[:-1]) | _TEXT)
@example(text="[" * 100_000)
@example(text='{"a":' * 100_000)
@example(text='{"Dataset":' + '{"investigation":' * 900 + "{}" + "}" * 901)
@example(text='{"Facility":{"name":NaN}}')
@example(text='{"Facility":{"daysUntilRelease":-Infinity}}')
@example(text='{"Facility":{"daysUntilRelease":' + "9" * 5000 + "}}")
@example(text="{\"Facility\":{'name':5}}")
def test_any_text_instead_of_json_is_refused_or_read(root, text):
    text = text.encode("utf-8", "replace").decode()
    for method, path, name in (
        ("POST", "/entityManager", "entities"),
        ("POST", "/session", "json"),
        ("POST", "/searchEach", "json"),
    ):
        _check(root.call(method, path, data={name: text}))
    _check(root.call("GET", "/port", query_string={"json": text[:10_000]}))
    form = {"name": "Facility", "id": "1", "keys": text}
    _check(root.call("POST", "/cloner", data=form))


@_SETTINGS
@given(document=_JSON | st.fixed_dictionaries({"plugin": _TEXT, "credentials": _JSON}))
@example(document={"plugin": "simple", "credentials": [{"username": "\ud800", "password": "\0"}]})
@example(document={"plugin": "db", "credentials": [{"username": "\ud800", "password": "\0"}]})
@example(document={"plugin": "\ud800", "credentials": []})
def test_any_log_in_is_refused(rest, document):
    answer = rest.call("POST", "/session", data={"json": _as_json(document)})
    _check(answer)


@_SETTINGS
@given(
    options=st.dictionaries(
        st.sampled_from(["sessionId", "query", "attributes", "duplicate"]), _LEAF
    )
    | _JSON
)
@example(options={"sessionId": "\ud800"})
@example(options={"query": "\ud800"})
def test_any_options_of_dumps_are_taken_or_refused(root, rest, options):
    text = _as_json(options)
    for client in (rest, root):
        _check(client.call("GET", "/port", query_string={"json": text}))
        form = {"json": text, "file": (_file("1.0\n"), "x")}
        _check(client.call("POST", "/port", data=form, content_type="multipart/form-data"))


def _file(text: str) -> Any:
    return io.BytesIO(text.encode("utf-8", "replace"))


@_SETTINGS
@given(text=_DUMP | st.text(), attributes=st.sampled_from(["USER", "ALL"]), mode=_TEXT)
def test_any_dump_is_read_or_refused_with_its_line(root, text, attributes, mode):
    for duplicate in ("THROW", "OVERWRITE"):
        options = json.dumps({"attributes": attributes, "duplicate": duplicate})
        form = {"json": options, "file": (_file(text), "x")}
        answer = root.call("POST", "/port", data=form, content_type="multipart/form-data")
        _check(answer)
        if answer.status_code != 204:
            assert answer.json["message"].endswith(f" at line {answer.json['offset']}")
    _check(root.call("GET", "/port", query_string={"json": '{"attributes":"ALL"}'}))


@_SETTINGS
@given(body=st.binary(max_size=300), kind=st.sampled_from(["x", "", "é", "a" * 300]))
@example(body=b"--x\r\n\r\n\r\n", kind="x")
@example(body=b'--x\r\nContent-Disposition: form-data; name="json"\r\n\r\n{}\r\n--x--', kind="x")
@example(body=b"--x\r\nContent-Disposition: \xff\r\n\r\n{}\r\n--x--", kind="x")
@example(body=b'--x\r\nContent-Disposition: form-data; filename=""\r\n\r\n', kind="x")
def test_any_body_is_a_form_or_refused(root, body, kind):
    _check(
        root.call("POST", "/port", data=body, content_type=f"multipart/form-data; boundary={kind}")
    )
    for type in ("application/x-www-form-urlencoded", "application/json", "text/xml", ""):
        _check(root.call("POST", "/entityManager", data=body, content_type=type))


_ROUTES = [
    ("GET", "/session/{}"),
    ("PUT", "/session/{}"),
    ("DELETE", "/session/{}"),
    ("GET", "/user/{}"),
    ("GET", "/user/simple/{}"),
    ("GET", "/entityManager"),
    ("POST", "/cloner"),
    ("GET", "/jpql"),
    ("POST", "/waitMillis"),
    ("GET", "/sleep/x{}"),
    ("GET", "/{}"),
    ("POST", "/gatekeeper/{}"),
    ("POST", "/lucene/db/{}"),
]


@pytest.mark.parametrize(("method", "path"), _ROUTES)
@_SETTINGS
@given(
    part=_TEXT,
    arguments=st.dictionaries(
        st.sampled_from(["sessionId", "query", "id", "max", "ms", "name", "keys", "entities"]),
        _TEXT.filter(lambda one: one != "1"),
    ),
)
def test_any_arguments_of_any_route_are_taken_or_refused(root, rest, method, path, part, arguments):
    clean = {name: one.encode("utf-8", "replace").decode() for name, one in arguments.items()}
    place = path.format(part.encode("utf-8", "replace").decode().replace("\0", "%00"))
    given = {"data": clean} if method == "POST" else {"query_string": clean}
    for client in (rest, root):
        if client is root and (part, method) == ("me", "DELETE"):
            continue
        answer = client.http.open(
            "/icat" + place.replace("?", "%3F").replace("#", "%23"),
            method=method,
            headers={"Authorization": f"Bearer {client.session_id}"} if client.session_id else {},
            **given,
        )
        assert answer.status_code < 500 or answer.status_code == 501, answer.text
