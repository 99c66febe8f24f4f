"""Uploads in pieces by the tus protocol: they go on where they were, also in another process."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import sleep
from typing import IO
from urllib.parse import urljoin, urlsplit

import requests

from ijp.errors import BadRequestError, InternalError, NotFoundError, PortalError, UnavailableError
from ijp.transport import Transport

VERSION = "1.0.0"
BLOCK_BYTES = 1 << 20
ATTEMPTS = 6
"""How often in a row an upload goes on after its connection broke without a byte."""

_FIRST_PAUSE_SECONDS = 0.5
Progress = Callable[[int], None]


def metadata_header(told: Mapping[str, str]) -> str:
    """The header Upload-Metadata: pairs of a key and base64, between commas."""
    return ",".join(
        f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in told.items()
    )


def metadata_of(header: str) -> dict[str, str]:
    """What ``metadata_header`` made of it.

    Raises:
        BadRequestError: It is not in that form, or has a key twice.
    """
    found: dict[str, str] = {}
    for pair in header.split(",") if header.strip() else []:
        key, _, encoded = pair.strip().partition(" ")
        if not key or key in found:
            raise BadRequestError(f"Upload-Metadata has an empty key, or {key[:40]!r} twice")
        try:
            found[key] = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            raise BadRequestError(f"Upload-Metadata: {key[:40]} is not base64 of UTF-8") from None
    return found


class ResumableUpload:
    """One file on its way to a data service.

    Attributes:
        address: Of the upload at the service, by which another process can go on; None before
            ``begin``.
    """

    def __init__(self, transport: Transport, session_id: str, path: Path) -> None:
        self._transport = transport
        self._session_id = session_id
        self._path = path
        self._size = path.stat().st_size
        self._sent = _Checksum()
        self.address: str | None = None

    def begin(self, told: Mapping[str, str]) -> str:
        """Tell the service of the file; gives the address.

        Raises:
            PortalError: It refuses the file.
        """
        headers = {"Upload-Length": str(self._size), "Upload-Metadata": metadata_header(told)}
        answer = self._call("POST", "/tus", headers)
        self.address = urljoin(self._transport.url + "/tus", answer.headers["Location"])
        return self.address

    def go_on(self, address: str) -> int:
        """Take up what was begun before; gives how many bytes are there.

        Raises:
            NotFoundError: The service has no such upload of this file, or not any more.
        """
        self.address = address
        answer = self._call("HEAD", self._below(), {})
        if answer.headers.get("Upload-Length") != str(self._size):
            raise NotFoundError("the upload that was begun is of another file")
        return int(answer.headers["Upload-Offset"])

    def send(self, progress: Progress | None = None) -> tuple[int, int]:
        """Send what is not there yet; gives the Datafile's id and the content's CRC-32.

        Goes on by itself when the connection breaks.

        Raises:
            UnavailableError: It broke too often; what has arrived stays for a while.
            InternalError: What arrived is not what was sent.
        """
        failures, reached, shown = 0, -1, _Shown(progress)
        while True:
            try:
                answer = self._call("HEAD", self._below(), {})
                offset = int(answer.headers["Upload-Offset"])
                failures = 0 if offset > reached else failures
                reached = offset
                shown.at(offset)
                if offset < self._size:
                    answer = self._patch(offset, shown)
                return self._arrived(answer)
            except UnavailableError:
                failures += 1
                if failures >= ATTEMPTS:
                    raise
                sleep(_FIRST_PAUSE_SECONDS * 2 ** (failures - 1))

    def _patch(self, offset: int, shown: _Shown) -> requests.Response:
        with self._path.open("rb") as file:
            file.seek(offset)
            body = _Rest(file, offset, self._size, shown, self._sent)
            headers = {
                "Upload-Offset": str(offset),
                "Content-Type": "application/offset+octet-stream",
            }
            return self._call("PATCH", self._below(), headers, body)

    def _arrived(self, answer: requests.Response) -> tuple[int, int]:
        theirs, ours = answer.headers.get("X-Checksum-CRC32", ""), self._sent.of_all(self._path)
        id = int(answer.headers["X-Datafile-Id"])
        if theirs and int(theirs, 16) != ours:
            raise InternalError(
                f"{self._path.name} arrived with the CRC-32 {theirs}, but has {ours:08x}; "
                f"delete datafile {id}"
            )
        return id, ours

    def _below(self) -> str:
        """The address as a path below the service's own."""
        base, own = urlsplit(self._transport.url), urlsplit(str(self.address))
        if not own.path.startswith(base.path + "/"):
            raise InternalError(f"the data service put the upload at {own.path}")
        return own.path[len(base.path) :]

    def _call(
        self, method: str, path: str, headers: Mapping[str, str], body: _Rest | None = None
    ) -> requests.Response:
        own = {"Tus-Resumable": VERSION, "Authorization": f"Bearer {self._session_id}"}
        try:
            return self._transport.call(
                method, path, headers={**own, **headers}, body=body, read_timeout_seconds=600
            )
        except PortalError as error:
            if method == "HEAD" and type(error) is InternalError:
                # An answer without a body has no words; asking again may help.
                raise UnavailableError(error.message) from error
            raise


class _Shown:
    """How far a progress bar is; what is sent again after an interruption does not move it."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._at = 0

    def at(self, offset: int) -> None:
        if self._progress and offset > self._at:
            self._progress(offset - self._at)
        self._at = max(self._at, offset)


class _Rest:
    """What is left of a file, of known length, read in blocks."""

    def __init__(
        self, file: IO[bytes], start: int, end: int, shown: _Shown, checksum: _Checksum
    ) -> None:
        self._file = file
        self._checksum = checksum
        self._at = start
        self._end = end
        self._length = end - start
        self._shown = shown

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        while block := self.read():
            yield block

    def read(self, _: int = -1) -> bytes:
        """A whole block, however little the HTTP library asks for."""
        self._shown.at(self._at)
        block = self._file.read(min(BLOCK_BYTES, self._end - self._at))
        self._checksum.add(self._at, block)
        self._at += len(block)
        return block


class _Checksum:
    """The CRC-32 of a file, of as much of it as passes in its order; the rest is read."""

    def __init__(self) -> None:
        self._crc = self._at = 0

    def add(self, offset: int, block: bytes) -> None:
        if offset <= self._at < offset + len(block):
            self._crc = zlib.crc32(memoryview(block)[self._at - offset :], self._crc)
            self._at = offset + len(block)

    def of_all(self, path: Path) -> int:
        with path.open("rb") as file:
            file.seek(self._at)
            while block := file.read(BLOCK_BYTES):
                self.add(self._at, block)
        return self._crc
