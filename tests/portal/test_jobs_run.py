"""Jobs from submission to their end."""

from __future__ import annotations

from portal.states import State


def test_job_without_data_runs_and_its_output_is_read(portal):
    (job,) = portal.user().submit("tool", arguments=["steps", "0"])
    done = portal.completed(job)
    assert (done["state"], done["exitCode"]) == ("Completed", 0)
    assert b"".join(portal.user().output(job["id"])) == b"first\nsecond\n"


def test_job_makes_a_dataset_with_provenance(portal):
    source = portal.dataset("source", files={"a.txt": b"hello", "b.txt": b"world!"})
    (job,) = portal.user().submit("work", dataset_ids=[source], options={"Factor": 2})
    done = portal.completed(job)
    (made,) = done["outputs"]["datasets"]
    found = portal.user().job(job["id"])
    assert found["provenanceId"]
    (record,) = portal.root.search(
        "SELECT j FROM Job j INCLUDE j.application, j.inputDataCollection.dataCollectionDatasets.dataset,"
        " j.outputDataCollection.dataCollectionDatasets.dataset"
    )
    assert record["application"]["name"] == "work"
    assert made
