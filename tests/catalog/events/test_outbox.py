"""What changes is noted with the change, or neither is there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from catalog import settings
from catalog.model import ChangeEvent
from tests.catalog.soap import conftest as soap_conftest
from tests.catalog.soap.conftest import bean

soap = soap_conftest.soap
soap_root = soap_conftest.soap_root


def test_what_is_created_and_updated_by_rest_waits_in_order(root, waiting):
    study = root.create("Study", name="s")
    root.write({"Study": {"id": study, "name": "t"}}, {"Study": {"id": study, "name": "u"}})
    assert waiting() == [("Study", "C", study), ("Study", "U", study), ("Study", "U", study)]


def test_only_entities_and_operations_that_are_set_are_noted(root, waiting):
    facility = root.create("Facility", name="F")
    root.write({"Facility": {"id": facility, "fullName": "Long"}})
    root.create("User", name="simple/ana")
    assert waiting() == [("Facility", "C", facility)]


def test_rest_notes_children_too(root, make_dataset, places, waiting):
    before = waiting()
    dataset = make_dataset(
        "d", parameters=[{"type": {"id": places["number"]}, "numericValue": 1.0}]
    )
    kinds = [(entity, operation) for entity, operation, _ in waiting()[len(before) :]]
    assert kinds == [("Dataset", "C"), ("DatasetParameter", "C")]
    root.write(
        {
            "Dataset": {
                "id": dataset,
                "parameters": [{"type": {"id": places["text"]}, "stringValue": "x"}],
            }
        }
    )
    assert [(entity, operation) for entity, operation, _ in waiting()[len(before) + 2 :]] == [
        ("Dataset", "U"),
        ("DatasetParameter", "C"),
    ]


def test_soap_notes_what_is_given_and_not_its_children(root, soap_root, places, waiting):
    before = len(waiting())
    dataset = soap_root.create(
        "dataset",
        f"<complete>false</complete><investigation><id>{places['investigation']}</id>"
        "</investigation><name>d</name><parameters><numericValue>1</numericValue>"
        f"<type><id>{places['number']}</id></type></parameters>"
        f"<type><id>{places['dataset_type']}</id></type>",
    )
    assert root.search("SELECT COUNT(p) FROM DatasetParameter p") == [1]
    soap_root.returns(
        "update", bean("study", f"<id>{root.create('Study', name='s')}</id><name>t</name>")
    )
    assert [one[:2] for one in waiting()[before:]] == [
        ("Dataset", "C"),
        ("Study", "C"),
        ("Study", "U"),
    ]
    assert ("Dataset", "C", dataset) in waiting()


def test_asking_whether_something_may_be_created_notes_nothing(soap_root, waiting):
    assert soap_root.texts(
        "isAccessAllowed", bean("study", "<name>s</name>") + "<accessType>CREATE</accessType>"
    ) == ["true"]
    assert waiting() == []


def test_copies_are_noted_with_all_that_hangs_on_them(root, make_dataset, places, waiting):
    dataset = make_dataset(
        "d", parameters=[{"type": {"id": places["number"]}, "numericValue": 1.0}]
    )
    before = len(waiting())
    form = {"name": "Dataset", "id": dataset, "keys": json.dumps({"name": "e"})}
    answer = root.call("POST", "/cloner", data=form)
    copy = answer.json["id"]
    noted = waiting()[before:]
    assert ("Dataset", "C", copy) in noted
    assert sorted(one[0] for one in noted) == ["Dataset", "DatasetParameter"]


def test_deleting_notes_nothing(root, waiting):
    study = root.create("Study", name="s")
    assert root.delete([{"Study": {"id": study}}]).status_code == 204
    assert waiting() == [("Study", "C", study)]


def test_what_is_rolled_back_notes_nothing(root, waiting):
    good = [{"Study": {"name": "s"}}, {"Facility": {"name": "F"}}]
    assert root.post([*good, {"Study": {"name": "t", "pid": "x" * 5000}}]).status_code == 412
    assert waiting() == []
    assert root.search("SELECT COUNT(s) FROM Study s") == [0]


def test_what_is_not_allowed_notes_nothing(root, ana, waiting):
    study = root.create("Study", name="s")
    assert ana.post([{"Study": {"name": "t"}}]).status_code == 403
    assert ana.post([{"Study": {"id": study, "name": "t"}}]).status_code == 403
    assert waiting() == [("Study", "C", study)]


def test_who_made_the_change_and_when_is_noted(root, engine_of):
    study = root.create("Study", name="s")
    with engine_of("catalog").connect() as connection:
        row: Any = connection.execute(select(ChangeEvent.__table__)).one()
    assert (row.entity_id, row.user_name) == (study, "simple/root")
    assert row.time.utcoffset().total_seconds() == 0


@pytest.mark.parametrize("line", ['entities = ["Dataset"]', 'entities = ["Datafile", "Job"]'])
def test_what_no_webhook_wants_is_not_noted(settings_file, migrated_url, line):
    path = settings_file
    path.write_text(path.read_text() + line + "\n")
    wanted = {"Dataset": "CU"} if "Dataset" in line else {}
    assert settings.read(path).notified == wanted
