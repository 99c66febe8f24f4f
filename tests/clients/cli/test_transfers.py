"""Data here and there by the command (req. 26, 35, 36, 109-112)."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import urllib.request
import zipfile
import zlib

import pytest

from ijp import tus
from ijp.cli import download, upload
from ijp.datastore import DatastoreSession
from ijp.errors import UnavailableError

pytestmark = pytest.mark.slow


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names_in(folder):
    return sorted(one.name for one in folder.iterdir())


# download


def test_dataset_comes_as_a_zip_of_its_name(ana, portal, fresh, here):
    """req. 36, 111"""
    name = fresh("zip")
    made = portal.dataset(name, files={"a.txt": b"first", "b.txt": b"second"})
    assert ana.says("download", made) == f"{name}.zip\n"
    with zipfile.ZipFile(here / f"{name}.zip") as archive:
        found = {one.rpartition("/")[2]: archive.read(one) for one in archive.namelist()}
    assert found == {"a.txt": b"first", "b.txt": b"second"}
    assert names_in(here) == [f"{name}.zip"]


def test_datafile_comes_as_it_is(ana, portal, fresh, here):
    made = portal.dataset(fresh("file"), files={"a.txt": b"first"})
    (file,) = portal.user().datafiles(made)
    assert ana.says("download", "-f", file["id"]) == "a.txt\n"
    assert (here / "a.txt").read_bytes() == b"first"
    told = json.loads(ana.says("--json", "download", "-f", file["id"], "-o", "new/"))
    assert told == {"path": "new/a.txt"}
    assert (here / "new" / "a.txt").read_bytes() == b"first"


def test_many_come_as_one_zip(ana, portal, fresh, here):
    ids = [portal.dataset(fresh("many")) for _ in range(3)]
    assert ana.says("download", f"{ids[0]},{ids[1]}", ids[2]) == "data.zip\n"
    with zipfile.ZipFile(here / "data.zip") as archive:
        assert len(archive.namelist()) == 3


def test_what_is_there_is_replaced_only_by_force(ana, portal, fresh, here):
    made = portal.dataset(fresh("there"))
    (here / "x.zip").write_text("mine")
    told = ana.refuses("download", made, "-o", "x.zip", code=6)
    assert told == "ijp: x.zip is there already (--force replaces it)\n"
    assert (here / "x.zip").read_text() == "mine"
    ana.says("download", made, "-o", "x.zip", "--force")
    assert zipfile.is_zipfile(here / "x.zip")


def test_extract_leaves_a_folder_and_no_zip(ana, portal, fresh, here):
    name = fresh("unpack")
    made = portal.dataset(name, files={"a.txt": b"first", "in/b.txt": b"second"})
    assert ana.says("download", made, "--extract") == f"{name}\n"
    assert names_in(here) == [name]
    found = {one.name: one.read_bytes() for one in (here / name).rglob("*") if one.is_file()}
    assert found == {"a.txt": b"first", "b.txt": b"second"}
    ana.refuses("download", made, "--extract", code=6)


def part_of(here, name, portal, made):
    """Where a broken download of a dataset under a name would have left its part."""
    url = f"{portal.url}/ids/getData?datasetIds={made}&outname={name}"
    request = urllib.request.Request(url)
    request.add_header("Authorization", f"Bearer {portal.user().session_id}")
    with urllib.request.urlopen(request) as answer:
        tag = zlib.crc32(answer.headers["ETag"].encode())
        return here / f".{name}.{tag:08x}.part", answer.read()


@pytest.mark.parametrize("kept", [1, 1000, 250_000])
def test_broken_download_goes_on_where_it_stopped(ana, portal, fresh, here, kept, monkeypatch):
    made = portal.dataset(fresh("resume"), files={"a.bin": bytes(range(250)) * 1000})
    part, whole = part_of(here, "x.zip", portal, made)
    part.write_bytes(whole[:kept])
    asked = []

    def get_data(self, selection, *, start=0, **options):
        asked.append(start)
        return real(self, selection, start=start, **options)

    real = DatastoreSession.get_data
    monkeypatch.setattr(DatastoreSession, "get_data", get_data)
    ana.says("download", made, "-o", "x.zip")
    assert (here / "x.zip").read_bytes() == whole
    assert names_in(here) == ["x.zip"]
    assert asked == [0, kept]


def test_what_arrived_wrong_is_not_kept(ana, portal, fresh, here):
    """A bit that was lost on the way, or on this disk."""
    made = portal.dataset(fresh("wrong"), files={"a.bin": bytes(5000)})
    part, whole = part_of(here, "x.zip", portal, made)
    part.write_bytes(whole[:2000] + b"!" + whole[2001:3000])
    assert "x.zip arrived" in ana.refuses("download", made, "-o", "x.zip", code=1)
    assert names_in(here) == []
    ana.says("download", made, "-o", "x.zip")
    assert (here / "x.zip").read_bytes() == whole


def test_a_single_file_is_compared_with_the_catalog(ana, portal, fresh, here):
    made = portal.dataset(fresh("compared"), files={"a.txt": b"first"})
    (file,) = portal.user().datafiles(made)
    portal.root.update("Datafile", file["id"], checksum="12345678")
    told = ana.refuses("download", "-f", file["id"], code=1)
    assert "a.txt arrived with the CRC-32" in told
    assert names_in(here) == []


@pytest.mark.parametrize("more", [0, 10])
def test_part_that_is_no_part_is_left_aside(ana, portal, fresh, here, more):
    """As long as the whole, or longer."""
    made = portal.dataset(fresh("whole"))
    part, whole = part_of(here, "x.zip", portal, made)
    part.write_bytes(b"!" * (len(whole) + more))
    ana.says("download", made, "-o", "x.zip")
    assert (here / "x.zip").read_bytes() == whole


def test_part_of_something_else_is_not_mixed_in(ana, portal, fresh, here):
    """The same file name, other content: the dataset has changed, or it is another one."""
    one, two = (portal.dataset(fresh("mix"), files={"a": bytes(9000)}) for _ in range(2))
    part, _ = part_of(here, "x.zip", portal, one)
    part.write_bytes(b"!" * 100)
    ana.says("download", two, "-o", "x.zip")
    assert zipfile.ZipFile(here / "x.zip").testzip() is None


def test_what_arrived_before_it_broke_is_kept(ana, portal, fresh, here, monkeypatch):
    made = portal.dataset(fresh("broken"), files={"a.bin": bytes(5000)})
    _, whole = part_of(here, "x.zip", portal, made)

    def broken(self):
        yield whole[:700]
        raise UnavailableError("the download broke off after 700 bytes")

    with monkeypatch.context() as patched:
        patched.setattr("ijp.datastore.Download.blocks", broken)
        told = ana.refuses("download", made, "-o", "x.zip", code=8)
    assert told == "ijp: the download broke off after 700 bytes\n"
    (part,) = here.iterdir()
    assert part.read_bytes() == whole[:700]
    ana.says("download", made, "-o", "x.zip")
    assert (here / "x.zip").read_bytes() == whole


# The tests' own server leaves a file open when it reads from a client that was killed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_download_that_was_killed_halfway_goes_on(ana, portal, fresh, here):
    """The command is killed by the system; the next one asks only for the rest."""
    content = os.urandom(3 << 19)
    made = portal.dataset(fresh("killed"), files={"a.bin": content})
    (file,) = portal.user().datafiles(made)
    source = """
import os
from ijp.cli.main import main
from ijp.downloads import Download
real = Download._received
def received(self):
    for block in real(self):
        if self._at > 1 << 20:
            os.kill(os.getpid(), 9)
        yield block
Download._received = received
main()
"""
    command = [sys.executable, "-c", source, "download", "-f", str(file["id"])]
    done = subprocess.run(command, env=ana.for_processes(), capture_output=True)
    assert done.returncode == -9, done.stderr
    (part,) = here.iterdir()
    kept = part.stat().st_size
    assert part.read_bytes() == content[:kept]
    assert kept > 0
    asked = []
    with pytest.MonkeyPatch.context() as patched:
        real = DatastoreSession.get_data
        patched.setattr(
            DatastoreSession,
            "get_data",
            lambda self, chosen, **more: (
                asked.append(more.get("start", 0)) or real(self, chosen, **more)
            ),
        )
        ana.says("download", "-f", file["id"])
    assert asked == [0, kept]
    assert names_in(here) == ["a.bin"]
    assert (here / "a.bin").read_bytes() == content
    gc.collect()


def test_more_than_an_address_can_have_is_listed_first(ana, portal, fresh, here, monkeypatch):
    made = [portal.dataset(fresh("listed")) for _ in range(3)]
    monkeypatch.setattr(download, "_MOST_AT_ONCE", 2)
    ana.says("download", *made, "-o", "x.zip")
    with zipfile.ZipFile(here / "x.zip") as archive:
        assert len(archive.namelist()) == 3


def test_address_needs_no_session(ana, portal, fresh):
    """req. 112"""
    made = portal.dataset(fresh("url"))
    url = ana.says("download", made, "--url").strip()
    assert str(portal.user().session_id) not in url
    with urllib.request.urlopen(url) as answer:
        assert answer.read(2) == b"PK"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "give ids of datasets, or -f and ids of datafiles"),
        (["1,x"], 2, "'x' is not an id"),
        (["999999"], 5, "there is no dataset 999999 that you may see"),
        (["-f", "999999"], 5, "999999"),
    ],
)
def test_download_of_nothing_is_refused(ana, here, words, code, message):
    assert message in ana.refuses("download", *words, code=code)
    assert names_in(here) == []


def test_missing_folder_is_named(ana, portal, fresh, here):
    made = portal.dataset(fresh("nowhere"))
    told = ana.refuses("download", made, "-o", "no/where.zip", code=2)
    assert "there is no folder no to write to" in told


def test_name_of_a_dataset_stays_below_the_folder(ana, portal, fresh, here):
    """A dataset whose name climbs out."""
    made = portal.dataset("../../" + fresh("climber"))
    path = ana.says("download", made).strip()
    assert "/" not in path
    assert names_in(here) == [path]


# upload


def test_files_go_into_a_dataset(ana, portal, fresh, here):
    """req. 35"""
    made = portal.dataset(fresh("into"), files={})
    (here / "a.txt").write_text("first")
    (here / "b.csv").write_text("x\n")
    assert ana.says("upload", "a.txt", "b.csv", "-d", made).splitlines()[0] == f"dataset {made}"
    assert {one["name"]: one["format"] for one in portal.user().datafiles(made)} == {
        "a.txt": "text",
        "b.csv": "CSV",
    }


def test_folder_becomes_a_new_dataset(ana, portal, fresh, here):
    """req. 35: names below the folder stay, what begins with a dot stays here."""
    (here / "run" / "deep").mkdir(parents=True)
    for name in ("a.txt", "deep/b.txt", ".hidden", "deep/.b.txt.swp"):
        (here / "run" / name).write_text(name)
    name = fresh("new")
    words = ["upload", "run/", "--new", name, "--type", "raw", "--investigation", "A"]
    told = json.loads(ana.says("--json", *words))
    dataset = portal.user().dataset(told["datasetId"])
    assert (dataset["name"], dataset["type"], dataset["complete"]) == (name, "raw", True)
    files = {one["name"]: one["size"] for one in portal.user().datafiles(told["datasetId"])}
    assert files == {"a.txt": 5, "deep/b.txt": 10}
    assert ana.refuses(*words, code=6).startswith("ijp: Dataset exists")


def test_file_time_is_kept(ana, portal, fresh, here):
    made = portal.dataset(fresh("time"), files={})
    (here / "a.txt").write_text("x")
    os.utime(here / "a.txt", (1_600_000_000, 1_600_000_000))
    ana.says("upload", "a.txt", "-d", made)
    text = f"SELECT f.datafileModTime FROM Datafile f WHERE f.dataset.id = {made}"
    assert portal.root.search(text) == ["2020-09-13T12:26:40.000Z"]


def test_file_that_is_there_is_refused_or_skipped(ana, portal, fresh, here):
    made = portal.dataset(fresh("skip"))
    (here / "a.txt").write_text("other")
    (here / "b.txt").write_text("new")
    assert "exists" in ana.refuses("upload", "a.txt", "-d", made, code=6)
    ana.says("upload", "a.txt", "b.txt", "-d", made, "--skip")
    found = {one["name"]: one["size"] for one in portal.user().datafiles(made)}
    assert found == {"a.txt": 5, "b.txt": 3}


def test_fault_is_found_before_anything_goes(ana, portal, fresh, here):
    """A file without a format behind others: no dataset is left."""
    (here / "a.txt").write_text("x")
    (here / "z.weird").write_text("x")
    name = fresh("clean")
    words = ["upload", "a.txt", "z.weird", "--new", name, "--investigation", "A"]
    told = ana.refuses(*words, "--type", "raw", code=5)
    assert told == (
        "ijp: there is no datafile format for z.weird (give --format); there are: CSV, PNG, text\n"
    )
    assert "there is no dataset type 'row' (there are: derived, other, raw, spots)" in (
        ana.refuses(*words, "--type", "row", "--format", "text", code=5)
    )
    assert "there is no datafile format named 'gif'" in (
        ana.refuses(*words, "--type", "raw", "--format", "gif", code=5)
    )
    assert portal.root.search(f"SELECT d.id FROM Dataset d WHERE d.name = '{name}'") == []
    assert ana.says(*words, "--type", "raw", "--format", "text").startswith("dataset ")


def test_upload_that_fails_leaves_no_empty_dataset(ana, portal, fresh, here):
    (here / "a\x1b.txt").write_text("x")
    name = fresh("empty")
    words = ["upload", "a\x1b.txt", "--new", name, "--type", "raw", "--investigation", "A"]
    assert "has control characters" in ana.run(*words, code=7).stderr
    assert portal.root.search(f"SELECT d.id FROM Dataset d WHERE d.name = '{name}'") == []


def test_upload_that_broke_off_can_be_completed(ana, portal, fresh, here):
    """Searches find the dataset when the rest is there."""
    (here / "a.txt").write_text("x")
    bad = here / "b\x1b.txt"
    bad.write_text("x")
    name = fresh("rest")
    words = ["upload", "a.txt", bad.name, "--new", name, "--type", "raw", "--investigation", "A"]
    told = ana.run(*words, code=7).stderr
    (made,) = portal.root.search(f"SELECT d.id FROM Dataset d WHERE d.name = '{name}'")
    assert f"1 of 2 files are in dataset {made}; to go on: ijp upload … -d {made} --skip" in told
    assert portal.user().dataset(made)["complete"] is False
    bad.rename(here / "b.txt")
    ana.says("upload", "a.txt", "b.txt", "-d", made, "--skip")
    assert portal.user().dataset(made)["complete"] is True
    assert len(portal.user().datafiles(made)) == 2


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["a.txt"], 2, "give either -d ID, or --new NAME"),
        (["a.txt", "-d", "1", "--new", "x"], 2, "give either -d ID, or --new NAME"),
        (["a.txt", "--new", "x"], 2, "a new dataset needs --type and --investigation"),
        (["nosuch", "-d", "1"], 2, "'nosuch' does not exist"),
        (["a.txt", "-d", "999999"], 5, "there is no dataset 999999 that you may see"),
        (["empty", "-d", "{made}"], 2, "there is no file in empty"),
        (["a.txt", "in", "-d", "{made}"], 2, "a.txt and in/a.txt would both be 'a.txt'"),
        (
            ["a.txt", "--new", "x", "--type", "raw", "--investigation", "Z"],
            5,
            "there is no investigation 'Z' that you may see",
        ),
        (["a.txt", "--new", "x", "--type", "raw", "--investigation", "B"], 4, ""),
        (
            ["a.txt", "--new", "x", "--type", "raw", "--investigation", "C"],
            5,
            "there is no investigation 'C' that you may see",
        ),
    ],
)
def test_what_cannot_be_uploaded_is_told(ana, portal, fresh, here, words, code, message):
    """Ana reads B and cannot see C."""
    (here / "empty").mkdir()
    (here / "in").mkdir()
    (here / "a.txt").write_text("x")
    (here / "in" / "a.txt").write_text("x")
    made = portal.dataset(fresh("target"), files={})
    told = ana.refuses("upload", *(one.format(made=made) for one in words), code=code)
    assert message in told


def test_dataset_of_others_takes_nothing(ana, portal, fresh, here):
    """req. 16: ana is a reader of B."""
    made = portal.dataset(fresh("bens"), investigation="B", files={})
    (here / "a.txt").write_text("x")
    ana.refuses("upload", "a.txt", "-d", made, code=4)
    assert portal.user().datafiles(made) == []


# large files in pieces


@pytest.fixture
def large(here):
    """A file that is sent in pieces."""
    (here / "large.txt").write_bytes(os.urandom(upload.RESUMABLE_BYTES + 3))
    return here / "large.txt"


def test_a_large_file_that_was_killed_halfway_goes_on(ana, portal, fresh, large):
    """The command is killed by the system; the next one sends only the rest."""
    made = portal.dataset(fresh("killed"), files={})
    source = """
import os, sys
from ijp import tus
block = tus._Rest.read
def read(self, size=-1):
    if self._at >= 2 << 20:
        os.kill(os.getpid(), 9)
    return block(self, size)
tus._Rest.read = read
from ijp.cli.main import main
main()
"""
    command = [sys.executable, "-c", source, "upload", large, "-d", str(made)]
    environment = {k: v for k, v in (os.environ | ana.environment).items() if v is not None}
    done = subprocess.run(command, env=environment, capture_output=True)
    assert done.returncode == -9, done.stderr
    assert portal.user().datafiles(made) == []
    sent = []
    with pytest.MonkeyPatch.context() as patched:
        real = tus.ResumableUpload._patch
        patched.setattr(
            tus.ResumableUpload,
            "_patch",
            lambda self, offset, shown: sent.append(offset) or real(self, offset, shown),
        )
        ana.says("upload", large, "-d", made)
    assert sent[0] > 1 << 20
    (file,) = portal.user().datafiles(made)
    assert (file["name"], file["size"]) == ("large.txt", large.stat().st_size)
    ana.says("download", "-f", file["id"], "-o", "back")
    assert (large.parent / "back").read_bytes() == large.read_bytes()


def test_a_large_file_that_has_changed_since_begins_anew(ana, portal, fresh, large, monkeypatch):
    made = portal.dataset(fresh("changed"), files={})

    def broken(self, progress=None):
        raise UnavailableError("the connection broke")

    with monkeypatch.context() as patched:
        patched.setattr(tus.ResumableUpload, "send", broken)
        told = ana.refuses("upload", large, "-d", made, code=8)
    assert f"to go on: ijp upload … -d {made} --skip" in told
    large.write_bytes(os.urandom(upload.RESUMABLE_BYTES))
    ana.says("upload", large, "-d", made)
    (file,) = portal.user().datafiles(made)
    assert file["size"] == upload.RESUMABLE_BYTES


def test_a_large_file_whose_name_is_taken(ana, portal, fresh, large):
    made = portal.dataset(fresh("taken"), files={"large.txt": b"x"})
    assert "large.txt" in ana.refuses("upload", large, "-d", made, code=6)
    ana.says("upload", large, "-d", made, "--skip")
