"""Downloads: one file, ranges of it, zips; only for who may read them."""

from __future__ import annotations

import io
import zipfile

import pytest
import requests

from ijp.datastore import Selection
from ijp.errors import NotAuthorizedError, NotFoundError, PortalError

CONTENT = bytes(range(256)) * 5000


@pytest.fixture
def get(site):
    """Makes the bare HTTP call as a user."""

    def get(path="getData", user="ana", headers=None, **params) -> requests.Response:
        if user:
            params["sessionId"] = site.catalog(user).session_id
        url = f"http://datastore.embedded/ids/{path}"
        return site.process.http.get(url, params=params, headers=headers)

    return get


def downloaded(session, **ids) -> bytes:
    with session.get_data(Selection(**ids)) as download:
        return b"".join(download.blocks())


def test_one_file_comes_back_as_it_went_in(site, put, get):
    """req. 36, 109."""
    stored = put("raw/a ü.nxs", CONTENT)
    with site.datastore().get_data(Selection(datafile_ids=[stored.id])) as download:
        assert (download.name, download.size) == ("a ü.nxs", len(CONTENT))
        assert b"".join(download.blocks()) == CONTENT
    answer = get(datafileIds=stored.id)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Content-Length"] == str(len(CONTENT))
    assert "Transfer-Encoding" not in answer.headers


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-", 0, None),
        ("bytes=100-", 100, None),
        ("bytes=100-1500000", 100, 1_280_000),
        ("bytes=100-199", 100, 200),
        ("bytes=-7", len(CONTENT) - 7, len(CONTENT)),
    ],
)
def test_ranges_of_a_file(put, get, header, start, end):
    """RFC 9110 §14; quirk Q2."""
    stored = put("a", CONTENT)
    answer = get(datafileIds=stored.id, headers={"Range": header})
    end = end or len(CONTENT)
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"
    assert answer.headers["Content-Length"] == str(end - start)
    assert answer.content == CONTENT[start:end]


def test_a_range_behind_the_end(put, get):
    stored = put("a", CONTENT)
    answer = get(datafileIds=stored.id, headers={"Range": f"bytes={len(CONTENT)}-"})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(CONTENT)}"
    assert answer.json()["code"] == "BadRequestException"


def test_what_is_no_range_is_refused(put, get):
    """Quirk Q2: a test of the peer sends this and wants 400."""
    stored = put("a", CONTENT)
    answer = get(datafileIds=stored.id, headers={"Range": "bytes=-10-"})
    assert (answer.status_code, answer.json()["code"]) == (400, "BadRequestException")


def test_a_range_of_another_state_gets_everything(put, get):
    stored = put("a", CONTENT)
    tag = get(datafileIds=stored.id).headers["ETag"]
    same = {"Range": "bytes=10-", "If-Range": tag}
    other = {"Range": "bytes=10-", "If-Range": '"other"'}
    assert get(datafileIds=stored.id, headers=same).status_code == 206
    answer = get(datafileIds=stored.id, headers=other)
    assert (answer.status_code, answer.content) == (200, CONTENT)


def names_in(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


FOLDER = "ids/F/inv+1/N%2FA/dataset+1/"


@pytest.mark.parametrize("compress", ["", "true"])
def test_a_dataset_is_a_zip(site, put, get, compress):
    """req. 36, 111: entry names of ids-api §10, sorted."""
    put("b/x.nxs", CONTENT)
    put("a.nxs", b"abc")
    answer = get(datasetIds=site.dataset_ids[0], compress=compress)
    assert answer.status_code == 200
    assert names_in(answer.content) == {FOLDER + "a.nxs": b"abc", FOLDER + "b/x.nxs": CONTENT}
    disposition = answer.headers["Content-Disposition"]
    assert disposition.startswith('attachment; filename="20')
    assert disposition.endswith('.zip"')
    assert ("Content-Length" in answer.headers) == (not compress)


def test_one_file_as_a_zip_and_a_dataset_of_one_file(site, put, get):
    """ids-api §3: it depends on what was asked for."""
    stored = put("a", b"abc")
    wanted = {FOLDER + "a": b"abc"}
    assert names_in(get(datafileIds=stored.id, zip="TRUE").content) == wanted
    assert get(datafileIds=stored.id, zip="yes").content == b"abc"
    assert names_in(get(datasetIds=site.dataset_ids[0]).content) == wanted
    assert names_in(get(investigationIds=site.investigation_ids[0]).content) == wanted
    twice = {"datafileIds": stored.id, "datasetIds": site.dataset_ids[0]}
    assert names_in(get(**twice).content) == wanted


def test_an_empty_selection_is_an_empty_zip(get):
    assert names_in(get().content) == {}


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("start", [1, 70_000, 1_200_000])
def test_a_zip_goes_on_where_it_was(site, put, get, compress, start):
    """Quirk Q3: the same bytes each time, so a download can be taken up again."""
    put("a", CONTENT)
    put("b", CONTENT[::-1])
    params = {"datasetIds": site.dataset_ids[0], "compress": str(compress).lower()}
    whole = get(**params)
    start = min(start, len(whole.content) - 10)
    rest = get(**params, headers={"Range": f"bytes={start}-", "If-Range": whole.headers["ETag"]})
    assert rest.status_code == 206
    assert rest.content == whole.content[start:]
    if not compress:
        size = len(whole.content)
        assert whole.headers["Content-Length"] == str(size)
        assert rest.headers["Content-Range"] == f"bytes {start}-{size - 1}/{size}"
        part = get(**params, headers={"Range": "bytes=50-99"})
        assert part.content == whole.content[50:100]


@pytest.mark.parametrize(
    ("outname", "header"),
    [
        ("x.nxs", 'attachment; filename="x.nxs"'),
        ('x"\r\nSet-Cookie: a=b', 'attachment; filename="x_Set-Cookie: a=b"; filename*='),
        ("../../x", 'attachment; filename="x"'),
    ],
)
def test_the_name_asked_for_stays_a_name(put, get, outname, header):
    """Quirk Q4, security 21: header injection is impossible."""
    stored = put("a", b"abc")
    answer = get(datafileIds=stored.id, outname=outname)
    assert answer.headers["Content-Disposition"].startswith(header)
    assert "Set-Cookie" not in answer.headers


def test_names_of_the_catalog_cannot_lead_out_of_a_zip(site, put, get):
    """Security 21: the catalog takes any name; entries stay below their dataset."""
    root = site.catalog("root")
    for number, name in enumerate(["../../evil", "/etc/passwd", "..", "evil"]):
        stored = put(f"file {number}", b"abc")
        root.update("Datafile", stored.id, name=name)
    root.update("Dataset", site.dataset_ids[0], name="..")
    names = names_in(get(datasetIds=site.dataset_ids[0]).content)
    assert len(names) == 4
    assert all(name.startswith("ids/F/inv+1/N%2FA/%2E%2E/") for name in names)
    assert not any({"..", ""} & set(name.split("/")) for name in names)


def test_what_a_user_may_not_read_is_not_sent(site, put):
    """req. 3: another user's files, alone, in a dataset, in an investigation, mixed with own."""
    stored = put("a", b"abc")
    own = put("b", b"abc", user="ben")
    ben = site.datastore("ben")
    refused = (NotAuthorizedError, NotFoundError)
    with pytest.raises(refused):
        downloaded(ben, datafile_ids=[stored.id])
    with pytest.raises(refused):
        downloaded(ben, dataset_ids=[site.dataset_ids[0]])
    with pytest.raises(refused):
        downloaded(ben, datafile_ids=[stored.id, own.id])
    investigation = downloaded(ben, investigation_ids=[site.investigation_ids[0]])
    assert names_in(investigation) == {}


@pytest.mark.parametrize("call", ["getData", "getSize", "getDatafileIds"])
def test_without_a_session_there_is_no_answer(put, get, call):
    """Security 21: all that anyone is told without a session is where data are."""
    stored = put("a", b"abc")
    answer = get(call, user=None, datafileIds=stored.id)
    assert answer.json() == {
        "code": "BadRequestException",
        "message": "The sessionId parameter must be set",
    }
    wrong = "00000000-0000-0000-0000-000000000000"
    answer = get(call, user=None, datafileIds=stored.id, sessionId=wrong)
    assert answer.status_code == 403
    assert answer.json()["code"] == "InsufficientPrivilegesException"


def test_what_is_not_there(site, get):
    for params in ({"datafileIds": 987654}, {"datasetIds": 987654}):
        answer = get(**params)
        assert (answer.status_code, answer.json()["code"]) == (404, "NotFoundException")
    assert names_in(get(investigationIds=987654).content) == {}


def test_a_datafile_without_content(site, get):
    """ids-api §3: 404 when asked for, ignored in its dataset."""
    id = site.catalog().create("Datafile", name="a", dataset={"id": site.dataset_ids[0]})
    answer = get(datafileIds=id)
    assert (answer.status_code, answer.json()["code"]) == (404, "NotFoundException")
    assert names_in(get(datasetIds=site.dataset_ids[0]).content) == {}
    assert get("getSize", datasetIds=site.dataset_ids[0]).text == "0"


def test_a_location_that_was_made_for_another_dataset(site, put, get):
    """ids-api §9: whoever may write a Datafile cannot read another's content by its location."""
    foreign = put("a", b"secret", user="ben")
    id = site.catalog().create(
        "Datafile", name="b", dataset={"id": site.dataset_ids[0]}, location=foreign.location
    )
    answer = get(datafileIds=id)
    assert answer.status_code == 403
    assert answer.json()["code"] == "InsufficientPrivilegesException"
    site.datastore().delete(Selection(datafile_ids=[id]))
    assert downloaded(site.datastore("ben"), datafile_ids=[foreign.id]) == b"secret"


@pytest.mark.parametrize("location", ["../../ijp.toml", "/etc/passwd", "1/1/x", "a\\b"])
def test_a_location_that_is_none(site, get, location):
    id = site.catalog().create(
        "Datafile", name="b", dataset={"id": site.dataset_ids[0]}, location=location
    )
    answer = get(datafileIds=id)
    assert (answer.status_code, answer.json()["code"]) == (404, "NotFoundException")
    site.datastore().delete(Selection(datafile_ids=[id]))
    assert (site.folder / "ijp.toml").exists()


def test_a_content_that_is_not_as_the_catalog_says(site, put, get):
    """Quirk Q5: an error before the first byte."""
    stored = put("a", b"abc")
    site.stored_files()[0].write_bytes(b"abcd")
    for params in ({"datafileIds": stored.id}, {"datasetIds": site.dataset_ids[0]}):
        answer = get(**params)
        assert (answer.status_code, answer.json()["code"]) == (500, "InternalException")
        assert "4 bytes in the storage, 3 in the catalog" in answer.json()["message"]
    site.stored_files()[0].unlink()
    assert get(datafileIds=stored.id).status_code == 404


def test_size_status_and_ids(site, put, get):
    first, second = put("a", b"abc"), put("b", b"defgh")
    selected = {"investigationIds": site.investigation_ids[0]}
    assert get("getSize", **selected).text == "8"
    assert get("getSize", datafileIds=f"{second.id}").text == "5"
    assert get("getSize", datafileIds=f"{first.id} , {second.id}").text == "8"
    assert get("getStatus", **selected).text == "ONLINE"
    assert get("getDatafileIds", **selected).json() == {"ids": [first.id, second.id]}
    session = site.datastore()
    selection = Selection(dataset_ids=[site.dataset_ids[0]])
    assert session.size(selection) == 8
    assert session.status(selection) == "ONLINE"
    assert session.datafile_ids(selection) == [first.id, second.id]


@pytest.mark.parametrize("ids", ["", "1,", "x", "1;2", "9223372036854775808", "1.0"])
def test_ids_are_numbers(get, ids):
    answer = get(datafileIds=ids)
    assert (answer.status_code, answer.json()["code"]) == (400, "BadRequestException")


class TestPrepared:
    """Prepared selections."""

    def test_it_is_all_that_is_needed(self, site, put, get):
        """ids-api §4: a capability, without a session."""
        stored = put("a", b"abc")
        session = site.datastore()
        id = session.prepare(Selection(datafile_ids=[stored.id]))
        client = session.datastore
        assert client.is_prepared(id)
        with client.get_prepared(id, name="x") as download:
            assert (download.name, b"".join(download.blocks())) == ("x", b"abc")
        assert get("getSize", user=None, preparedId=id).text == "3"
        assert get("getStatus", user=None, preparedId=id).text == "ONLINE"
        assert get("getDatafileIds", user=None, preparedId=id).json() == {
            "zip": False,
            "compress": False,
            "ids": [stored.id],
        }
        assert site.process.http.get(client.prepared_url(id)).content == b"abc"

    def test_a_prepared_dataset_is_a_zip(self, site, put, get):
        """req. 111, 112."""
        put("a", b"abc")
        session = site.datastore()
        id = session.prepare(Selection(dataset_ids=[site.dataset_ids[0]]), compress=True)
        answer = get(user=None, preparedId=id)
        assert names_in(answer.content) == {FOLDER + "a": b"abc"}
        assert get("getDatafileIds", user=None, preparedId=id).json()["compress"] is True

    def test_only_what_the_user_may_read_can_be_prepared(self, site, put):
        stored = put("a", b"abc")
        with pytest.raises(PortalError):
            site.datastore("ben").prepare(Selection(datafile_ids=[stored.id]))

    @pytest.mark.parametrize("call", ["isPrepared", "getData", "getSize", "getDatafileIds"])
    def test_an_id_that_is_unknown_or_none(self, get, call):
        unknown = get(call, user=None, preparedId="00000000-0000-0000-0000-000000000000")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "NotFoundException")
        wrong = get(call, user=None, preparedId="00000000-0000-0000-0000-00000000000G")
        assert (wrong.status_code, wrong.json()["code"]) == (400, "BadRequestException")

    def test_it_ends_with_its_content(self, site, put, get):
        stored = put("a", b"abc")
        session = site.datastore()
        id = session.prepare(Selection(datafile_ids=[stored.id]))
        session.delete(Selection(datafile_ids=[stored.id]))
        assert get(user=None, preparedId=id).status_code == 404


def test_of_very_many_files_one_that_is_missing_breaks_the_zip_off(site, put, monkeypatch):
    """They are not all looked for before the first byte; the client sees that it is not whole."""
    monkeypatch.setattr("datastore.sending._LOOKED_FOR", 2)
    stored = [put(name, name.encode()) for name in "abc"]
    chosen = Selection(dataset_ids=[site.dataset_ids[0]])
    whole = downloaded(site.datastore(), dataset_ids=[site.dataset_ids[0]])
    assert len(zipfile.ZipFile(io.BytesIO(whole)).namelist()) == 3
    (site.folder / "data" / stored[1].location).unlink()
    with site.datastore().get_data(chosen) as download, pytest.raises(NotFoundError):
        b"".join(download.blocks())
