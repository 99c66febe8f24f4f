"""Creating, changing and deleting over REST: ICAT's forms, checks, messages and their order."""

from __future__ import annotations

import secrets

import pytest
from sqlalchemy import event


def _error(answer) -> tuple[int, str, str, int | None]:
    return (
        answer.status_code,
        answer.json["code"],
        answer.json["message"],
        answer.json.get("offset"),
    )


def test_an_entity_is_stored_with_its_children_and_stamps(root, dataset_body, places):
    (id,) = root.write(
        {
            "Dataset": dataset_body(
                "a",
                complete=True,
                startDate="2026-01-02T03:04:05.678+02:00",
                parameters=[
                    {"type": {"id": places["number"]}, "numericValue": 5, "error": 0.5},
                    {"type": {"id": places["text"]}, "stringValue": "grün"},
                ],
                datafiles=[{"name": "f", "fileSize": 2**40}],
            )
        }
    )
    found = root.get("Dataset d INCLUDE d.parameters, d.datafiles", id)
    assert found["complete"] is True
    assert found["startDate"] == "2026-01-02T01:04:05.678Z"
    assert found["fileCount"] == 0
    assert found["createId"] == found["modId"] == "simple/root"
    assert found["createTime"] == found["modTime"]
    assert [one["createId"] for one in found["parameters"]] == ["simple/root"] * 2
    values = {(one.get("numericValue"), one.get("stringValue")) for one in found["parameters"]}
    assert values == {(5.0, None), (None, "grün")}
    assert [one["fileSize"] for one in found["datafiles"]] == [2**40]


def test_many_are_created_in_the_order_given(root, dataset_body):
    names = [f"d{number}" for number in range(300)]
    ids = root.write(*[{"Dataset": dataset_body(name)} for name in names])
    found = root.search("SELECT d.id, d.name FROM Dataset d")
    assert dict(found) == dict(zip(ids, names, strict=True))


def test_different_entities_are_created_in_one_request(root, places):
    ids = root.write(
        {"Grouping": {"name": "g"}},
        {"User": {"name": "db/ana"}},
        {"Grouping": {"name": "h"}},
    )
    assert ids == [1, 1, 2]


def test_a_change_touches_only_what_is_given(root, make_dataset):
    id = make_dataset("a", description="old", doi="10.1/x")
    before = root.get("Dataset", id)
    assert root.write({"Dataset": {"id": id, "description": "new", "doi": None}}) == []
    after = root.get("Dataset", id)
    assert after["description"] == "new"
    assert "doi" not in after
    changed = {"description", "doi", "modTime"}
    assert {k: v for k, v in before.items() if k not in changed} == {
        k: v for k, v in after.items() if k not in changed
    }


def test_a_change_can_add_children_and_change_what_it_points_to(root, make_dataset, places):
    id = make_dataset("a")
    root.write(
        {
            "Dataset": {
                "id": id,
                "parameters": [{"type": {"id": places["number"]}, "numericValue": 1}],
                "type": {"id": places["dataset_type"], "description": "as measured"},
            }
        }
    )
    found = root.get("Dataset d INCLUDE d.parameters, d.type", id)
    assert [one["numericValue"] for one in found["parameters"]] == [1.0]
    assert found["type"]["description"] == "as measured"


def test_a_study_keeps_its_status_in_any_case(root):
    id = root.create("Study", name="s", status="in_progress")
    assert root.get("Study", id)["status"] == "IN_PROGRESS"
    assert root.write({"Study": {"id": id, "status": None}}) == []
    assert "status" not in root.get("Study", id)


@pytest.mark.parametrize(
    ("values", "code", "message"),
    [
        ({"name": None}, "VALIDATION", "Dataset: name cannot be null."),
        ({"type": None}, "VALIDATION", "Dataset: type cannot be null."),
        ({"name": "x" * 256}, "VALIDATION", "Dataset: name cannot have length > 255"),
        ({"datafiles": [{}]}, "VALIDATION", "Datafile: name cannot be null."),
        ({"type": {"id": 99}}, "NO_SUCH_OBJECT_FOUND", "DatasetType[id:99] not found."),
        ({"type": {"id": 99, "name": "x"}}, "NO_SUCH_OBJECT_FOUND", "DatasetType[id:99] not"),
        ({"name": "there"}, "OBJECT_ALREADY_EXISTS", "Dataset exists with investigation = "),
    ],
)
def test_a_fault_is_named_and_nothing_is_stored(
    root, make_dataset, dataset_body, values, code, message
):
    make_dataset("there")
    answer = root.post(
        [{"Dataset": dataset_body("good")}, {"Dataset": dataset_body("bad", **values)}]
    )
    status = 404 if code == "NO_SUCH_OBJECT_FOUND" else 412
    assert (answer.status_code, answer.json["code"], answer.json["offset"]) == (status, code, 1)
    assert answer.json["message"].startswith(message)
    assert root.search("SELECT d.name FROM Dataset d") == ["there"]


def test_the_same_key_twice_in_a_request_is_refused(root, dataset_body, places):
    answer = root.post([{"Dataset": dataset_body(name)} for name in ("a", "b", "a")])
    message = f"Dataset exists with investigation = 'id:{places['investigation']}', name = 'a'"
    assert _error(answer) == (412, "OBJECT_ALREADY_EXISTS", message, 2)


def test_the_key_of_another_is_refused_in_a_change_too(root, make_dataset, places):
    make_dataset("a")
    id = make_dataset("b")
    answer = root.post({"Dataset": {"id": id, "name": "a"}})
    message = (
        f"Dataset exists with investigation = 'Investigation:{places['investigation']}', name = 'a'"
    )
    assert _error(answer) == (412, "OBJECT_ALREADY_EXISTS", message, 0)
    assert root.write({"Dataset": {"id": id, "name": "b", "description": "same key"}}) == []


def test_nulls_and_lengths_are_told_before_clashes(root, make_dataset, dataset_body):
    make_dataset("a")
    answer = root.post([{"Dataset": dataset_body("a")}, {"Dataset": dataset_body(None)}])
    assert _error(answer) == (412, "VALIDATION", "Dataset: name cannot be null.", 1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": None}, "Dataset: name cannot be null."),
        ({"description": "x" * 256}, "Dataset: description cannot have length > 255"),
    ],
)
def test_a_change_is_checked_like_a_new_one(root, make_dataset, values, message):
    id = make_dataset("a")
    assert _error(root.post({"Dataset": {"id": id, **values}})) == (412, "VALIDATION", message, 0)


def test_a_change_of_what_is_not_there_is_refused(root):
    answer = root.post({"Dataset": {"id": 5, "name": "x"}})
    assert _error(answer) == (404, "NO_SUCH_OBJECT_FOUND", "Dataset[id:5] not found.", 0)


def test_lengths_are_in_characters_and_the_longest_fits(root):
    id = root.create("Facility", name="ü" * 255)
    assert root.get("Facility", id)["name"] == "ü" * 255


@pytest.fixture
def strict_types(root, places) -> tuple[int, int]:
    """Enforced parameter types: numbers from 1 to 5, strings a and b; for datasets alone."""
    own = {
        "facility": {"id": places["facility"]},
        "units": "px",
        "enforced": True,
        "applicableToDataset": True,
    }
    number, text = root.write(
        {
            "ParameterType": {
                "name": "number",
                "valueType": "NUMERIC",
                "minimumNumericValue": 1,
                "maximumNumericValue": 5,
                **own,
            }
        },
        {
            "ParameterType": {
                "name": "text",
                "valueType": "STRING",
                "permissibleStringValues": [{"value": "a"}, {"value": "b"}],
                **own,
            }
        },
    )
    return number, text


@pytest.mark.parametrize(
    ("which", "value", "message"),
    [
        (0, {"numericValue": 0.5}, "Parameter of type number has value 0.5 < 1.0"),
        (0, {"numericValue": 6}, "Parameter of type number has value 6.0 > 5.0"),
        (1, {"stringValue": "c"}, "Parameter of type text has value 'c', which is not permissible"),
    ],
)
def test_values_that_an_enforced_type_forbids_are_refused(
    root, make_dataset, dataset_body, strict_types, which, value, message
):
    bad = [{"type": {"id": strict_types[which]}, **value}]
    answer = root.post({"Dataset": dataset_body("x", parameters=bad)})
    assert _error(answer) == (412, "VALIDATION", message, 0)
    good = [{"numericValue": 1}, {"stringValue": "b"}][which]
    id = make_dataset("y", parameters=[{"type": {"id": strict_types[which]}, **good}])
    (parameter,) = root.get("Dataset d INCLUDE d.parameters", id)["parameters"]
    answer = root.post({"DatasetParameter": {"id": parameter["id"], **value}})
    assert _error(answer) == (412, "VALIDATION", message, 0)


def test_a_type_is_only_for_what_it_is_meant_for(root, places):
    values = [{"type": {"id": places["number"]}, "numericValue": 1}]
    answer = root.post({"Investigation": {"id": places["investigation"], "parameters": values}})
    message = "Parameter of type size is not applicable to an Investigation"
    assert _error(answer) == (412, "VALIDATION", message, 0)


def test_a_parameter_needs_a_type(root, dataset_body):
    answer = root.post({"Dataset": dataset_body("a", parameters=[{"numericValue": 1}])})
    assert _error(answer) == (412, "VALIDATION", "Type of parameter is not set", 0)


def test_a_long_value_is_stored_though_no_index_could_hold_it(root, make_dataset, places):
    value = secrets.token_hex(2000)
    values = [{"type": {"id": places["text"]}, "stringValue": value}]
    id = make_dataset("a", parameters=values)
    (parameter,) = root.get("Dataset d INCLUDE d.parameters", id)["parameters"]
    assert parameter["stringValue"] == value


def test_a_rule_is_checked_and_stored_in_its_usual_form(root):
    id = root.create("Rule", what="  Dataset  ", crudFlags="cr")
    rule = root.get("Rule", id)
    assert (rule["what"], rule["crudFlags"]) == ("Dataset", "CR")
    for values in ({"what": "Datset"}, {"crudFlags": "X"}):
        answer = root.post({"Rule": {"id": id, **values}})
        assert (answer.status_code, answer.json["code"]) == (400, "BAD_PARAMETER")
    answer = root.post(
        [{"Rule": {"what": "Dataset", "crudFlags": "R"}}, {"Rule": {"what": "x", "crudFlags": "R"}}]
    )
    assert (answer.status_code, answer.json["offset"]) == (400, 1)
    root.write({"Rule": {"id": id, "crudFlags": "crud"}})
    assert root.get("Rule", id)["crudFlags"] == "CRUD"


def test_a_public_step_is_checked(root):
    answer = root.post({"PublicStep": {"origin": "Dataset", "field": "name"}})
    message = "Field value name does not implement a relationship from Dataset"
    assert _error(answer) == (400, "BAD_PARAMETER", message, 0)
    assert root.create("PublicStep", origin="Dataset", field="type") == 1


def test_delete_takes_everything_below_along_and_nothing_else(root, make_dataset, places):
    values = [{"type": {"id": places["number"]}, "numericValue": 1}]
    first = make_dataset("a", parameters=values, datafiles=[{"name": "f"}])
    second = make_dataset("b", parameters=values)
    answer = root.delete([{"Dataset": {"id": first}}])
    assert (answer.status_code, answer.data) == (204, b"")
    assert root.search("SELECT d.id FROM Dataset d") == [second]
    assert root.search("SELECT COUNT(p) FROM DatasetParameter p") == [1]
    assert root.search("SELECT COUNT(p) FROM Datafile p") == [0]
    assert root.search("SELECT COUNT(t) FROM DatasetType t") == [1]
    assert root.delete({"Facility": {"id": places["facility"]}}).status_code == 204
    assert root.search("SELECT COUNT(d) FROM Dataset d") == [0]


@pytest.mark.parametrize(
    ("items", "status", "message", "offset"),
    [
        ([{"Dataset": {}}], 400, "entity must have the id value specified in json", 0),
        (
            [{"Dataset": {"id": 1, "name": "x"}}],
            400,
            "entity must have only the id value specified in json",
            0,
        ),
        ([{"Dataset": {"id": 1}}, {"Dataset": {"id": 77}}], 404, "Dataset[id:77] not found.", 1),
        ([{"Dataset": {"id": "1 OR 1=1"}}], 400, "Badly formatted id: 1 OR 1=1", 0),
        ([{"Dataset": {"id": -1}}], 400, "Badly formatted id: -1", 0),
        ([5], 400, "Entity must have one keyword followed by its values in json 5", 0),
    ],
)
def test_a_delete_that_cannot_be_deletes_nothing(
    root, make_dataset, items, status, message, offset
):
    make_dataset("a")
    answer = root.delete(items)
    assert (answer.status_code, answer.json["offset"]) == (status, offset)
    assert answer.json["message"].startswith(message)
    assert root.search("SELECT COUNT(d) FROM Dataset d") == [1]


def test_nothing_to_write_is_written(root):
    assert root.write() == []
    assert root.delete([]).status_code == 204


def _statements(app, call) -> int:
    """How often a call goes to the database with a statement or many rows of one."""
    engine = app.extensions["catalog"].transactions.engine
    seen: list[str] = []

    def note(_connection, _cursor, statement, *_):
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    call()
    event.remove(engine, "before_cursor_execute", note)
    return len(seen)


@pytest.mark.parametrize("migrated_url", ["postgresql"], indirect=True)
def test_many_datasets_take_few_round_trips_as_an_ordinary_user_too(
    app, root, ana, dataset_body, places
):
    for what in ("Dataset", "DatasetParameter"):
        root.create("Rule", what=f"SELECT x FROM {what} x WHERE x.id > 0", crudFlags="C")
    values = [
        {"type": {"id": places["number"]}, "numericValue": 1},
        {"type": {"id": places["text"]}, "stringValue": "a"},
    ]
    items = [{"Dataset": dataset_body(f"d{number}", parameters=values)} for number in range(2000)]
    assert _statements(app, lambda: ana.write(*items)) < 40
    assert root.search("SELECT COUNT(p) FROM DatasetParameter p") == [4000]
