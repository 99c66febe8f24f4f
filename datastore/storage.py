"""Where the bytes are: the interface of a storage, registered by entry point ``ijp.storages``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Self


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What a storage may know of a dataset when it chooses a place in it."""

    id: int
    name: str
    investigation_id: int
    investigation_name: str
    visit_id: str
    facility_id: int
    facility_name: str


class Upload(ABC):
    """A file on its way into a storage; leaving the context without ``commit`` discards it."""

    @abstractmethod
    def write(self, block: bytes) -> None:
        """Add bytes.

        Raises:
            TooLargeError: There is no space left.
        """

    @abstractmethod
    def commit(self) -> None:
        """Make the file durable and visible at its location, as a whole.

        Raises:
            TooLargeError: There is no space left.
        """

    @abstractmethod
    def discard(self) -> None:
        """Leave nothing of a file that was not committed; after ``commit`` do nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()


class Storage(ABC):
    """A place for the content of datafiles.

    A location is text that the storage chose and the catalog keeps. It comes back from a catalog
    in which users write, so one that this storage cannot have chosen is refused.
    """

    @abstractmethod
    def __init__(self, settings: Mapping[str, Any], folder: Path) -> None:
        """Take the storage's own settings and the folder that is set for it."""

    @abstractmethod
    def new_location(self, dataset: DatasetInfo, name: str) -> str:
        """A location never given before, with nothing at it yet.

        Raises:
            BadRequestError: This storage cannot hold a file of that name.
        """

    @abstractmethod
    def upload(self, location: str) -> Upload:
        """Begin to fill a new location."""

    @abstractmethod
    def dataset_of(self, location: str) -> int:
        """The id of the dataset for which a location was chosen.

        Raises:
            NotFoundError: This storage has not chosen it.
        """

    @abstractmethod
    def open(self, location: str) -> BinaryIO:
        """The content, seekable, positioned at its start.

        Raises:
            NotFoundError: There is nothing at that location.
        """

    @abstractmethod
    def size(self, location: str) -> int:
        """Bytes of the content.

        Raises:
            NotFoundError: There is nothing at that location.
        """

    @abstractmethod
    def changed(self, location: str) -> datetime | None:
        """When the content, whole or unfinished, was last written; None if there is nothing."""

    @abstractmethod
    def delete(self, location: str) -> None:
        """Remove the content, whole or unfinished; nothing to remove is no error."""

    @abstractmethod
    def free_bytes(self) -> int | None:
        """Space left; None if it has no bound that this storage knows."""
