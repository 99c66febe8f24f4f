"""What every archive must do."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from datastore.storage import Archive
from datastore.storages.archive import LocalArchive
from datastore.storages.tape import NOTHING_THERE, TapeArchive
from ijp.errors import InternalError, NotFoundError
from servicekit import plugins

pytestmark = pytest.mark.slow

QUICK = {"mount_seconds": 0, "bytes_a_second": 1e12}
FILE = "3/12/00000000-0000-4000-8000-00000000000a"

_SCRIPT = """
import os, shutil, sys
folder, verb, *rest = sys.argv[1:]
place = lambda key: os.path.join(folder, key.replace("/", "_"))
if verb == "put":
    shutil.copyfile(rest[1], place(rest[0]) + ".new")
    os.replace(place(rest[0]) + ".new", place(rest[0]))
elif verb == "get":
    for key, path in zip(rest[::2], rest[1::2]):
        if os.path.exists(place(key)):
            shutil.copyfile(place(key), path)
        else:
            print(key, "no such thing", sep="\\t")
elif not os.path.exists(place(rest[0])):
    sys.exit(44)
elif verb == "size":
    print(os.path.getsize(place(rest[0])))
else:
    os.remove(place(rest[0]))
"""


def by_commands(folder: Path) -> dict[str, list[str]]:
    """The settings for an archive of somebody else's commands."""
    script = folder / "hsm.py"
    script.write_text(_SCRIPT)
    (folder / "hsm").mkdir()
    start = [sys.executable, str(script), str(folder / "hsm")]
    return {
        "put": [*start, "put", "{key}", "{path}"],
        "get": [*start, "get", "{pairs}"],
        "size": [*start, "size", "{key}"],
        "delete": [*start, "delete", "{key}"],
    }


@pytest.fixture(params=["local", "tape", "commands"])
def archive(request, tmp_path) -> Archive:
    name, settings = request.param, {}
    if name == "tape":
        settings = QUICK
    elif name == "commands":
        name, settings = "tape", by_commands(tmp_path)
    return plugins.load("ijp.archives", name, Archive)(settings, tmp_path / "archive")


def content_of(archive: Archive, key: str) -> bytes:
    with archive.open(key) as file:
        return file.read()


def put(archive: Archive, key: str, content: bytes, folder: Path) -> None:
    path = folder / "content"
    path.write_bytes(content)
    with path.open("rb") as file:
        archive.put(key, file)
    path.unlink()


def test_what_was_put_is_found_whatever_becomes_of_its_source(archive, tmp_path):
    put(archive, "12", b"abc", tmp_path)
    put(archive, FILE, b"defg", tmp_path)
    assert (archive.size("12"), archive.size(FILE)) == (3, 4)
    assert (content_of(archive, "12"), content_of(archive, FILE)) == (b"abc", b"defg")
    assert content_of(archive, "12") == b"abc"


def test_an_empty_content_is_one(archive, tmp_path):
    put(archive, "12", b"", tmp_path)
    assert archive.size("12") == 0
    assert content_of(archive, "12") == b""


def test_a_content_in_memory_can_be_put(archive):
    archive.put("12", io.BytesIO(b"abc"))
    assert content_of(archive, "12") == b"abc"


def test_a_second_content_replaces_the_first(archive, tmp_path):
    put(archive, "12", b"abc", tmp_path)
    archive.recall(["12"])
    put(archive, "12", b"longer", tmp_path)
    assert archive.size("12") == 6
    assert content_of(archive, "12") == b"longer"


def test_putting_the_same_again_changes_nothing(archive, tmp_path):
    path = tmp_path / "content"
    path.write_bytes(b"abc")
    for _ in range(2):
        with path.open("rb") as file:
            archive.put("12", file)
    assert content_of(archive, "12") == b"abc"


def test_several_are_recalled_and_what_is_not_there_is_told(archive, tmp_path):
    put(archive, "12", b"abc", tmp_path)
    put(archive, "13", b"def", tmp_path)
    failed = archive.recall(["12", "99", "13"])
    assert list(failed) == ["99"]
    assert failed["99"]
    assert (content_of(archive, "12"), content_of(archive, "13")) == (b"abc", b"def")


def test_what_is_not_there(archive):
    assert archive.size("12") is None
    with pytest.raises(NotFoundError):
        archive.open("12")
    archive.delete("12")


def test_what_was_deleted_is_gone(archive, tmp_path):
    put(archive, "12", b"abc", tmp_path)
    archive.recall(["12"])
    archive.delete("12")
    archive.delete("12")
    assert archive.size("12") is None
    with pytest.raises(NotFoundError):
        archive.open("12")


def test_what_is_being_read_can_be_deleted(archive, tmp_path):
    put(archive, "12", b"abc", tmp_path)
    with archive.open("12") as file:
        archive.delete("12")
        assert file.read() == b"abc"


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../x", "1/../x", "1/.", "1\n", "a\x00", "-/ö"])
@pytest.mark.parametrize("call", ["open", "size", "delete"])
def test_a_key_that_would_lead_elsewhere_is_refused(tmp_path, key, call):
    for archive in (LocalArchive({}, tmp_path / "a"), TapeArchive(QUICK, tmp_path / "b")):
        with pytest.raises(NotFoundError):
            getattr(archive, call)(key)


def test_local_needs_no_space_for_what_is_on_the_same_disk(tmp_path):
    archive = LocalArchive({}, tmp_path / "archive")
    path = tmp_path / "content"
    path.write_bytes(b"abc" * 1000)
    with path.open("rb") as file:
        archive.put("12", file)
    with archive.open("12") as kept:
        same = os.fstat(kept.fileno()).st_ino == path.stat().st_ino
    assert same or clones(tmp_path)


def clones(folder: Path) -> bool:
    """Whether the file system shares blocks between files."""
    (folder / "one").write_bytes(b"abc")
    command = ["cp", "--reflink=always", folder / "one", folder / "two"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_local_copies_where_links_are_not_wanted(tmp_path):
    archive = LocalArchive({"hard_links": False}, tmp_path / "archive")
    path = tmp_path / "content"
    path.write_bytes(b"abc")
    with path.open("rb") as file:
        archive.put("12", file)
    path.write_bytes(b"xyz")
    assert content_of(archive, "12") == b"abc"


def test_local_leaves_no_folders_behind(tmp_path):
    archive = LocalArchive({}, tmp_path / "archive")
    put(archive, FILE, b"abc", tmp_path)
    archive.delete(FILE)
    assert list((tmp_path / "archive").iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"colour": 1}, "colour"),
        ({"put": ["x"]}, "no argument {key}"),
        ({**QUICK, "put": ["x", "{key}", "{path}"]}, "no use"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
    ],
)
def test_wrong_settings_of_a_tape_archive_are_named(tmp_path, settings, found):
    with pytest.raises(ValueError, match=found):
        TapeArchive(settings, tmp_path / "tape")


def test_local_has_one_setting(tmp_path):
    with pytest.raises(ValueError, match="colour"):
        LocalArchive({"colour": "red"}, tmp_path)
    with pytest.raises(ValueError, match="hard_links"):
        LocalArchive({"hard_links": "yes"}, tmp_path)


def test_a_torn_tape_is_an_error_and_what_was_there_stays(tmp_path):
    archive = TapeArchive(QUICK, tmp_path / "tape")
    put(archive, "12", b"abc", tmp_path)
    reliability = tmp_path / "tape" / "library" / "reliability"
    reliability.write_text("0")
    with pytest.raises(InternalError, match="put ended with 1"):
        put(archive, "12", b"other", tmp_path)
    assert "ended with 1" in archive.recall(["12"])["12"]
    reliability.write_text("1")
    assert content_of(archive, "12") == b"abc"
    assert list((tmp_path / "tape" / "staging").iterdir()) == []


def test_a_full_tape_is_followed_by_another(tmp_path):
    archive = TapeArchive({**QUICK, "tape_bytes": 5}, tmp_path / "tape")
    for key in ("1", "2", "3"):
        put(archive, key, b"abc", tmp_path)
    put(archive, "1", b"new", tmp_path)
    tapes = sorted((tmp_path / "tape" / "library" / "tapes").iterdir())
    assert [[one.name for one in tape.iterdir()] for tape in tapes] == [[], ["2"], ["3"], ["1"]]
    assert content_of(archive, "1") == b"new"


@pytest.mark.slow
def test_with_one_drive_those_who_ask_wait_for_each_other(tmp_path):
    """As many mounts as tapes: what is asked for together is read tape by tape."""
    settings = {"drives": 1, "mount_seconds": 0.5, "tape_bytes": 3, "bytes_a_second": 1e12}
    archive = TapeArchive(settings, tmp_path / "tape")
    for key in ("1", "2"):
        put(archive, key, b"abc", tmp_path)
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda key=key: found.append(content_of(archive, key)))
        for key in ("1", "2")
    ]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [b"abc", b"abc"]
    assert time.monotonic() - begun > 0.5


def test_what_a_command_says_of_a_size_is_read_with_care(tmp_path):
    commands = by_commands(tmp_path)
    commands["size"] = ["echo", "many", "{key}"]
    with pytest.raises(InternalError, match="many"):
        TapeArchive(commands, tmp_path / "tape").size("12")
    commands["size"] = [sys.executable, "-c", f"raise SystemExit({NOTHING_THERE})", "{key}"]
    assert TapeArchive(commands, tmp_path / "tape").size("12") is None
