"""Files and their registration: the data service by browser, command and program."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

import pytest
import requests

from ijp.datastore import Selection
from ijp.errors import NotAuthorizedError, NotFoundError, PortalError


def stored_files(site) -> set[Path]:
    """All files of the storage."""
    return {one for one in (site.folder / "data").rglob("*") if one.is_file()}


def a_format(root, name: str = "text") -> int:
    """The id of a datafile format."""
    (id,) = root.search(f"SELECT f.id FROM DatafileFormat f WHERE f.name = '{name}'")
    return int(id)


def test_location_of_a_file_means_something_to_the_data_service_only(site, people, images):
    """req. 14: files live in the data service; the catalog has a name for it."""
    (file,) = people.catalog("ana").search(
        f"SELECT f FROM Datafile f WHERE f.dataset.id = {images['cell']} AND f.name = 'cell.png'"
    )
    location = file["location"]
    assert not Path(location).is_absolute()
    assert "://" not in location
    assert requests.get(f"{site.url}/{location}", timeout=20).status_code == 404
    with people.datastore("ana").get_data(Selection(datafile_ids=[file["id"]])) as download:
        content = b"".join(download.blocks())
    assert content == (site.folder / "drop" / "MIC-2026-1" / "cell.png").read_bytes()


def test_stored_file_is_registered_with_size_checksum_and_location(people, root, make_dataset):
    """req. 15: in one operation."""
    id, content = make_dataset("for a file", "MIC-2026-1"), b"some bytes\n" * 99
    stored = people.datastore("ana").put(
        [content], name="some.txt", dataset_id=id, datafile_format_id=a_format(root)
    )
    (file,) = root.search(f"SELECT f FROM Datafile f WHERE f.dataset.id = {id}")
    assert (file["name"], file["fileSize"]) == ("some.txt", len(content))
    assert int(file["checksum"], 16) == zlib.crc32(content) == stored.checksum
    assert file["location"] == stored.location


def test_who_may_not_create_stores_nothing(site, people, root, images):
    """req. 16: ben is a reader of this investigation."""
    before = stored_files(site)
    with pytest.raises(NotAuthorizedError):
        people.datastore("ben").put(
            [b"x" * 100_000],
            name="by ben",
            dataset_id=images["coins"],
            datafile_format_id=a_format(root),
        )
    assert stored_files(site) == before
    assert root.search("SELECT f.id FROM Datafile f WHERE f.name = 'by ben'") == []


def test_who_may_not_read_gets_nothing(site, people, images):
    """req. 17: as if it were not there."""
    selection = Selection(dataset_ids=[images["cell"]])
    with pytest.raises((NotAuthorizedError, NotFoundError)):
        people.datastore("ben").get_data(selection)
    answer = requests.get(
        f"{site.url}/ids/getData",
        params={"datasetIds": images["cell"]},
        headers={"Authorization": f"Bearer {people['ben'].session_id}"},
        timeout=20,
    )
    assert answer.status_code in (403, 404)


def test_raw_and_analysed_and_own_data_are_kept_and_read_back(
    site, people, browse, segmented, images, make_dataset
):
    """req. 30, 35: raw data by an ingest job, results by a job, own files by the upload page."""
    web = browse("ana")
    own = make_dataset("own", "MIC-2026-1")
    page = web.press(web.open(f"/upload/{own}"), "Upload", files=[("file", ("notes.txt", b"mine"))])
    assert "notes.txt" in web.open(f"/datasets/{own}").text or "1 file arrived" in page.text
    (made,) = segmented["outputs"]["datasets"]
    wanted = {images["cell"]: "cell.png", made: "labels.tif", own: "notes.txt"}
    for id, name in wanted.items():
        (file,) = [one for one in people["ana"].datafiles(id) if one["name"] == name]
        with people.datastore("ana").get_data(Selection(datafile_ids=[file["id"]])) as download:
            content = b"".join(download.blocks())
        assert len(content) == file["size"]
        assert f"{zlib.crc32(content):x}" == file["checksum"].lstrip("0")


def test_upload_by_the_command(shell_of, tmp_path, named, ana, people):
    """req. 35."""
    shell = shell_of("ana")
    folder = tmp_path / "run7"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"first")
    (folder / "inner" / "b.txt").write_bytes(b"second")
    shell.says(
        "upload", str(folder), "--new", "run7", "--type", "image", "--investigation", "MIC-2026-1"
    )
    made = named(ana, text="run7")["run7"]["id"]
    try:
        assert {one["name"]: one["size"] for one in ana.datafiles(made)} == {
            "a.txt": 5,
            "inner/b.txt": 6,
        }
    finally:
        people.datastore("ana").delete(Selection(dataset_ids=[made]))
        people.catalog("ana").delete("Dataset", [made])


def test_file_dataset_and_many_are_downloaded(site, shell_of, tmp_path, ana, images):
    """req. 36: one file as it is, one dataset and many as a zip."""
    shell = shell_of("ana")
    (file,) = [one for one in ana.datafiles(images["cell"]) if one["name"] == "cell.png"]
    shell.says("download", "-f", str(file["id"]), "-o", str(tmp_path / "one.png"))
    original = (site.folder / "drop" / "MIC-2026-1" / "cell.png").read_bytes()
    assert (tmp_path / "one.png").read_bytes() == original
    shell.says("download", str(images["cell"]), "-o", str(tmp_path / "dataset.zip"))
    shell.says(
        "download", str(images["cell"]), str(images["coins"]), "-o", str(tmp_path / "many.zip")
    )
    with zipfile.ZipFile(tmp_path / "dataset.zip") as archive:
        assert archive.testzip() is None
        inside = {Path(name).name: name for name in archive.namelist()}
        assert archive.read(inside["cell.png"]) == original
    with zipfile.ZipFile(tmp_path / "many.zip") as archive:
        assert {"cell.png", "coins.png"} <= {Path(name).name for name in archive.namelist()}


def test_data_are_found_shown_and_worked_on_by_metadata_alone(
    site, people, root, browse, make_dataset, named
):
    """req. 88: the content is away, and only who wants the content notices."""
    before = stored_files(site)
    id = make_dataset("away", "MIC-2026-1", width=77, channels=3)
    stored = people.datastore("ana").put(
        [b"content"], name="away.png", dataset_id=id, datafile_format_id=a_format(root, "PNG")
    )
    (path,) = stored_files(site) - before
    hidden = path.rename(path.with_suffix(".hidden"))
    try:
        web = browse("ana")
        assert list(named(people["ana"], p="width:eq:77")) == ["away"]
        assert "away.png" in web.open(f"/datasets/{id}").text
        assert "Channel" in web.open(f"/run/segment?sel={id}").labels
        with pytest.raises(PortalError):
            people.datastore("ana").get_data(Selection(datafile_ids=[stored.id]))
    finally:
        hidden.rename(path)


def test_button_gives_a_zip_of_the_dataset(browse, images):
    """req. 111."""
    web = browse("ana")
    page = web.open(f"/datasets/{images['ihc']}")
    answer = web.send(page, "Download")
    assert "ihc.zip" in answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert {Path(one).name for one in archive.namelist()} == {"ihc.png", "preview.png"}


def test_address_that_is_shown_works_in_another_program(site, browse, images):
    """req. 112: without session, cookie or header."""
    web = browse("ana")
    page = web.press(web.open(f"/datasets/{images['ihc']}"), "Show a download URL")
    (address,) = {
        one.text_content()
        for one in page.document.iter("code")
        if one.text_content().startswith(site.url)
    }
    assert "sessionId" not in address
    answer = requests.get(address, timeout=30)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None


def test_everything_is_reached_at_one_address(site, browse, ana, people, images):
    """req. 22: pages, programs' interfaces and data; nothing leads a browser elsewhere."""
    for path in ("/login", "/api/v1/authenticators", "/icat/version", "/ids/ping"):
        assert requests.get(site.url + path, timeout=20).ok, path
    told = ana.session()
    assert all(value.startswith(site.url) for key, value in told.items() if key.endswith("Url"))
    assert ana.download([images["cell"]])["url"].startswith(site.url)
    web = browse("ana")
    for path in ("/find", f"/datasets/{images['cell']}", "/jobs", "/upload", "/run/date"):
        document = web.open(path).document
        document.make_links_absolute(site.url)
        for element, _, address, _ in document.iterlinks():
            assert address.startswith(site.url), (path, element.tag, address)
