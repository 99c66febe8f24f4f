"""Downloads that are prepared in the background, and the page that says how far they are."""

# ruff: noqa: F811

from __future__ import annotations

import threading
import time
import uuid
import zipfile
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import requests
from click.testing import CliRunner
from sqlalchemy import delete, insert

from ijp.cli.main import ijp
from ijp.datastore import DatastoreClient
from ijp.errors import BadRequestError, NotFoundError
from portal.model import DownloadRow, Lease
from portal.moments import now
from portal.preparing import Phase, Preparing
from portal.selection import Selection
from portal.sessions import User
from servicekit.database import writing
from tests.portal.test_data_pages import Browser, text
from tests.portal.test_recalling import archived, portal, tiers, work  # noqa: F401

pytestmark = pytest.mark.slow


@pytest.fixture
def ana(portal) -> Browser:
    return Browser(portal.browser("ana"))


@pytest.fixture
def user(portal) -> User:
    return user_of(portal, "ana")


def user_of(portal, name: str) -> User:
    session = portal.services.catalog.login(
        "simple", {"username": name, "password": portal.passwords[name]}
    )
    return User(f"simple/{name}", session)


def begun(ana: Browser, *ids: int) -> str:
    """The page of a download of datasets."""
    sel = ",".join(map(str, ids))
    return urlsplit(ana.post("/download", sel=sel, address="1").location).path


def state(ana: Browser, page: str):
    """What changes of it, and whether the script looks again."""
    answer = ana.client.get(f"{page}/state")
    assert answer.status_code == 200, answer.text
    return answer.text, "X-Final" not in answer.headers


def ended(ana: Browser, page: str) -> str:
    until = time.monotonic() + 30
    while (found := state(ana, page))[1]:
        assert time.monotonic() < until, found
        time.sleep(0.05)
    return found[0]


def by_another_process(portal, ids: list[int], looked: int) -> str:
    """A download that another process, on another host, works on."""
    id = str(uuid.uuid4())
    row = {
        "id": id,
        "user_name": "simple/ana",
        "dataset_ids": ids,
        "datafile_ids": [],
        "name": "datasets.zip",
        "state": "PREPARING",
        "looked": looked,
        "files": looked,
        "bytes": 5 * looked,
        "created_at": now(),
    }
    lease = {
        "name": f"download {id}",
        "holder": "elsewhere:1:0",
        "until": now() + timedelta(hours=1),
    }
    with writing(portal.services.database).begin() as connection:
        connection.execute(insert(DownloadRow).values(**row))
        connection.execute(insert(Lease).values(**lease))
    return id


def test_what_is_ready_has_its_address_and_what_is_in_it(portal, ana):
    ids = [portal.dataset("one"), portal.dataset("two", files={"a": b"12", "b": b"345"})]
    page = ana.get(begun(ana, *ids))
    (address,) = page.xpath("//a[contains(@class,'btn-primary')]/@href")
    assert address.startswith(f"{portal.url}/ids/getData?preparedId=")
    assert "outname=datasets.zip" in address
    assert "3 files, 10 B" in text(page)
    assert not page.xpath("//*[@data-live][@id='state']")
    assert requests.get(address, timeout=20).content.startswith(b"PK")


def test_how_far_it_is_is_shown_while_another_process_works_on_it(portal, ana):
    ids = [portal.dataset(f"d{number}", files={}) for number in range(3)]
    id = by_another_process(portal, ids, 1)
    page = ana.get(f"/downloads/{id}")
    assert "1 of 3" in text(page)
    assert "So far 1 file, 5 B" in text(page)
    (progress,) = page.xpath("//progress")
    assert (progress.get("value"), progress.get("max")) == ("1", "3")
    assert page.xpath("//*[@id='state']/@data-live") == [f"/downloads/{id}/state"]
    assert state(ana, f"/downloads/{id}")[1]


def test_what_a_killed_process_had_begun_is_taken_up_where_it_was(portal, ana):
    ids = [portal.dataset(f"d{number}", files={"a": b"1"}) for number in range(51)]
    id = by_another_process(portal, ids, 50)
    assert "50 of 51" in state(ana, f"/downloads/{id}")[0]
    with writing(portal.services.database).begin() as connection:
        connection.execute(delete(Lease).where(Lease.name == f"download {id}"))
    found = ended(ana, f"/downloads/{id}")
    assert "Download now" in found
    assert "51 files, 251 B" in found


def test_data_in_the_archive_are_waited_for(portal, ana, archived, work):
    ids = archived("one", "two")
    page = begun(ana, *ids)
    found, goes_on = state(ana, page)
    assert "being brought back from the archive" in found
    assert "2 files" in found
    assert goes_on
    work()
    assert "Download now" in ended(ana, page)


def test_data_that_cannot_be_restored_are_told_with_the_reason(portal, ana, archived, work):
    (id,) = archived("one")
    kept = portal.folder / "archive"
    kept.rename(portal.folder / "away")
    kept.mkdir()
    page = begun(ana, id)
    work()
    assert "archive has nothing of it" in ended(ana, page)
    kept.rmdir()
    (portal.folder / "away").rename(kept)
    ana.post(f"{page}/again")
    until = time.monotonic() + 30
    while "Download now" not in state(ana, page)[0]:
        assert time.monotonic() < until
        work()


def test_what_is_not_there_or_not_for_the_user_is_named(portal, ana):
    seen, foreign = portal.dataset("one"), portal.dataset("secret", investigation="C")
    found = ended(ana, begun(ana, seen, foreign))
    assert f"dataset {foreign}: not there, or not for your account" in found
    assert "Try again" in found


def test_a_download_is_its_users_alone(portal, ana):
    page = begun(ana, portal.dataset("one"))
    ben = Browser(portal.browser("ben"))
    for path in (page, f"{page}/state"):
        assert ben.client.get(path).status_code == 404
    ben.post(f"{page}/again", 404)
    ana.get(f"/downloads/{uuid.uuid4()}", 404)


def asked_for(portal, *ids: int, user: str = "ana", name: str = "") -> requests.Response:
    """What a program is answered that asks for datasets."""
    return requests.post(
        f"{portal.url}/api/v1/downloads",
        json={"datasetIds": ids, "name": name},
        headers=bearer(portal, user),
        timeout=20,
    )


def bearer(portal, user: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {portal.user(user).session_id}"}


def test_programs_are_answered_at_once_and_told_where_to_ask(portal):
    ids = [portal.dataset("one"), portal.dataset("two", files={"a": b"12", "b": b"345"})]
    answer = asked_for(portal, *ids, name="both.zip")
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/v1/downloads/{answer.json()['id']}"
    until, seen = time.monotonic() + 30, answer.json()
    while seen["state"] == "PREPARING":
        assert time.monotonic() < until
        assert seen["url"] is None
        place = portal.url + answer.headers["Location"]
        seen = requests.get(place, headers=bearer(portal, "ana"), timeout=20).json()
    names = ("state", "looked", "total", "files", "bytes", "online")
    assert [seen[name] for name in names] == ["READY", 2, 2, 3, 10, 3]
    assert "outname=both.zip" in seen["url"]
    assert requests.get(seen["url"], timeout=20).content.startswith(b"PK")


def test_programs_are_told_at_once_what_is_not_there(portal):
    foreign = portal.dataset("secret", investigation="C")
    answer = asked_for(portal, foreign)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert answer.json()["message"] == f"dataset {foreign}: not there, or not for your account"
    assert asked_for(portal).status_code == 400


def test_a_download_of_a_program_is_its_users_alone(portal):
    seen = asked_for(portal, portal.dataset("one")).json()
    with pytest.raises(NotFoundError):
        portal.user("ben").download_state(seen["id"])


def test_how_many_files_are_back_is_told_on_the_page_and_to_programs(portal, ana, archived, tiers):
    ids = archived("one", "two", "three")
    told = []
    seen = portal.user().download(ids, tell=told.append)
    assert (seen["state"], seen["online"], seen["files"]) == ("RESTORING", 0, 3)
    assert all(one["state"] == "PREPARING" for one in told)
    assert "0 of 3 files are there" in state(ana, f"/downloads/{seen['id']}")[0]
    tiers.worker.work()
    found = portal.user().download_state(seen["id"])
    assert (found["state"], found["online"]) == ("RESTORING", 1)
    assert "1 of 3 files are there" in state(ana, f"/downloads/{seen['id']}")[0]


def test_the_command_waits_and_says_how_many_files_are_back(portal, archived, work, tmp_path):
    ids = archived("one", "two", "three")

    def later() -> None:
        time.sleep(1)
        work()

    worker = threading.Thread(target=later)
    worker.start()
    words = ["--portal", portal.url, "download", *map(str, ids), "-o", str(tmp_path / "all.zip")]
    session = {"IJP_SESSION": str(portal.user().session_id), "IJP_CONFIG": str(tmp_path / "own")}
    done = CliRunner().invoke(ijp, words, env=session)
    worker.join()
    assert done.exit_code == 0, done.stderr
    assert done.stderr.splitlines()[0] == (
        "the data are being brought back from the archive: 0 of 3 files are there"
    )
    with zipfile.ZipFile(tmp_path / "all.zip") as found:
        assert len(found.namelist()) == 3


def test_nothing_is_no_download(portal, user):
    with pytest.raises(BadRequestError):
        portal.services.preparing.begin(user, Selection())


def test_while_the_data_service_is_away_it_is_tried_again(portal, user):
    away = DatastoreClient("http://127.0.0.1:9/ids", requests.Session())
    database, settings = portal.services.database, portal.services.settings
    preparing = Preparing(database, away, settings)
    id = preparing.begin(user, Selection((portal.dataset("one"),)))
    until = time.monotonic() + 30
    while "tried again" not in (seen := preparing.look(user, id)).reason:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert (seen.phase, seen.looked, seen.total) == (Phase.PREPARING, 1, 1)
    found = portal.services.preparing.look(user, id, patience_seconds=20)
    assert (found.phase, found.reason) == (Phase.READY, "")
    with pytest.raises(NotFoundError):
        portal.services.preparing.look(user_of(portal, "ben"), id)
