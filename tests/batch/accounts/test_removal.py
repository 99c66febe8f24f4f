"""Removing trees that were made to be hard to remove, and nothing beside them."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.accounts import removal
from batch.accounts.removal import RemovalError

NAMES = st.binary(min_size=1, max_size=20).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")
)
TREES = st.recursive(
    st.sampled_from(["file", "link", "pipe"]),
    lambda below: st.dictionaries(NAMES, below, max_size=4),
    max_leaves=15,
)


def emptied(folder: Path) -> int:
    opened = os.open(folder, removal.FOLDER)
    try:
        return removal.empty(opened)
    finally:
        os.close(opened)


def grown(folder: bytes, tree: object) -> None:
    assert isinstance(tree, dict)
    os.mkdir(folder)
    for name, below in tree.items():
        path = os.path.join(folder, name)
        if below == "file":
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        elif below == "link":
            os.symlink("/etc", path)
        elif below == "pipe":
            os.mkfifo(path)
        else:
            grown(path, below)


@given(tree=st.dictionaries(NAMES, TREES, max_size=4))
@settings(max_examples=25, deadline=None)
def test_any_tree_is_removed(tmp_path_factory, tree):
    top = tmp_path_factory.mktemp("tree")
    grown(os.fsencode(top / "top"), tree)
    emptied(top)
    assert os.listdir(top) == []


def test_tree_deeper_than_any_path_is_removed(tmp_path):
    top = tmp_path / "top"
    top.mkdir()
    here = os.open(top, removal.FOLDER)
    for _ in range(400):
        os.mkdir("d" * 20, dir_fd=here)
        below = os.open("d" * 20, removal.FOLDER, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert emptied(top) == 400
    assert os.listdir(top) == []


def test_what_links_lead_to_stays(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "precious").write_text("precious")
    top = tmp_path / "top"
    (top / "below").mkdir(parents=True)
    (top / "below" / "folder").symlink_to(kept)
    (top / "file").symlink_to(kept / "precious")
    os.link(kept / "precious", top / "below" / "hard")
    emptied(top)
    assert os.listdir(top) == []
    assert (kept / "precious").read_text() == "precious"


def test_pipes_sockets_and_closed_folders_are_removed(tmp_path):
    top = tmp_path / "top"
    (top / "closed").mkdir(parents=True)
    os.mkfifo(top / "closed" / "pipe")
    with socket.socket(socket.AF_UNIX) as here:
        here.bind(str(top / "socket"))
    (top / "closed").chmod(0)
    emptied(top)
    assert os.listdir(top) == []


def test_a_thousand_files_and_more_are_removed(tmp_path):
    top = tmp_path / "top"
    (top / "many").mkdir(parents=True)
    for number in range(1500):
        (top / "many" / str(number)).touch()
    assert emptied(top) == 1501


@pytest.mark.parametrize("mark", ["+i", "+a"])
def test_what_the_file_system_protects_is_removed(root_folder, mark):
    top = root_folder / "top"
    (top / "below").mkdir(parents=True)
    (top / "below" / "file").touch()
    subprocess.run(["chattr", mark, top / "below" / "file", top / "below"], check=True)
    emptied(top)
    assert os.listdir(top) == []


def test_only_the_files_of_one_account_are_removed(root_folder):
    mine, others = 61_050, 61_051
    shared = root_folder / "shared"
    shared.mkdir(mode=0o777)
    shared.chmod(0o777)
    for name, owner in (("mine", mine), ("others", others)):
        (shared / name).touch()
        os.chown(shared / name, owner, owner)
        (root_folder / name).mkdir()
        (root_folder / name / "file").touch()
        os.chown(root_folder / name, owner, owner)
    (shared / "link").symlink_to("/etc/passwd")
    os.lchown(shared / "link", mine, mine)
    opened = os.open(root_folder, removal.FOLDER)
    assert sorted(removal.owned(opened, mine)) == ["mine", "shared/link", "shared/mine"]
    removal.remove_owned(opened, mine)
    assert removal.owned(opened, mine) == []
    os.close(opened)
    assert sorted(os.listdir(root_folder)) == ["others", "shared"]
    assert os.listdir(shared) == ["others"]
    assert (root_folder / "others" / "file").exists()


def test_a_mounted_file_system_is_not_emptied(root_folder):
    """A home with something mounted in it goes into quarantine, and the thing stays."""
    top = root_folder / "top"
    (top / "mounted").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", top / "mounted"], check=True)
    try:
        (top / "mounted" / "file").touch()
        with pytest.raises(RemovalError, match="another file system is mounted at 'mounted'"):
            emptied(top)
        assert (top / "mounted" / "file").exists()
    finally:
        subprocess.run(["umount", top / "mounted"], check=True)
