"""The calls of the interface on two levels, against a real catalog; the worker is run by hand."""

from __future__ import annotations

import pytest

from datastore.app import tiers_of
from ijp.datastore import Selection
from ijp.errors import DataNotOnlineError, InternalError

pytestmark = pytest.mark.slow

ARCHIVE = """
root_users = ["simple/root"]
[datastore.archive]
delay_seconds = 0
lease_seconds = 60
{more}
"""


def make(facility_site, more: str = ""):
    return facility_site(more=ARCHIVE.format(more=more))


@pytest.fixture(params=["dataset", pytest.param("datafile", marks=pytest.mark.slow)])
def unit(request) -> str:
    return request.param


@pytest.fixture
def site(facility_site, unit):
    return make(facility_site, f'unit = "{unit}"')


@pytest.fixture
def tiers(site):
    return tiers_of(site.settings_file, site.process.http)


@pytest.fixture
def work(tiers):
    """Does all that is due, once; with ``most`` only some of it."""

    def work(most: int = 50) -> int:
        done = 0
        while done < most and tiers.worker.work():
            done += 1
        return done

    return work


@pytest.fixture
def call(site):
    def call(method: str, name: str, user: str = "ana", **told: object):
        place = "data" if method == "POST" else "params"
        texts = {"sessionId": site.catalog(user).session_id} if user else {}
        url = f"http://datastore.embedded/ids/{name}"
        return site.process.http.request(method, url, **{place: {**texts, **told}})

    return call


@pytest.fixture
def archived(site, put, work, call):
    """Two files of ana's dataset that are in the archive only; gives their ids."""
    ids = [put("a", b"abc").id, put("b", b"defg").id]
    assert work()
    assert call("POST", "archive", datasetIds=site.dataset_ids[0]).status_code == 204
    assert work()
    assert site.stored_files() == []
    return ids


def status(call, **told: object) -> str:
    answer = call("GET", "getStatus", **told)
    assert answer.status_code == 200, answer.text
    return answer.text


def content(site, id: int) -> bytes:
    with site.datastore().get_data(Selection(datafile_ids=[id])) as download:
        return b"".join(download.blocks())


def test_it_says_that_it_has_two_levels(call):
    assert call("GET", "isTwoLevel").text == "true"


def test_data_go_and_come_back(site, archived, call, work):
    told = {"datasetIds": site.dataset_ids[0]}
    assert status(call, **told) == "ARCHIVED"
    answer = call("POST", "restore", **told)
    assert (answer.status_code, answer.content) == (204, b"")
    assert status(call, **told) == "RESTORING"
    work()
    assert status(call, **told) == "ONLINE"
    assert [content(site, id) for id in archived] == [b"abc", b"defg"]


def test_asking_for_the_data_brings_them_back(site, archived, call, work):
    answer = call("GET", "getData", datafileIds=archived[0])
    assert answer.status_code == 503
    assert answer.json()["code"] == "DataNotOnlineException"
    with pytest.raises(DataNotOnlineError):
        site.datastore().get_data(Selection(datafile_ids=archived))
    work()
    assert content(site, archived[0]) == b"abc"


def test_only_what_was_asked_for_comes_back(site, archived, call, work, unit):
    call("POST", "restore", datafileIds=archived[0])
    work()
    others = "ONLINE" if unit == "dataset" else "ARCHIVED"
    assert status(call, datafileIds=archived[0]) == "ONLINE"
    assert status(call, datafileIds=archived[1]) == others
    assert status(call, datasetIds=site.dataset_ids[0]) == others


def test_looking_brings_nothing_back(site, archived, call, work):
    call("GET", "getStatus", datasetIds=site.dataset_ids[0])
    call("GET", "getSize", datasetIds=site.dataset_ids[0])
    call("GET", "getDatafileIds", datasetIds=site.dataset_ids[0])
    assert work() == 0
    assert site.stored_files() == []


def test_prepared_data_are_waited_for(site, archived, call, work):
    prepared = call("POST", "prepareData", datasetIds=site.dataset_ids[0], zip="true").text
    assert call("GET", "isPrepared", user="", preparedId=prepared).text == "false"
    assert call("GET", "getStatus", user="", preparedId=prepared).text == "RESTORING"
    assert call("GET", "getData", user="", preparedId=prepared).status_code == 503
    work()
    assert call("GET", "isPrepared", user="", preparedId=prepared).text == "true"
    answer = call("GET", "getData", user="", preparedId=prepared)
    assert answer.status_code == 200
    assert answer.content.startswith(b"PK")


def test_whether_prepared_data_are_there_brings_back_what_went_meanwhile(
    site, archived, call, work
):
    told = {"datasetIds": site.dataset_ids[0]}
    prepared = call("POST", "prepareData", **told).text
    work()
    call("POST", "archive", **told)
    work()
    assert status(call, **told) == "ARCHIVED"
    assert call("GET", "isPrepared", user="", preparedId=prepared).text == "false"
    work()
    assert call("GET", "isPrepared", user="", preparedId=prepared).text == "true"


def test_a_file_can_be_added_only_to_a_dataset_that_is_online(site, archived, put, work, unit):
    if unit == "datafile":
        assert content(site, put("c", b"x").id) == b"x"
        return
    with pytest.raises(DataNotOnlineError):
        put("c", b"x")
    assert site.stored_files() == []
    work()
    put("c", b"x")
    assert len(site.stored_files()) == 3


def test_what_is_deleted_is_gone_from_both_levels(site, archived, call, work, put, tiers, unit):
    put("other", b"", user="ben")
    told = {"datafileIds": archived[0]}
    if unit == "dataset":
        assert call("DELETE", "delete", **told).status_code == 503
        work()
    assert call("DELETE", "delete", **told).status_code == 204
    work()
    call("POST", "archive", datasetIds=site.dataset_ids[0])
    call("POST", "restore", datasetIds=site.dataset_ids[0])
    work()
    assert content(site, archived[1]) == b"defg"
    assert call("DELETE", "delete", datafileIds=archived[1]).status_code == 204
    work()
    (other,) = site.stored_files()
    assert other.read_bytes() == b""
    kept = [path for path in (site.folder / "archive").rglob("*") if path.is_file()]
    assert len(kept) == 1
    assert tiers.levels.overview().under_way == []


def test_changes_are_written_before_anything_is_dropped(site, archived, call, work, put):
    """Archive, restore, add, archive, restore: nothing of it is lost."""
    told = {"datasetIds": site.dataset_ids[0]}
    call("POST", "restore", **told)
    work()
    third = put("c", b"new").id
    call("POST", "archive", **told)
    work()
    assert site.stored_files() == []
    call("POST", "restore", **told)
    work()
    assert [content(site, id) for id in [*archived, third]] == [b"abc", b"defg", b"new"]


def test_write_is_for_what_is_online(site, archived, call, work):
    told = {"datasetIds": site.dataset_ids[0]}
    assert call("POST", "write", **told).status_code == 503
    assert work() == 0
    call("POST", "restore", **told)
    work()
    assert call("POST", "write", **told).status_code == 204
    assert work() == 1


def test_a_busy_dataset_is_not_deleted_or_moved(site, put, work, call, unit):
    """Somebody reads it; afterwards a dataset that is about to leave is not changed either."""
    id = put("a", b"abc" * 1_000_000).id
    work()
    told = {"datasetIds": site.dataset_ids[0]}
    download = site.datastore().get_data(Selection(datafile_ids=[id]))
    assert call("DELETE", "delete", **told).json()["message"].startswith("Data is busy")
    call("POST", "archive", **told)
    assert work() == 0
    download.close()
    if unit == "dataset":
        assert call("DELETE", "delete", **told).status_code == 503
        call("POST", "restore", **told)
        work()
    assert call("DELETE", "delete", **told).status_code == 204


def break_archive(site) -> None:
    """What was kept is damaged, all of it in the middle."""
    for path in (site.folder / "archive").rglob("*.kept"):
        whole = path.read_bytes()
        path.unlink()
        path.write_bytes(whole[: len(whole) // 2])


def test_a_failed_restore_is_told_until_it_is_reset(site, archived, call, work, unit):
    told = {"datasetIds": site.dataset_ids[0]}
    good = {path: path.read_bytes() for path in (site.folder / "archive").rglob("*.kept")}
    for path in good:
        path.unlink()
    prepared = call("POST", "prepareData", **told).text
    work()
    assert site.stored_files() == []
    for answer in (
        call("GET", "getStatus", **told),
        call("GET", "isPrepared", user="", preparedId=prepared),
    ):
        assert answer.status_code == 500
        assert answer.json()["code"] == "InternalException"
        assert answer.json()["message"].startswith("Restore failed")
    failures = call("GET", "getServiceStatus", user="root").json()
    assert failures["failures"] == ([site.dataset_ids[0]] if unit == "dataset" else archived)
    assert call("POST", "reset", **told).status_code == 204
    assert status(call, **told) == "ARCHIVED"
    for path, whole in good.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(whole)
    call("POST", "restore", **told)
    work()
    assert [content(site, id) for id in archived] == [b"abc", b"defg"]


def test_preparing_again_tries_again(site, archived, call, work):
    told = {"datasetIds": site.dataset_ids[0]}
    kept = site.folder / "archive"
    kept.rename(site.folder / "away")
    kept.mkdir()
    call("POST", "restore", **told)
    work()
    assert call("GET", "getStatus", **told).status_code == 500
    kept.rmdir()
    (site.folder / "away").rename(kept)
    call("POST", "prepareData", **told)
    work()
    assert status(call, **told) == "ONLINE"


def test_who_may_ask_is_told_what_goes_on(site, put, call, archived, unit):
    assert call("GET", "getServiceStatus").status_code == 403
    call("POST", "restore", datasetIds=site.dataset_ids[0])
    told = call("GET", "getServiceStatus", user="root").json()
    assert {one["request"] for one in told["opsQueue"]} == {"RESTORE_REQUESTED"}
    if unit == "dataset":
        dataset, investigation = site.dataset_ids[0], site.investigation_ids[0]
        names = f"{investigation}/{dataset} (F/inv 1/N/A/dataset 1)"
        assert [one["data"] for one in told["opsQueue"]] == [names]
    else:
        assert len(told["opsQueue"]) == 2
    assert (told["lockCount"], told["locks"], told["failures"]) == (0, [], [])


def test_locks_are_told(site, put, call):
    id = put("a", b"abc" * 1_000_000).id
    with site.datastore().get_data(Selection(datafile_ids=[id])):
        told = call("GET", "getServiceStatus", user="root").json()
    dataset = site.dataset_ids[0]
    assert told["locks"] == [{"id": dataset, "type": "SHARED", "count": 1}]
    assert told["lockCount"] == 1
    assert call("GET", "getServiceStatus", user="root").json()["locks"] == []


def test_nobody_moves_a_file_by_another_name_for_it(site, put, call, work, tiers):
    """Anybody can make a Datafile with the location of somebody else's content."""
    foreign = put("a", b"abc", user="ben")
    work()
    dataset = {"id": site.dataset_ids[0]}
    own = site.catalog().create("Datafile", name="b", dataset=dataset, location=foreign.location)
    assert call("POST", "archive", datafileIds=own).status_code == 204
    work()
    assert len(site.stored_files()) == 1
    assert status(call, user="ben", datafileIds=foreign.id) == "ONLINE"


@pytest.mark.parametrize("name", ["archive", "restore", "write", "reset", "prepareData"])
def test_nobody_moves_what_he_may_not_read(site, put, call, name):
    foreign = put("a", b"abc", user="ben").id
    assert call("POST", name, datafileIds=foreign).status_code in (403, 404)
    assert call("POST", name, user="", datafileIds=foreign).status_code == 400


def test_nothing_is_moved_for_an_empty_selection(call, work):
    for name in ("archive", "restore", "write", "reset"):
        assert call("POST", name).status_code == 204
    assert work() == 0


class TestDatasets:
    """What a zip in the archive brings with it."""

    @pytest.fixture
    def unit(self) -> str:
        return "dataset"

    def test_a_damaged_copy_brings_nothing_back(self, site, archived, call, work):
        break_archive(site)
        call("POST", "restore", datasetIds=site.dataset_ids[0])
        work()
        assert site.stored_files() == []
        with pytest.raises(InternalError, match="damaged"):
            site.datastore().status(Selection(dataset_ids=[site.dataset_ids[0]]))


class TestReadOnly:
    """Data are moved, and none are changed."""

    @pytest.fixture
    def site(self, facility_site):
        return make(facility_site)

    def test_what_is_read_only_is_still_archived_and_restored(
        self, site, archived, call, work, monkeypatch
    ):
        monkeypatch.setenv("DATASTORE__READ_ONLY", "true")
        site.process._apps.pop("datastore", None)
        told = {"datasetIds": site.dataset_ids[0]}
        assert call("GET", "isReadOnly").text == "true"
        assert call("POST", "write", **told).status_code == 501
        assert call("DELETE", "delete", **told).status_code == 501
        assert call("POST", "restore", **told).status_code == 204
        work()
        assert status(call, **told) == "ONLINE"
