"""Uploads that have begun and not ended, for the next command."""

from __future__ import annotations

import json
import os
from pathlib import Path

_FILE = "uploads.json"
_MOST = 1000


class Begun:
    """The addresses of uploads by what they are of; only the user can read them."""

    def __init__(self, folder: Path, portal_url: str) -> None:
        self._path = folder / _FILE
        self._portal_url = portal_url

    def key(self, dataset_id: int, name: str, path: Path) -> str:
        """What an upload is of: another content has another time or size."""
        found = path.stat()
        place = [self._portal_url, dataset_id, name, str(path.resolve())]
        return json.dumps([*place, found.st_size, found.st_mtime_ns])

    def address(self, key: str) -> str | None:
        """Where the upload is; None if there is none."""
        return self._read().get(key)

    def keep(self, key: str, address: str) -> None:
        """Remember an upload; the oldest are forgotten when there are very many."""
        kept = {**self._read(), key: address}
        self._write(dict(list(kept.items())[-_MOST:]))

    def forget(self, key: str) -> None:
        """It has ended, or is not there any more."""
        kept = self._read()
        if kept.pop(key, None) is not None:
            self._write(kept)

    def is_any_of(self, dataset_id: int) -> bool:
        """Something has begun to go into a dataset."""
        place = [self._portal_url, dataset_id]
        return any(json.loads(key)[:2] == place for key in self._read())

    def _read(self) -> dict[str, str]:
        try:
            return dict(json.loads(self._path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}

    def _write(self, kept: dict[str, str]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self._path.with_suffix(f".{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(kept, stream)
        fresh.replace(self._path)
