"""A job's token: what it opens, and what it does not (security 5, 14, 24; req. 7, 92)."""

from __future__ import annotations

import json
import time
import zlib
from pathlib import Path

import pytest
import requests

from ijp.errors import (
    BadRequestError,
    ConflictError,
    NotAuthenticatedError,
    NotAuthorizedError,
    NotFoundError,
    PortalError,
)
from ijp.job import Job, Parameter
from portal import job_folder
from portal.gateway import Gateway

pytestmark = pytest.mark.slow


class Played:
    """A job that waits while a test plays its part with its token."""

    def __init__(self, portal, record) -> None:
        self.portal = portal
        self.id = record["id"]
        found = portal.wait(record, "Executing")
        self.folder = job_folder.of(portal.folder / "work", found["publicId"])
        self.token = json.loads((self.folder / "job.json").read_text())["token"]
        self.job = Job(portal.url, self.token, self.folder)

    def call(self, method, path, **arguments) -> requests.Response:
        return requests.request(
            method,
            f"{self.portal.url}/api/v1{path}",
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=30,
            **arguments,
        )


@pytest.fixture
def play(portal):
    """Submits the job type work with data and gives the running job."""

    def play(*dataset_ids, datafile_ids=(), user="ana", investigation_id=None) -> Played:
        (record,) = portal.user(user).submit(
            "work",
            dataset_ids=dataset_ids,
            datafile_ids=datafile_ids,
            options={"Then": "wait"},
            one_job=True if len(dataset_ids) + len(datafile_ids) > 1 else None,
            investigation_id=investigation_id,
        )
        played = Played(portal, record)
        until = time.monotonic() + 20
        while not portal.user(user).job(played.id)["outputs"]["datasets"]:
            assert time.monotonic() < until
            time.sleep(0.05)
        return played

    return play


def test_job_sees_its_inputs_with_parameters_and_files(portal, play):
    source = portal.dataset("source", channels=2, files={"a.txt": b"hello"})
    job = play(source).job
    (dataset,) = job.datasets
    assert (dataset.id, dataset.name, dataset.type) == (source, "source", "raw")
    assert dataset.parameters == {"numChannels": 2}
    assert [(file.name, file.size, file.format) for file in dataset.files] == [("a.txt", 5, "text")]
    assert job.user == "simple/ana"
    assert job.investigation_id == portal.investigation("A")


def test_token_opens_no_other_data_of_the_same_user(portal, play):
    source, other = portal.dataset("source"), portal.dataset("other")
    foreign = portal.root.search(f"SELECT f.id FROM Datafile f WHERE f.dataset.id = {other}")[0]
    played = play(source)
    answers = [played.call("GET", f"/capsule/datafiles/{id}") for id in (foreign, 99999)]
    assert [one.status_code for one in answers] == [404, 404]
    body = {"parameters": [{"name": "note", "stringValue": "x"}]}
    assert (
        played.call("POST", f"/capsule/datasets/{other}/parameters", json=body).status_code == 404
    )
    put = played.call("PUT", f"/capsule/datasets/{source}/datafiles/x.txt", data=b"x")
    assert put.status_code == 404
    assert played.call("DELETE", f"/capsule/datasets/{source}").status_code == 404
    assert played.call("POST", f"/capsule/datasets/{other}/complete").status_code == 404


def test_token_opens_nothing_but_the_capsule(portal, play):
    played = play(portal.dataset("source"))
    for path in ("/jobs", f"/jobs/{played.id}", "/session"):
        assert played.call("GET", path).status_code == 401
    assert played.call("POST", "/jobs", json={"jobType": "tool"}).status_code == 401
    icat = requests.get(
        f"{portal.url}/icat/entityManager",
        params={"query": "SELECT d FROM Dataset d"},
        headers={"Authorization": f"Bearer {played.token}"},
        timeout=30,
    )
    assert icat.status_code == 403


def test_session_of_a_user_opens_no_capsule(portal):
    answer = requests.get(
        f"{portal.url}/api/v1/capsule",
        headers={"Authorization": f"Bearer {portal.user().session_id}"},
        timeout=30,
    )
    assert answer.status_code == 401
    assert requests.get(f"{portal.url}/api/v1/capsule", timeout=30).status_code == 401


def test_token_ends_with_its_job(portal, play):
    object.__setattr__(portal.background._services.settings, "token_grace_seconds", 0)
    played = play(portal.dataset("source"))
    portal.user().cancel(played.id)
    portal.wait(played.id)
    with pytest.raises(NotAuthenticatedError):
        Job(portal.url, played.token, played.folder)


def test_nothing_can_be_added_once_the_program_has_ended(portal, play):
    played = play(portal.dataset("source"))
    (made,) = portal.user().job(played.id)["outputs"]["datasets"]
    portal.user().cancel(played.id)
    portal.wait(played.id)
    with portal.app.app_context():
        gateway = Gateway(portal.services, played.token)
        with pytest.raises(ConflictError, match="has ended"):
            gateway.complete(made)


@pytest.mark.parametrize(
    "name",
    ["", "..", "../x", "a/b", "a\\b", "/etc/passwd", "nul\x00", "line\nfeed", " x", "x" * 256],
)
def test_names_of_datasets_that_are_paths_are_refused(portal, play, name):
    played = play(portal.dataset("source"))
    with pytest.raises(BadRequestError):
        played.job.new_dataset(name, "derived")


@pytest.mark.parametrize("name", ["..%2f..%2fetc%2fpasswd", "a%2fb", "%2e%2e", "a%5cb", "a%00b"])
def test_names_of_files_that_are_paths_are_refused(portal, play, name):
    """Security 21: no such name reaches the catalog, the storage or a zip."""
    played = play(portal.dataset("source"))
    made = played.job.new_dataset("mine", "derived")
    prepared = requests.Request(
        "PUT", "http://x", data=b"x", headers={"Authorization": f"Bearer {played.token}"}
    ).prepare()
    prepared.url = f"{portal.url}/api/v1/capsule/datasets/{made.id}/datafiles/{name}"
    with requests.Session() as session:
        assert session.send(prepared, timeout=30).status_code in (400, 404, 405)
    assert portal.root.search(f"SELECT f.id FROM Datafile f WHERE f.dataset.id = {made.id}") == []


def test_file_arrives_whole_and_its_checksum_is_told(portal, play):
    played = play(portal.dataset("source"))
    made = played.job.new_dataset("mine", "derived")
    content = bytes(range(256)) * 20_000
    answer = played.call(
        "PUT", f"/capsule/datasets/{made.id}/datafiles/big.txt?format=text", data=content
    )
    assert answer.status_code == 201
    assert answer.json()["checksum"] == zlib.crc32(content)
    assert answer.json()["size"] == len(content)
    read = played.call("GET", f"/capsule/datafiles/{answer.json()['id']}")
    assert read.content == content
    part = played.call("GET", f"/capsule/datafiles/{answer.json()['id']}", params=None, stream=True)
    part.close()


def test_unknown_format_and_type_and_parameter_are_named(portal, play):
    played = play(portal.dataset("source"))
    made = played.job.new_dataset("mine", "derived")
    with pytest.raises(BadRequestError, match="no datafile format 'JPEG'"):
        made.add_file(b"x", name="x.jpg", format="JPEG")
    with pytest.raises(BadRequestError, match="DatasetType 'nosuch'"):
        played.job.new_dataset("other", "nosuch")
    with pytest.raises(BadRequestError, match=r"'nosuch'.*'total' is in 'B', not in 'kg'"):
        played.job.new_dataset(
            "other",
            "derived",
            parameters=[Parameter("nosuch", 1), Parameter("total", 1, "kg")],
        )
    with pytest.raises(BadRequestError, match="takes STRING, not NUMERIC"):
        played.job.new_dataset("other", "derived", parameters=[Parameter("note", 1)])
    assert portal.root.search("SELECT d.id FROM Dataset d WHERE d.name = 'other'") == []


def test_complete_dataset_does_not_change_any_more(portal, play):
    played = play(portal.dataset("source"))
    with played.job.new_dataset("mine", "derived") as made:
        made.add_file(b"x", name="x.txt", format="text")
    with pytest.raises(ConflictError, match="complete"):
        made.add_file(b"y", name="y.txt", format="text")
    with pytest.raises(ConflictError, match="complete"):
        made.remove()


def test_same_name_twice_is_a_conflict(portal, play):
    played = play(portal.dataset("source"))
    played.job.new_dataset("mine", "derived")
    with pytest.raises(ConflictError):
        played.job.new_dataset("mine", "derived")


def test_removed_dataset_is_gone_with_its_files(portal, play):
    played = play(portal.dataset("source"))
    made = played.job.new_dataset("mine", "derived")
    made.add_file(b"x", name="x.txt", format="text")
    made.remove()
    assert portal.root.search("SELECT d.id FROM Dataset d WHERE d.name = 'mine'") == []
    assert made.id not in portal.user().job(played.id)["outputs"]["datasets"]


def test_job_writes_where_its_user_may_write_only(portal):
    """req. 16: ana only reads in B."""
    source = portal.dataset("bens", investigation="B")
    (job,) = portal.user().submit("work", dataset_ids=[source])
    done = portal.wait(job)
    errors = b"".join(portal.user().output(job["id"], stream="err")).decode()
    assert done["state"] == "Failed"
    assert "not allowed" in errors
    (augment,) = portal.user().submit("work", dataset_ids=[source], options={"Then": "augment"})
    assert portal.wait(augment)["state"] == "Failed"
    text = f"SELECT p.id FROM DatasetParameter p WHERE p.dataset.id = {source}"
    assert len(portal.root.search(text)) == 1
    allowed = portal.investigation("A")
    (job,) = portal.user().submit("work", dataset_ids=[source], investigation_id=allowed)
    portal.completed(job)


def test_augmentation_adds_parameters_and_again_changes_them(portal):
    source = portal.dataset("source", files={"a.txt": b"hello"})
    (first,) = portal.user().submit("work", dataset_ids=[source], options={"Then": "augment"})
    done = portal.completed(first)
    assert done["outputs"] == {"datasets": [], "augmented": [source]}
    (again,) = portal.user().submit("work", dataset_ids=[source], options={"Then": "augment"})
    portal.completed(again)
    text = (
        "SELECT p.type.name, p.numericValue, p.stringValue FROM DatasetParameter p"
        f" WHERE p.dataset.id = {source} ORDER BY p.type.name"
    )
    assert portal.root.search(text) == [
        ["note", None, "seen"],
        ["numChannels", 3.0, None],
        ["total", 5.0, None],
    ]


def test_progress_is_checked(portal, play):
    played = play(portal.dataset("source"))
    assert played.call("POST", "/capsule/progress", json={"fraction": 2}).status_code == 400
    played.job.progress(0.25, "a quarter <b>")
    found = portal.user().job(played.id)
    assert (found["progress"], found["progressMessage"]) == (0.25, "a quarter <b>")


def test_job_works_on_after_its_user_has_logged_out(portal, play):
    """req. 105 and the session's life: it ends with the last job, not before."""
    source = portal.dataset("source")
    session_id = portal.user().session_id
    played = play(source)
    portal.user().logout()
    with pytest.raises(PortalError):
        portal.services.sessions.by_session_id(session_id)
    assert played.job.new_dataset("late", "derived").id
    portal.users.pop("ana")._transport._http.close()
    portal.user().cancel(played.id)
    portal.wait(played.id)
    portal.background._services.sessions.kept.end_unneeded()
    with pytest.raises((NotAuthenticatedError, NotAuthorizedError)):
        portal.services.catalog.session(session_id).user_name()


def test_datafile_can_be_an_input(portal, tmp_path: Path):
    source = portal.dataset("source", files={"a.txt": b"hello", "b.txt": b"x"})
    text = f"SELECT f.id FROM Datafile f WHERE f.dataset.id = {source} AND f.name = 'a.txt'"
    (datafile,) = portal.root.search(text)
    (job,) = portal.user().submit("work", datafile_ids=[datafile])
    done = portal.completed(job)
    assert done["inputs"]["datafilesRead"] == [datafile]
    assert f"--datafileIds={datafile}" in done["command"]


def test_foreign_datafile_is_refused(portal):
    source = portal.dataset("source", investigation="C")
    (datafile,) = portal.root.search(f"SELECT f.id FROM Datafile f WHERE f.dataset.id = {source}")
    with pytest.raises(NotFoundError):
        portal.user().submit("work", datafile_ids=[datafile])
