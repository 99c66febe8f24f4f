"""A cluster for tests, of LSF 10.1 as its manual and its users' records have it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from tests.peers.lsf import asking, controlling, submitting
from tests.peers.lsf.store import Store
from tests.peers.standin import store
from tests.peers.standin.client import answer
from tests.peers.standin.cluster import StandIn

COMMANDS: Mapping[str, Callable[[Store, list[str]], str]] = {
    "bsub": submitting.bsub,
    "bmod": submitting.bmod,
    "bjobs": asking.bjobs,
    "bhist": asking.bhist,
    "bhosts": asking.bhosts,
    "bkill": controlling.bkill,
    "bstop": controlling.bstop,
    "bresume": controlling.bresume,
    "brequeue": controlling.brequeue,
    "badmin": controlling.badmin,
}


class Cluster(StandIn):
    """A stand-in of LSF."""

    store: ClassVar[type[store.Store]] = Store
    names: ClassVar[Iterable[str]] = COMMANDS
    client: ClassVar[str] = "tests.peers.lsf.cluster"
    runner: ClassVar[str] = "tests.peers.lsf.work"


def main(command: str, folder: Path, arguments: list[str]) -> int:
    """Run a command; gives its exit code."""
    os.umask(0)
    found = Store(folder)
    if found.config["mbatchd_down"]:
        sys.stderr.write("LSF is down. Please wait ...\n")
        sys.stderr.write("Failed in an LSF library call: Communication time out.\n")
        return 255
    return answer(found, command, lambda: COMMANDS[command](found, arguments))
