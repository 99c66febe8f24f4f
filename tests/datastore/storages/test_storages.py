"""What every storage must do."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
import textwrap
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from datastore.storage import DatasetInfo, Kept, Storage
from datastore.storages.local import LocalStorage
from ijp.errors import NotFoundError, TooLargeError
from servicekit import plugins

DATASET = DatasetInfo(12, "../ds", 3, "../../inv", "../v", 1, "../F")


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.slow)])
def storage(request, tmp_path) -> Storage:
    settings = request.getfixturevalue("s3_settings") if request.param == "s3" else {}
    return plugins.load("ijp.storages", request.param, Storage)(settings, tmp_path / "data")


def stored(storage: Storage, *blocks: bytes) -> str:
    location = storage.new_location(DATASET, "../../etc/passwd")
    with storage.upload(location) as upload:
        for block in blocks:
            upload.write(block)
        upload.commit()
    return location


def test_what_was_stored_is_found(storage):
    location = stored(storage, b"abc", b"", b"def")
    with storage.open(location) as file:
        assert file.read() == b"abcdef"
    assert storage.size(location) == 6
    assert storage.dataset_of(location) == 12
    assert abs(storage.changed(location) - datetime.now(UTC)) < timedelta(minutes=1)


def test_an_empty_file_is_a_file(storage):
    assert storage.size(stored(storage)) == 0


def test_many_are_stored_at_once(storage):
    files = {storage.new_location(DATASET, "a"): b"%d" % number for number in range(20)}
    storage.keep_many(files)
    for location, content in files.items():
        with storage.open(location) as file:
            assert file.read() == content


def test_the_location_has_nothing_of_the_names(storage):
    location = storage.new_location(DATASET, "../../etc/passwd")
    assert ".." not in location
    assert "passwd" not in location


def test_nothing_is_there_before_the_commit(storage):
    location = storage.new_location(DATASET, "a")
    with storage.upload(location) as upload:
        upload.write(b"abc")
        with pytest.raises(NotFoundError):
            storage.open(location)
        assert storage.changed(location) is not None
        upload.commit()
    assert storage.size(location) == 3


def test_an_upload_that_is_left_leaves_nothing(storage):
    location = storage.new_location(DATASET, "a")
    with storage.upload(location) as upload:
        upload.write(b"abc")
    assert storage.changed(location) is None
    with pytest.raises(NotFoundError):
        storage.size(location)


def test_deleting_twice_is_no_error(storage):
    location = stored(storage, b"abc")
    storage.delete(location)
    storage.delete(location)
    assert storage.changed(location) is None


def test_what_was_deleted_can_be_brought_back(storage, tmp_path):
    location = stored(storage, b"abc")
    storage.delete(location)
    (tmp_path / "content").write_bytes(b"abcdef")
    for _ in range(2):
        with (tmp_path / "content").open("rb") as content:
            storage.restore(location, content)
        with storage.open(location) as file:
            assert file.read() == b"abcdef"


def test_what_an_upload_left_is_no_hindrance(storage, tmp_path):
    """A process was killed while it brought a file back."""
    location = storage.new_location(DATASET, "a")
    left = storage.upload(location)
    left.write(b"ab")
    storage.restore(location, io.BytesIO(b"abcdef"))
    assert storage.size(location) == 6


def test_a_content_that_breaks_off_is_not_brought_back(storage):
    class Torn(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise zipfile.BadZipFile("no")

    location = storage.new_location(DATASET, "a")
    with pytest.raises(zipfile.BadZipFile):
        storage.restore(location, Torn())
    assert storage.changed(location) is None


def test_a_storage_tells_what_it_has(storage, tmp_path):
    before = set(storage.kept())
    locations = {stored(storage, b"abc"), stored(storage, b"abc")}
    left = storage.upload(storage.new_location(DATASET, "a"))
    left.write(b"abc")
    assert set(storage.kept()) - before == {Kept(at, 3) for at in locations}
    left.discard()


def test_local_tells_nothing_of_what_is_not_its_own(tmp_path):
    storage = LocalStorage({}, tmp_path / "data")
    location = stored(storage, b"abc")
    (tmp_path / "data" / "other").write_text("not of ours")
    (tmp_path / "data" / "3" / "other").write_text("not of ours")
    assert list(storage.kept()) == [Kept(location, 3)]


def test_local_brings_a_file_back_without_copying_it(tmp_path):
    storage = LocalStorage({}, tmp_path / "data")
    location = storage.new_location(DATASET, "a")
    (tmp_path / "content").write_bytes(b"abc" * 1000)
    with (tmp_path / "content").open("rb") as content:
        storage.restore(location, content)
        assert content.tell() == 0


def test_a_file_that_is_being_read_can_be_deleted(storage):
    location = stored(storage, b"abc")
    with storage.open(location) as file:
        storage.delete(location)
        assert file.read() == b"abc"


@pytest.mark.parametrize(
    "location",
    [
        "",
        "/etc/passwd",
        "../../etc/passwd",
        "3/12/../../../etc/passwd",
        "3/12/.",
        "3/12/00000000-0000-0000-0000-000000000000/../x",
        "3/12/00000000-0000-0000-0000-000000000000\n",
        "3/12/00000000-0000-0000-0000-000000000000\x00",
    ],
)
@pytest.mark.parametrize("call", ["open", "size", "delete", "changed", "dataset_of", "upload"])
def test_a_location_that_was_not_chosen_here_is_refused(storage, location, call):
    with pytest.raises(NotFoundError):
        getattr(storage, call)(location)


def files_under(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_local_leaves_no_folders_behind(tmp_path):
    storage = LocalStorage({}, tmp_path / "data")
    storage.delete(stored(storage, b"abc"))
    assert list((tmp_path / "data").iterdir()) == []


def test_local_files_are_for_the_service_alone(tmp_path):
    storage = LocalStorage({}, tmp_path / "data")
    location = stored(storage, b"abc")
    assert (tmp_path / "data" / location).stat().st_mode & 0o777 == 0o600


def test_local_syncs_file_and_folders_before_and_after_the_rename(tmp_path, monkeypatch):
    """A power cut leaves the whole file or none: content, then name, then folders."""
    storage = LocalStorage({}, tmp_path / "data")
    happened: list[tuple[str, str]] = []
    sync, rename = os.fsync, Path.rename

    def fsync(descriptor: int) -> None:
        happened.append(("sync", os.readlink(f"/proc/self/fd/{descriptor}")))
        sync(descriptor)

    def renamed(self: Path, target: Path) -> Path:
        happened.append(("rename", str(target)))
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", renamed)
    path = tmp_path / "data" / stored(storage, b"abc")
    assert happened == [
        ("sync", str(path.with_name(f".{path.name}.part"))),
        ("rename", str(path)),
        *(("sync", str(folder)) for folder in (path.parent, path.parents[1], path.parents[2])),
    ]


def test_local_syncs_many_before_they_appear_and_their_folder_once(tmp_path, monkeypatch):
    storage = LocalStorage({}, tmp_path / "data")
    stored(storage, b"the folders are there")
    happened: list[str] = []
    sync, rename = os.fsync, Path.rename

    def fsync(descriptor: int) -> None:
        sync(descriptor)
        happened.append(os.readlink(f"/proc/self/fd/{descriptor}"))

    def renamed(self: Path, target: Path) -> Path:
        happened.append(str(target))
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", renamed)
    files = {storage.new_location(DATASET, "a"): b"abc" for _ in range(9)}
    storage.keep_many(files)
    paths = [tmp_path / "data" / location for location in files]
    assert set(happened[:9]) == {str(path.with_name(f".{path.name}.part")) for path in paths}
    assert happened[9:] == [*map(str, paths), str(paths[0].parent)]


def test_local_leaves_none_of_many_if_one_does_not_reach_the_disk(tmp_path, monkeypatch):
    def fails(_: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    storage = LocalStorage({}, tmp_path / "data")
    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(TooLargeError, match="no space"):
        storage.keep_many({storage.new_location(DATASET, "a"): b"abc" for _ in range(9)})
    assert files_under(tmp_path) == []


def test_local_with_a_full_disk(tmp_path):
    """Bad input: the disk is full: a clear error, nothing left."""
    script = textwrap.dedent(
        """
        import subprocess, sys
        from pathlib import Path
        from datastore.storage import DatasetInfo
        from datastore.storages.local import LocalStorage
        from ijp.errors import TooLargeError
        folder = Path(sys.argv[1])
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]).returncode:
            sys.exit(77)
        storage = LocalStorage({}, folder)
        location = storage.new_location(DatasetInfo(1, "d", 1, "i", "v", 1, "f"), "n")
        try:
            with storage.upload(location) as upload:
                for _ in range(3):
                    upload.write(bytes(1 << 20))
                upload.commit()
        except TooLargeError as error:
            print(error)
        print(list(folder.iterdir()))
        """
    )
    unshared = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "-rm"]
    done = subprocess.run(
        [*unshared, sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True
    )
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.fail("a file system of one's own cannot be mounted here: run the tests as root")
    assert done.stdout == "there is no space left in the storage\n[]\n", done.stderr


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_local_when_the_last_bytes_do_not_reach_the_disk(tmp_path, monkeypatch, number):
    def fails(_: int) -> None:
        raise OSError(number, os.strerror(number))

    storage = LocalStorage({}, tmp_path / "data")
    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(TooLargeError, match="no space"):
        stored(storage, b"abc")
    assert files_under(tmp_path) == []


def test_local_has_no_settings_of_its_own(tmp_path):
    with pytest.raises(ValueError, match="colour"):
        LocalStorage({"colour": "red"}, tmp_path)
