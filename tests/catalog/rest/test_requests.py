"""JSON from anywhere is taken apart without a database; each fault is named, with its place."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.items import Change
from catalog.query.schema import entities
from catalog.rest import requests
from ijp.errors import BadRequestError


def _items(document):
    return requests.items(requests.json_of(json.dumps(document)))


def test_a_new_entity_has_its_columns_and_children():
    (item,) = _items(
        {
            "DatasetParameter": {
                "numericValue": 5,
                "dateTimeValue": "2026-01-02T03:04:05.678+02:00",
                "stringValue": "grün",
                "type": {"id": 7},
            }
        }
    )
    assert item.changes == []
    assert item.creation.entity is entities()["DatasetParameter"]
    assert item.creation.values == {
        "numeric_value": 5.0,
        "date_time_value": datetime(2026, 1, 2, 1, 4, 5, 678000, tzinfo=UTC),
        "string_value": "grün",
        "type_id": 7,
    }


def test_children_know_their_relation_and_all_belong_to_one_member():
    _, item = _items(
        [
            {"Grouping": {"name": "g"}},
            {"Dataset": {"datafiles": [{"name": "f", "parameters": [{}]}]}},
        ]
    )
    ((relation, datafile),) = item.creation.children
    assert (relation.name, datafile.entity.name, datafile.offset) == ("datafiles", "Datafile", 1)
    assert [child.entity.name for _, child in datafile.children] == ["DatafileParameter"]


def test_an_id_makes_it_a_change_and_related_ones_are_changed_first():
    (item,) = _items({"Dataset": {"id": "5", "name": None, "type": {"id": 3, "name": "x"}}})
    assert item.creation is None
    assert [(one.entity.name, one.id, one.values, one.fields) for one in item.changes] == [
        ("DatasetType", 3, {"name": "x"}, {"name"}),
        ("Dataset", 5, {"name": None, "type_id": 3}, {"name", "type"}),
    ]
    assert all(isinstance(one, Change) for one in item.changes)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T03:04:05.678Z", datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)),
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.678", datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)),
        ("2026-01-02T03:04:05.000-01:30", datetime(2026, 1, 2, 4, 34, 5, tzinfo=UTC)),
    ],
)
def test_dates_are_read_with_and_without_zone(text, moment):
    (item,) = _items({"Dataset": {"startDate": text}})
    assert item.creation.values == {"start_date": moment}


@pytest.mark.parametrize("value", ["numeric", "Numeric", "NUMERIC"])
def test_members_of_enumerations_are_read_in_any_case(value):
    (item,) = _items({"ParameterType": {"valueType": value}})
    assert item.creation.values["value_type"].name == "NUMERIC"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"colour": 1}, "Field colour not found in Dataset"),
        ({"createId": "x"}, "Field createId is set by the server in Dataset"),
        ({"complete": "yes"}, "Field complete must be true or false in Dataset"),
        ({"complete": None}, "Field complete must be true or false in Dataset"),
        ({"name": 5}, "Field name must be a string in Dataset, not 5"),
        ({"name": "a\0b"}, "Field name must be a string without NUL"),
        ({"fileSize": "5"}, "Field fileSize must be an integer"),
        ({"fileSize": 2**63}, "Field fileSize must be an integer"),
        ({"fileSize": True}, "Field fileSize must be an integer"),
        ({"startDate": "yesterday"}, "Badly formatted date yesterday"),
        ({"startDate": "2026-13-01T00:00:00.000Z"}, "Badly formatted date 2026"),
        ({"startDate": "0001-01-01T00:00:00+14:00"}, "Badly formatted date 0001"),
        ({"startDate": 5}, "Badly formatted date 5"),
        ({"type": {"name": "raw"}}, "type of Dataset must be an object with"),
        ({"type": 5}, "type of Dataset must be an object with an id, not 5"),
        ({"type": {"id": "x"}}, "Badly formatted id: x"),
        ({"type": {"id": True}}, "Badly formatted id: true"),
        ({"parameters": {}}, "parameters of Dataset must be an array, not {}"),
        ({"datafiles": [{"id": 1}]}, "members of datafiles of Dataset must be"),
        ({"startDate": "2026-01-02"}, "Badly formatted date 2026-01-02"),
        ({"startDate": "٢٠٢٦-01-02T00:00:00Z"}, "Badly formatted date"),
        ({"fileSize": 1.5}, "Field fileSize must be an integer of at most 64 bits in Dataset"),
    ],
)
def test_a_value_that_will_not_do_is_named_with_its_place(values, message):
    with pytest.raises(BadRequestError) as refusal:
        _items([{"Dataset": {}}, {"Dataset": {"datafiles": []}}, {"Dataset": values}])
    assert refusal.value.message.startswith(message)
    assert refusal.value.offset == 2


@pytest.mark.parametrize(
    ("entity", "values", "message"),
    [
        ("ParameterType", {"valueType": "COLOUR"}, "Field valueType must be one of DATE_AND_TIME"),
        ("ParameterType", {"valueType": 1}, "Field valueType must be one of"),
        ("ParameterType", {"minimumNumericValue": "5"}, "Field minimumNumericValue must be a num"),
        ("ParameterType", {"minimumNumericValue": True}, "Field minimumNumericValue must be a num"),
        (
            "ParameterType",
            {"minimumNumericValue": 10**400},
            "Field minimumNumericValue must be a f",
        ),
    ],
)
def test_values_of_other_kinds_are_checked_too(entity, values, message):
    with pytest.raises(BadRequestError, match=message):
        _items({entity: values})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name enclosed in double quotes"),
        ("5", "Entity must have one keyword followed by its values in json 5"),
        ("{}", "Entity must have one keyword followed by its values in json {}"),
        ('{"A":{},"B":{}}', "Entity must have one keyword followed by its values in json"),
        ('{"Dataset":5}', "Entity must have one keyword followed by its values in json"),
        ('{"Dataset":[]}', "Unexpected array found in JSON"),
        ("[[]]", "Unexpected array found in JSON []"),
        ('{"Datset":{}}', "Datset is not an ICAT entity"),
        ('{"UserSession":{}}', "UserSession is not an ICAT entity"),
        ('{"Password":{}}', "Password is not an ICAT entity"),
        ('{"Facility":{"name":NaN}}', "NaN is not a number in json"),
        ('{"Facility":{"name":-Infinity}}', "-Infinity is not a number in json"),
        ('{"Facility":{"daysUntilRelease":1e999}}', "Field daysUntilRelease must be an integer"),
        ('{"Facility":{"daysUntilRelease":2147483648}}', "Field daysUntilRelease must be an"),
        ('{"Facility":{"daysUntilRelease":' + "9" * 5000 + "}}", "Exceeds the limit"),
        ('{"Facility":{"name":"\\ud800"}}', "Field name must be a string without NUL and half"),
        ("[" * 100_000, "too deeply nested in json [["),
        ('{"Facility":' * 500 + "1" + "}" * 500, "Field Facility not found in Facility"),
    ],
)
def test_json_that_is_none_or_hostile_is_refused(text, message):
    with pytest.raises(BadRequestError) as refusal:
        requests.items(requests.json_of(text))
    assert refusal.value.message.startswith(message)
    assert len(refusal.value.message) < 500


def test_entities_are_not_nested_without_end():
    child = {"name": "x"}
    for _ in range(30):
        child = {"sourceDatafiles": [{"destDatafile": {"id": 1, **child}}]}
    with pytest.raises(BadRequestError, match="entities are nested more than 20 deep"):
        _items({"Datafile": child})


def test_json_nested_almost_too_deep_is_refused_and_does_no_harm():
    for depth in (300, 900, 980):
        with pytest.raises(BadRequestError):
            requests.items(requests.json_of('{"Dataset":' * depth + "[]" + "}" * depth))
        with pytest.raises(BadRequestError):
            requests.items(requests.json_of("[" * depth + "]" * depth))


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "name", "type", "parameters", "Dataset", "startDate"])
            | st.text(),
            inner,
            max_size=4,
        )
    ),
)


@given(_ANY)
def test_whatever_json_is_sent_it_is_read_or_refused(document):
    for read in (requests.items, requests.targets):
        for sent in (document, {"Dataset": document}):
            _read_or_refused(read, sent)


def _read_or_refused(read, sent):
    try:
        read(sent)
    except BadRequestError as refusal:
        placed = refusal.offset is not None
    else:
        placed = True
    assert placed
