"""Worker nodes with real Unix accounts, and folders that are root's alone."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.batch.accounts.node import Node

MakeNode = Callable[..., Node]


@pytest.fixture(scope="module")
def make_node() -> Iterator[MakeNode]:
    """Makes worker nodes that are there until the last test of the module."""
    made: list[Node] = []

    def make(name: str = "n1", *, accounts: int = 1, namespaces: bool = True) -> Node:
        node = Node(name, accounts, namespaces=namespaces)
        made.append(node)
        return node

    yield make
    for node in made:
        node.stop()


@pytest.fixture
def root_folder() -> Iterator[Path]:
    """A folder that only root can change, by none of its parents either."""
    assert os.geteuid() == 0, "these tests need root: what is trusted has to be root's"
    folder = Path(tempfile.mkdtemp(prefix="ijp-accounts-", dir="/var/lib"))
    yield folder
    shutil.rmtree(folder)
