"""Copies of objects with all that hangs on them."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def clone():
    def clone(session, name, id, /, **keys):
        form = {"name": name, "id": id, "keys": json.dumps(keys)}
        return session.call("POST", "/cloner", data=form)

    return clone


@pytest.fixture
def tree(root, places) -> dict[str, int]:
    """An investigation with a sample, two datasets, one of the sample, and files and values."""
    sample = root.create("Sample", name="s", investigation={"id": places["investigation"]})
    here = {
        "investigation": {"id": places["investigation"]},
        "type": {"id": places["dataset_type"]},
    }
    value = [{"type": {"id": places["number"]}, "numericValue": 5}]
    files = [{"name": "f", "location": "x y"}, {"name": "g"}]
    of_sample = root.create(
        "Dataset", name="a", sample={"id": sample}, parameters=value, datafiles=files, **here
    )
    root.create("Dataset", name="b", complete=True, **here)
    first, second = root.search("Datafile.id")
    root.create(
        "RelatedDatafile",
        sourceDatafile={"id": first},
        destDatafile={"id": second},
        relation="made of",
    )
    return {**places, "sample": sample, "dataset": of_sample}


def _error(answer) -> tuple[int, str, str]:
    return answer.status_code, answer.json["code"], answer.json["message"]


def test_everything_below_is_copied_once_and_refers_to_the_copies(root, tree, clone):
    answer = clone(root, "Investigation", tree["investigation"], visitId="2")
    assert answer.status_code == 200
    copy = answer.json["id"]
    assert answer.json == {"id": copy}
    steps = "i.samples, i.datasets d, d.sample, d.parameters, d.datafiles, i.facility, i.type"
    found = root.get(f"Investigation i INCLUDE {steps}", copy)
    assert (found["name"], found["visitId"], found["title"]) == ("I", "2", "t")
    assert found["facility"]["id"] == tree["facility"]
    (sample,) = found["samples"]
    assert sample["id"] != tree["sample"]
    first, second = found["datasets"]
    assert first["sample"]["id"] == sample["id"]
    assert first["id"] != tree["dataset"]
    assert [one["numericValue"] for one in first["parameters"]] == [5]
    assert [one["name"] for one in first["datafiles"]] == ["f", "g"]
    assert "sample" not in second
    assert second["complete"] is True
    source, target = root.search(
        "SELECT r.sourceDatafile.dataset.id, r.destDatafile.dataset.id FROM RelatedDatafile r"
        f" WHERE r.sourceDatafile.dataset.investigation.id = {copy}"
    )[0]
    assert source == target == first["id"]
    counts = [root.search(f"SELECT COUNT(x) FROM {one} x")[0] for one in ("Dataset", "Datafile")]
    assert counts == [4, 4]


def test_copies_have_stamps_of_their_own(root, ana, tree, clone):
    for what in ("Dataset", "Datafile", "DatasetParameter", "RelatedDatafile"):
        root.create("Rule", what=what, crudFlags="CR")
    copy = clone(ana, "Dataset", tree["dataset"], name="c").json["id"]
    found = root.get("Dataset d INCLUDE d.datafiles", copy)
    assert {found["createId"], found["modId"], found["datafiles"][0]["createId"]} == {"simple/ana"}


def test_what_is_not_copied_is_shared(root, tree, clone):
    copy = clone(root, "Dataset", tree["dataset"], name="c").json["id"]
    found = root.get("Dataset d INCLUDE d.investigation, d.sample", copy)
    assert found["investigation"]["id"] == tree["investigation"]
    assert found["sample"]["id"] == tree["sample"]


def test_an_object_without_key_is_copied_as_it_is(root, clone):
    one = root.create("DataCollection", doi="10.1/x")
    copy = clone(root, "DataCollection", one).json["id"]
    assert root.get("DataCollection", copy)["doi"] == "10.1/x"
    answer = clone(root, "DataCollection", one, doi="x")
    message = "'doi' is no attribute of the key of DataCollection"
    assert _error(answer) == (400, "BAD_PARAMETER", message)


def test_what_cannot_be_is_told_and_leaves_nothing(root, tree, clone):
    id = tree["investigation"]
    message = f"Investigation exists with facility = 'Facility:{tree['facility']}', "
    message += "name = 'I', visitId = '1'"
    assert _error(clone(root, "Investigation", id)) == (412, "OBJECT_ALREADY_EXISTS", message)
    answer = clone(root, "Investigation", 99, name="x")
    assert _error(answer) == (404, "NO_SUCH_OBJECT_FOUND", "Investigation[id:99] not found.")
    for keys, message in (
        ({"facility": {"id": 1}}, "'facility' is no attribute of the key of Investigation"),
        ({"title": "x"}, "'title' is no attribute of the key of Investigation"),
        ({"name": 5}, "Field name must be a string in Investigation, not 5"),
    ):
        assert _error(clone(root, "Investigation", id, **keys)) == (400, "BAD_PARAMETER", message)
    answer = clone(root, "Investigation", id, name=None)
    assert _error(answer) == (412, "VALIDATION", "Investigation: name cannot be null.")
    answer = clone(root, "Investigation", id, name="x" * 256)
    assert _error(answer)[1:] == ("VALIDATION", "Investigation: name cannot have length > 255")
    assert _error(clone(root, "Car", 1)) == (400, "BAD_PARAMETER", "'Car' is not an ICAT entity")
    assert _error(clone(root, "Dataset", "x")) == (400, "BAD_PARAMETER", "Badly formatted id: x")
    form = {"name": "Dataset", "id": 1, "keys": "[]"}
    answer = root.call("POST", "/cloner", data=form)
    assert _error(answer) == (400, "BAD_PARAMETER", "keys must be an object")
    assert root.search("SELECT COUNT(d) FROM Dataset d") == [2]


def test_too_much_is_refused(root, tree, clone):
    files = [{"name": str(number)} for number in range(1000)]
    root.write({"Dataset": {"id": tree["dataset"], "datafiles": files}})
    answer = clone(root, "Dataset", tree["dataset"], name="c")
    message = "attempt to process more than 1000 entities"
    assert _error(answer) == (412, "VALIDATION", message)


def test_all_must_be_readable_and_every_copy_allowed(root, ana, tree, clone):
    def refused(what: str) -> None:
        answer = clone(ana, "Dataset", tree["dataset"], name="c")
        message = f"{what} is not allowed."
        assert _error(answer) == (403, "INSUFFICIENT_PRIVILEGES", message)

    refused("READ access to this Dataset")
    names = ("Dataset", "Datafile", "DatasetParameter", "RelatedDatafile")
    for one in names:
        root.create("Rule", what=one, crudFlags="R")
    refused("CREATE access to this Dataset")
    for one in names[:-1]:
        root.create("Rule", what=one, crudFlags="C")
    refused("CREATE access to this RelatedDatafile")
    assert root.search("SELECT COUNT(d) FROM Dataset d") == [2]
    root.create("Rule", what="RelatedDatafile", crudFlags="C")
    assert clone(ana, "Dataset", tree["dataset"], name="c").status_code == 200
