"""Where the bytes are: the interface of a storage, registered by entry point ``ijp.storages``."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Self

from datastore.digests import blocks_of
from ijp.errors import NotImplementedHereError

AT_ONCE = 8
"""How many of many files are stored side by side."""

_BLOCK_BYTES = 1 << 20


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


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that a storage has."""

    location: str
    size: int


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

    def keep_many(self, files: Mapping[str, bytes]) -> None:
        """Fill new locations, all of them durable when this gives back.

        Raises:
            TooLargeError: There is no space left; some of the files may be there.
        """
        with ThreadPoolExecutor(AT_ONCE, "many") as pool:
            for _ in pool.map(self._keep, files, files.values()):
                pass

    def _keep(self, location: str, content: bytes) -> None:
        with self.upload(location) as upload:
            upload.write(content)
            upload.commit()

    def take_in(self, path: Path, location: str) -> None:
        """Make a file of this host the content at a new location; the file is gone after.

        Raises:
            TooLargeError: There is no space left; the file is as it was.
        """
        with self.upload(location) as upload:
            with path.open("rb") as file:
                for block in blocks_of(file):
                    upload.write(block)
            upload.commit()
        path.unlink()

    def served_path(self, location: str) -> str | None:
        """Where the content is below the storage's folder, as it is; None if it is not there.

        With it another server that has this folder can send the content.
        """
        return None

    def direct_url(self, location: str, name: str) -> str | None:
        """An address from which anybody can load the content for a while, under that file name.

        None if this storage is no server of its own.
        """
        return None

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

    def restore(self, location: str, content: BinaryIO) -> None:
        """Bring a content back to its location, durable and as a whole.

        What is there of it, whole or unfinished, is replaced. The content is read to its end.
        """
        self.delete(location)
        with self.upload(location) as upload:
            while block := content.read(_BLOCK_BYTES):
                upload.write(block)
            upload.commit()

    def kept(self) -> Iterator[Kept]:
        """All whole files, in any order; needed only where an archive is behind the storage.

        Raises:
            NotImplementedHereError: This storage cannot tell.
        """
        raise NotImplementedHereError("this storage cannot tell what it has")


class Archive(ABC):
    """A second place for content, behind a ``Storage``: larger, and perhaps slow.

    Registered by entry point ``ijp.archives``. A key is a dataset's id, under which a zip is
    kept, or the location of a file. Every call may be repeated after a crash; the service sees to
    it that no two at a time are about one key.
    """

    @abstractmethod
    def __init__(self, settings: Mapping[str, Any], folder: Path) -> None:
        """Take the archive's own settings and the folder that is set for it."""

    @abstractmethod
    def put(self, key: str, content: BinaryIO) -> None:
        """Keep a content, which is an open file, in place of what was there under its key.

        When this gives back it is durable. Until then what was there before stays.

        Raises:
            TooLargeError: There is no space left.
            InternalError: It could not be kept.
        """

    @abstractmethod
    def recall(self, keys: Sequence[str]) -> dict[str, str]:
        """Get ready to open several: told at once, so that a tape is mounted once for all.

        Returns:
            Why one cannot be opened, by key; what is not in it can.
        """

    @abstractmethod
    def open(self, key: str) -> BinaryIO:
        """The content, seekable, positioned at its start.

        Raises:
            NotFoundError: There is nothing under that key.
            InternalError: It cannot be read.
        """

    @abstractmethod
    def size(self, key: str) -> int | None:
        """Bytes of the content, as far as is known without reading it; None if there is none."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove the content; nothing to remove is no error."""


KEY = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,100}(/(?!\.)[A-Za-z0-9._-]{1,100}){0,9}")
"""What a key looks like; others are refused, so that none leads out of an archive's folder."""
