"""The portal's client on a whole portal (req. 39-41, 81, 82)."""

from __future__ import annotations

import pytest

from ijp.errors import ConflictError, NotAuthenticatedError, NotFoundError, ValidationFailedError
from ijp.portal import PortalClient
from ijp.transport import http_session
from tests.portal_site import PASSWORDS


@pytest.fixture
def client(portal):
    """A client with a session of its own."""
    with http_session() as http:
        made = PortalClient(portal.url + "/", http=http)
        made.login("simple", {"username": "ana", "password": PASSWORDS["ana"]})
        yield made


def test_session_from_its_begin_to_its_end(portal, client):
    found = client.session()
    assert found["userName"] == "simple/ana"
    assert (found["catalogUrl"], found["datastoreUrl"]) == (
        f"{portal.url}/icat",
        f"{portal.url}/ids",
    )
    client.refresh()
    client.logout()
    assert client.session_id is None
    with pytest.raises(NotAuthenticatedError):
        client.session()


def test_refused_log_in(portal, client):
    with pytest.raises(NotAuthenticatedError, match="do not match"):
        client.login("simple", {"username": "ana", "password": "wrong"})


def test_ways_to_log_in(client):
    known = {one["mnemonic"]: one["keys"] for one in client.authenticators()}
    assert known["simple"] == [
        {"name": "username", "hide": False},
        {"name": "password", "hide": True},
    ]


def test_dataset_and_its_files_page_by_page(portal, client, fresh, monkeypatch):
    monkeypatch.setattr("ijp.portal._PAGE", 2)
    name = fresh("paged")
    files = {f"{n}.txt": b"x" * n for n in range(5)}
    made = portal.dataset(name, files=files)
    assert client.dataset(made)["name"] == name
    assert {one["name"]: one["size"] for one in client.datafiles(made)} == {
        f"{n}.txt": n for n in range(5)
    }
    assert client.datafiles(portal.dataset(fresh("none"), files={})) == []
    page = client.datasets(text=name, limit="1")
    assert [one["id"] for one in page["datasets"]] == [made]


def test_datafiles_are_found_a_page_at_a_time(portal, client, fresh):
    name = fresh("searched")
    made = portal.dataset(name, files={"a.txt": b"1", "b.txt": b"22", "c.txt": b"333"})
    search = {"text": name, "p": "datafile.fileSize:ge:2", "limit": "1"}
    first = client.find_datafiles(**search)
    second = client.find_datafiles(**search, after=first["next"])
    assert [one["name"] for one in (*first["datafiles"], *second["datafiles"])] == [
        "c.txt",
        "b.txt",
    ]
    assert (first["total"], second["next"]) == (2, None)
    assert first["datafiles"][0]["dataset"]["id"] == made


def test_what_can_be_searched_by(client):
    found = {one["key"]: one for one in client.searchable()}
    assert "between" in found["numChannels"]["operators"]
    assert "dataset.name" in found
    assert "datafile.name" in {one["key"] for one in client.searchable("Datafile")}


def test_form_says_what_submit_would_do(portal, client, fresh):
    ids = [portal.dataset(fresh("form")) for _ in range(2)]
    asked = client.form("work", dataset_ids=ids)
    assert (asked["jobs"], bool(asked["question"])) == (0, True)
    each = client.form("work", dataset_ids=ids, one_job=False, options={"Factor": 2})
    assert each["jobs"] == 2
    assert f"--datasetIds={ids[0]}" in each["command"]
    assert "Factor" in client.form("work", dataset_ids=ids, options={"Factor": 99})["faults"]
    raw = client.form("told", arguments=["a", "b c"])
    assert raw["command"][1:3] == ["a", "b c"]
    with pytest.raises(ValidationFailedError) as caught:
        client.submit("work", dataset_ids=ids, options={"Factor": 99, "Nosuch": 1})
    assert caught.value.fields.keys() == {"Factor", "Nosuch", "oneJob"}


def test_submission_with_a_key_happens_once(portal, client, fresh):
    key = fresh("key")
    first = client.submit("tool", arguments=["exit", "0"], key=key)
    again = client.submit("tool", arguments=["exit", "0"], key=key)
    other = client.submit("tool", arguments=["exit", "0"])
    assert first[0]["id"] == again[0]["id"] != other[0]["id"]


def test_job_by_either_reference(portal, client):
    (job,) = client.submit("tool", arguments=["exit", "0"])
    portal.completed(job)
    assert client.job(job["publicId"])["id"] == client.job(job["id"])["id"] == job["id"]
    assert client.jobs(limit=1)["jobs"][0]["id"] == job["id"]
    (again,) = client.repeat(job["publicId"])
    assert again["id"] != job["id"]
    portal.completed(again)
    client.delete(job["publicId"])
    with pytest.raises(NotFoundError):
        client.job(job["id"])


def test_cancelled_job_is_given_as_it_is(portal, client):
    (job,) = client.submit("tool", arguments=["steps", "60"])
    portal.wait(job, "Executing")
    with pytest.raises(ConflictError):
        client.delete(job["id"])
    assert client.cancel(job["id"])["id"] == job["id"]
    portal.wait(job)
    assert client.cancel(job["id"])["state"] == "Cancelled"


def test_output_from_any_byte_on(portal, client):
    (job,) = client.submit("tool", arguments=["write", b"0123456789".hex()])
    portal.completed(job)

    def output(offset, stream="out"):
        return b"".join(client.output(job["id"], stream=stream, offset=offset))

    assert [output(n) for n in (0, 4, 9, 10, 11, 1000)] == [
        b"0123456789",
        b"456789",
        b"9",
        b"",
        b"",
        b"",
    ]
    assert output(0, "err") == output(5, "err") == b""
    with pytest.raises(NotFoundError):
        list(client.output(999_999, offset=5))


def test_download_needs_no_session(portal, client, fresh):
    made = client.download(dataset_ids=[portal.dataset(fresh("prepared"))])
    assert made["url"].startswith(f"{portal.url}/ids/getData?preparedId=")


def test_history_of_a_dataset(portal, client, fresh):
    made = portal.dataset(fresh("history"))
    graph = client.provenance(made, depth=1)
    assert [node["id"] for node in graph["nodes"]] == [f"dataset:{made}"]
    with pytest.raises(NotFoundError):
        client.provenance(999_999)


def test_names_are_part_of_addresses_only(client):
    """A job type or job whose name is a path."""
    for name in ("../session", "a/b", "%2e%2e", "é?x=1", "x/"):
        with pytest.raises(NotFoundError):
            client.job_type(name)
        with pytest.raises(NotFoundError):
            client.job(name)
