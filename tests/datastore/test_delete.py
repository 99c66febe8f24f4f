"""Deleting: the Datafile first, as the user, then the bytes."""

from __future__ import annotations

import pytest

from ijp.datastore import Selection
from ijp.errors import NotAuthorizedError, NotFoundError


def test_datafile_and_content_go_and_the_dataset_stays(site, put):
    first, second = put("a", b"abc"), put("b", b"def")
    site.datastore().delete(Selection(datafile_ids=[first.id]))
    assert [path.read_bytes() for path in site.stored_files()] == [b"def"]
    assert site.catalog().search("SELECT df.id FROM Datafile df") == [second.id]
    site.datastore().delete(Selection(dataset_ids=[site.dataset_ids[0]]))
    assert site.stored_files() == []
    assert site.catalog().search("SELECT ds.id FROM Dataset ds") == [site.dataset_ids[0]]


def test_nothing_selected_is_nothing_deleted(site, put):
    put("a", b"abc")
    site.datastore().delete(Selection())
    assert len(site.stored_files()) == 1


def test_the_answer_has_no_body(site, put):
    stored = put("a", b"abc")
    params = {"sessionId": site.catalog().session_id, "datafileIds": stored.id}
    answer = site.process.http.delete("http://datastore.embedded/ids/delete", params=params)
    assert (answer.status_code, answer.content) == (204, b"")


def test_who_may_read_but_not_delete_deletes_nothing(site, put):
    """Of several, none is deleted when one may not be."""
    own, foreign = put("own", b"abc", user="ben"), put("a", b"abc")
    root = site.catalog("root")
    for what in ("Investigation", "Dataset", "Datafile"):
        root.create("Rule", what=what, crudFlags="R")
    with pytest.raises(NotAuthorizedError):
        site.datastore("ben").delete(Selection(datafile_ids=[own.id, foreign.id]))
    assert len(site.stored_files()) == 2
    assert root.search("SELECT df.id FROM Datafile df") == [own.id, foreign.id]


def test_what_is_not_there_cannot_be_deleted(site):
    with pytest.raises(NotFoundError):
        site.datastore().delete(Selection(datafile_ids=[987654]))


def test_content_that_another_datafile_refers_to_stays(site, put):
    """Quirk Q8, by exact location."""
    stored = put("a", b"abc")
    second = site.catalog().create(
        "Datafile", name="b", dataset={"id": site.dataset_ids[0]}, location=stored.location
    )
    site.datastore().delete(Selection(datafile_ids=[stored.id]))
    with site.datastore().get_data(Selection(datafile_ids=[second])) as download:
        assert b"".join(download.blocks()) == b"abc"
    site.datastore().delete(Selection(datafile_ids=[second]))
    assert site.stored_files() == []
