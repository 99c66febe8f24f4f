"""An archive in a folder of a disk: each content as it is, a clone or link where that is possible.

On one file system with the main storage, a file in the archive costs no space beside the one in
the main storage; but then the disk is lost with both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from datastore.storage import KEY, Archive
from datastore.storages.placing import part_of, place, remove_empty
from ijp.errors import InternalError, NotFoundError, UnavailableError

_SUFFIX = ".kept"
"""Of the files, so that none has the name of a folder: one key may begin as another one does."""


class LocalArchive(Archive):
    """Files in one folder.

    Its setting ``hard_links`` (true unless set) allows them where the file system cannot clone.
    """

    def __init__(self, settings: Mapping[str, Any], folder: Path) -> None:
        if unknown := settings.keys() - {"hard_links"}:
            raise ValueError(f"the local archive has no settings {', '.join(sorted(unknown))}")
        if not isinstance(links := settings.get("hard_links", True), bool):
            raise ValueError(f"hard_links of the local archive is true or false, not {links!r}")
        self._links = links
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def put(self, key: str, content: BinaryIO) -> None:
        place(content, self._path(key), self._folder, link=self._links)

    def recall(self, keys: Sequence[str]) -> dict[str, str]:
        return {key: "the archive has nothing of it" for key in keys if self.size(key) is None}

    def open(self, key: str) -> BinaryIO:
        try:
            return self._path(key).open("rb")
        except FileNotFoundError as error:
            raise NotFoundError(f"the archive has nothing under {key}") from error
        except OSError as error:
            raise InternalError(f"{key} cannot be read in the archive") from error

    def size(self, key: str) -> int | None:
        try:
            return self._path(key).stat().st_size
        except FileNotFoundError:
            return None

    def delete(self, key: str) -> None:
        path = self._path(key)
        for one in (path, part_of(path)):
            one.unlink(missing_ok=True)
        remove_empty(path.parent, self._folder)

    def _path(self, key: str) -> Path:
        if not KEY.fullmatch(key):
            raise NotFoundError(f"{key[:80]!r} is not a key of an archive")
        if not self._folder.is_dir():
            # Making it would hide that the disk is not mounted.
            raise UnavailableError(f"the archive's folder {self._folder} is not there")
        return self._folder / f"{key}{_SUFFIX}"
