"""A cluster for tests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from tests.peers.standin import store
from tests.peers.standin.cluster import StandIn
from tests.peers.torque.client import COMMANDS
from tests.peers.torque.store import Store


class Cluster(StandIn):
    """A stand-in of Torque 6.1.3.

    Attributes:
        accounting: The folder with the accounting files.
    """

    store: ClassVar[type[store.Store]] = Store
    names: ClassVar[Iterable[str]] = COMMANDS
    client: ClassVar[str] = "tests.peers.torque.client"
    runner: ClassVar[str] = "tests.peers.torque.mom"

    def __init__(self, folder: Path, **config: Any) -> None:
        super().__init__(folder, **config)
        self.accounting = folder / "accounting"
