"""What is recorded of a job, by the portal alone (req. 12, 13; security 24)."""

from __future__ import annotations

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from ijp.errors import NotAuthorizedError
from portal.model import JobRow
from portal.moments import now

pytestmark = pytest.mark.slow


def record(portal, provenance_id):
    return portal.root.get(
        "Job j INCLUDE j.application.facility, j.inputDataCollection AS i,"
        " i.dataCollectionDatasets.dataset, i.dataCollectionDatafiles.datafile,"
        " i.parameters.type, j.outputDataCollection AS o, o.dataCollectionDatasets.dataset,"
        " o.parameters.type",
        provenance_id,
    )


def names(collection, kind):
    members = collection.get(f"dataCollection{kind.capitalize()}s", [])
    return sorted(member[kind]["name"] for member in members)


def test_record_has_application_inputs_outputs_and_the_job(portal):
    source = portal.dataset("source", files={"a.txt": b"hello", "b.txt": b"x"})
    (job,) = portal.user().submit("work", dataset_ids=[source], options={"Result": "made"})
    done = portal.completed(job)
    found = record(portal, done["provenanceId"])
    application = found["application"]
    version = portal.services.definitions.job_types["work"].version[:12]
    assert (application["name"], application["version"]) == ("work", version)
    assert application["facility"]["name"] == "TEST"
    assert done["application"] == {"name": "work", "version": version}
    assert f"--datasetIds={source}" in found["arguments"]
    assert names(found["inputDataCollection"], "dataset") == ["source"]
    assert names(found["inputDataCollection"], "datafile") == ["a.txt", "b.txt"]
    assert names(found["outputDataCollection"], "dataset") == ["made"]
    for side in ("inputDataCollection", "outputDataCollection"):
        (mark,) = found[side]["parameters"]
        assert (mark["type"]["name"], mark["stringValue"]) == ("ijp.job", done["publicId"])
    assert found["createId"] == "simple/ijp"


def test_only_what_was_read_is_an_input(portal):
    """A selected dataset of which nothing was read is not claimed to be a source."""
    read = portal.dataset("read", files={"a.txt": b"hello"})
    empty = portal.dataset("empty", files={})
    (job,) = portal.user().submit("work", dataset_ids=[read, empty], one_job=True)
    done = portal.completed(job)
    assert done["inputs"]["datasets"] == [read, empty]
    found = record(portal, done["provenanceId"])
    assert names(found["inputDataCollection"], "dataset") == ["read"]


def test_chain_of_two_jobs_leads_back_to_the_raw_data(portal):
    source = portal.dataset("source")
    (first,) = portal.user().submit("work", dataset_ids=[source], options={"Result": "middle"})
    (middle,) = portal.completed(first)["outputs"]["datasets"]
    kinds = dict(portal.root.search("SELECT t.name, t.id FROM DatasetType t"))
    portal.root.update("Dataset", middle, type={"id": kinds["raw"]})
    (second,) = portal.user().submit("work", dataset_ids=[middle], options={"Result": "last"})
    portal.completed(second)
    parents = (
        "SELECT i.name FROM Job j JOIN j.outputDataCollection.dataCollectionDatasets o"
        " JOIN j.inputDataCollection.dataCollectionDatasets AS ii JOIN ii.dataset i"
        " WHERE o.dataset.name = '{}'"
    )
    assert portal.root.search(parents.format("last")) == ["middle"]
    assert portal.root.search(parents.format("middle")) == ["source"]


def test_augmented_dataset_is_input_and_output(portal):
    source = portal.dataset("source")
    (job,) = portal.user().submit("work", dataset_ids=[source], options={"Then": "augment"})
    done = portal.completed(job)
    found = record(portal, done["provenanceId"])
    assert names(found["inputDataCollection"], "dataset") == ["source"]
    assert names(found["outputDataCollection"], "dataset") == ["source"]


def test_job_that_makes_no_provenance_and_uses_no_data_leaves_none(portal):
    (job,) = portal.user().submit("tool", arguments=["steps", "0"])
    assert portal.completed(job)["provenanceId"] is None
    assert portal.root.search("SELECT j.id FROM Job j") == []


def test_users_cannot_write_provenance_themselves(portal):
    source = portal.dataset("source")
    (job,) = portal.user().submit("work", dataset_ids=[source])
    done = portal.completed(job)
    ana = portal.services.catalog.session(portal.user().session_id)
    with pytest.raises(NotAuthorizedError):
        ana.update("Job", done["provenanceId"], arguments="something else")
    with pytest.raises(NotAuthorizedError):
        ana.create("DataCollection")


def test_user_reads_the_provenance_of_what_the_user_reads(portal):
    source = portal.dataset("source")
    (job,) = portal.user().submit("work", dataset_ids=[source])
    done = portal.completed(job)
    ana = portal.services.catalog.session(portal.user().session_id)
    ben = portal.services.catalog.session(portal.user("ben").session_id)
    assert ana.search("SELECT j.id FROM Job j") == [done["provenanceId"]]
    assert ben.search("SELECT j.id FROM Job j") == []


def test_refused_recording_is_told_and_made_up_for(portal):
    """The catalog may refuse; the job ends, says so, and the record is made later."""
    source = portal.dataset("source")
    text = "SELECT r.id FROM Rule r WHERE r.what = 'Application' AND r.grouping.name = 'portal'"
    (rule,) = portal.root.search(text)
    portal.root.update("Rule", rule, crudFlags="R")
    (job,) = portal.user().submit("work", dataset_ids=[source])
    done = portal.completed(job)
    assert done["provenanceId"] is None
    assert any("not recorded yet" in event["text"] for event in done["events"])
    portal.root.update("Rule", rule, crudFlags="CRUD")
    make_due(portal)
    portal.background._settling.record_again()
    assert portal.user().job(job["id"])["provenanceId"]


def make_due(portal):
    with Session(portal.services.database) as transaction, transaction.begin():
        transaction.execute(update(JobRow).values(next_try_at=now()))
