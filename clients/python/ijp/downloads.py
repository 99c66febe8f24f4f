"""Bytes that come from the data service, also over connections that break."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Self
from urllib.parse import unquote

import requests
import urllib3

from ijp.content import BLOCK_BYTES, Progress
from ijp.errors import BadRequestError, UnavailableError

ATTEMPTS = 5
"""How often in a row a download goes on after its connection broke without a byte."""


class Download:
    """Bytes that come from the data service; to be closed, best by ``with``.

    Attributes:
        name: File name that the service proposes, without any folder.
        size: Bytes still to come at the start; None if the service cannot say.
        headers: Of the service's answer.
    """

    def __init__(self, ask: Callable[[int, str | None], requests.Response], start: int) -> None:
        """Begin at an offset; ``ask`` makes the call for an offset and an entity tag."""
        self._ask = ask
        self._at = start
        self._response = ask(start, None)
        if start and self._response.status_code != 206:
            self._response.close()
            raise BadRequestError(f"the data service cannot send from byte {start} on")
        self.headers: Mapping[str, str] = self._response.headers
        self.name = file_name(self.headers.get("Content-Disposition", ""))
        length = self.headers.get("Content-Length")
        self.size = int(length) if length is not None else None
        self._end = None if self.size is None else start + self.size

    @property
    def offset(self) -> int:
        """Where the next byte stands in the whole."""
        return self._at

    def blocks(self) -> Iterator[bytes]:
        """The content in pieces; goes on from where it was when the connection breaks.

        Raises:
            UnavailableError: It broke and could not be taken up again.
        """
        failures = 0
        while True:
            begun = self._at
            try:
                yield from self._received()
                if self._end is None or self._at >= self._end:
                    return
                cause: Exception | None = None
            except (urllib3.exceptions.HTTPError, OSError) as error:
                cause = error
            failures = failures + 1 if self._at == begun else 1
            self._resume(failures, cause)

    def _received(self) -> Iterator[bytes]:
        # Not read(): what arrived of a block before the connection broke would be lost.
        while block := self._response.raw.read1(BLOCK_BYTES):
            self._at += len(block)
            yield block

    def _resume(self, failures: int, cause: Exception | None) -> None:
        self._response.close()
        tag = self.headers.get("ETag")
        if failures >= ATTEMPTS or tag is None:
            raise UnavailableError(f"the download broke off after {self._at} bytes") from cause
        self._response = self._ask(self._at, tag)
        if self._at and self._response.status_code != 206:
            raise UnavailableError(f"the content changed after {self._at} bytes") from cause

    def save(self, path: Path, progress: Progress | None = None) -> int:
        """Write the content to a file, which appears under its name only when it is whole.

        Returns:
            The number of bytes written.
        """
        part = path.with_name(f".{path.name}.part")
        written = 0
        try:
            with part.open("wb") as target:
                for block in self.blocks():
                    written += target.write(block)
                    if progress:
                        progress(len(block))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return written

    def close(self) -> None:
        """Give the connection back."""
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def file_name(disposition: str) -> str:
    """The name in a Content-Disposition header, reduced to one that stays in its folder."""
    if found := re.search(r"filename\*=UTF-8''([^;\s]+)", disposition, re.IGNORECASE):
        name = unquote(found[1])
    elif found := re.search(r'filename="((?:[^"\\]|\\.)*)"', disposition):
        name = re.sub(r"\\(.)", r"\1", found[1])
    else:
        name = ""
    name = re.sub(r"[\x00-\x1f\x7f]", "", re.split(r"[/\\]", name)[-1])
    return name if name.strip(". ") else "download"
