"""The data service: any server that speaks the IDS interface."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Self
from urllib.parse import unquote

import requests
import urllib3

from ijp.errors import (
    BadRequestError,
    DataNotOnlineError,
    InternalError,
    NotAuthorizedError,
    NotFoundError,
    NotImplementedHereError,
    PortalError,
    TooLargeError,
    UnavailableError,
)
from ijp.transport import Transport, json_of
from ijp.tus import ResumableUpload

BLOCK_BYTES = 1 << 20
"""Size of the pieces in which data are read and sent; with a few of them in memory at a time."""

CRC32_HEADER = "X-Checksum-CRC32"
"""Request header of ``put``: the CRC-32 (hexadecimal) that the content must have to be kept."""

SHA256_HEADER = "X-Checksum-SHA256"
"""Request header of ``put``: the SHA-256 (hexadecimal) that the content must have to be kept."""

ATTEMPTS = 5
"""How often in a row a download goes on after its connection broke without a byte."""

Content = Path | IO[bytes] | Iterable[bytes]
Progress = Callable[[int], None]
"""Told the number of bytes of each piece that has been moved."""

_ERRORS: dict[str, type[PortalError]] = {
    "BadRequestException": BadRequestError,
    "DataNotOnlineException": DataNotOnlineError,
    "InsufficientPrivilegesException": NotAuthorizedError,
    "InsufficientStorageException": TooLargeError,
    "InternalException": InternalError,
    "NotFoundException": NotFoundError,
    "NotImplementedException": NotImplementedHereError,
    "NOT_IMPLEMENTED": NotImplementedHereError,
}


def _read_error(status: int, body: Mapping[str, Any]) -> PortalError:
    kind = _ERRORS.get(str(body.get("code")), InternalError)
    return kind(str(body.get("message") or f"the data service answered {status}"))


@dataclass(frozen=True)
class Selection:
    """What a call is about: all files of the investigations and datasets, and the datafiles."""

    investigation_ids: Sequence[int] = ()
    dataset_ids: Sequence[int] = ()
    datafile_ids: Sequence[int] = ()

    def wire(self) -> dict[str, str]:
        """The selection as the call's parameters; what is empty is left out."""
        ids = {
            "investigationIds": self.investigation_ids,
            "datasetIds": self.dataset_ids,
            "datafileIds": self.datafile_ids,
        }
        return {name: ",".join(map(str, some)) for name, some in ids.items() if some}


@dataclass(frozen=True)
class Stored:
    """A file that was stored and registered.

    Attributes:
        id: Of the new Datafile.
        checksum: CRC-32 of the content.
        size: Bytes.
    """

    id: int
    checksum: int
    location: str
    size: int


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
        self.name = _file_name(self.headers.get("Content-Disposition", ""))
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


class DatastoreClient:
    """A data service; what needs a session is in ``session(id)``."""

    def __init__(self, url: str, http: requests.Session | None = None) -> None:
        """Take the URL up to and with ``/ids``; nothing is called yet."""
        self._transport = Transport(url, _read_error, http)
        self._announced: Mapping[str, Any] | None = None
        self._is_two_level: bool | None = None

    @property
    def url(self) -> str:
        """The base URL."""
        return self._transport.url

    def ping(self) -> None:
        """Nothing, if this is a data service that answers.

        Raises:
            UnavailableError: Something else answered, or nothing.
        """
        if self._transport.call("GET", "/ping").text != "IdsOK":
            raise UnavailableError(f"{self.url} is not a data service")

    def version(self) -> str:
        """The version of the IDS interface, such as ``2.1.1``."""
        return str(self._properties()["version"])

    def takes_header(self) -> bool:
        """The service takes the session in a header, so that it need not be in URLs."""
        return self._properties().get("sessionHeader") is True

    def takes_pieces(self) -> bool:
        """The service takes uploads that can be resumed (see ``DatastoreSession.resumable``)."""
        return self._properties().get("tus") is True

    def _properties(self) -> Mapping[str, Any]:
        if self._announced is None:
            self._announced = dict(json_of(self._transport.call("GET", "/version")))
        return self._announced

    def is_two_level(self) -> bool:
        """There is an archive behind the storage, from which data may have to be restored."""
        if self._is_two_level is None:
            answer = self._transport.call("GET", "/isTwoLevel")
            self._is_two_level = answer.text.strip() == "true"
        return self._is_two_level

    def session(self, session_id: str) -> DatastoreSession:
        """The calls for one session of the catalog that the service belongs to."""
        return DatastoreSession(self, session_id)

    def call(self, method: str, path: str, session_id: str | None, **options: Any) -> Any:
        """Make a call, for a session if one is given, in a header where the service takes that."""
        if session_id is not None and self.takes_header():
            bearer = {"Authorization": f"Bearer {session_id}"}
            options["headers"] = {**(options.get("headers") or {}), **bearer}
        elif session_id is not None:
            place = "form" if method == "POST" else "params"
            options[place] = {"sessionId": session_id, **(options.get(place) or {})}
        return self._transport.call(method, path, **options)

    def is_prepared(self, prepared_id: str) -> bool:
        """Everything of a prepared selection can be downloaded now.

        Raises:
            NotFoundError: There is none of that id, or not any more.
        """
        answer = self.call("GET", "/isPrepared", None, params={"preparedId": prepared_id})
        return bool(answer.text.strip() == "true")

    def get_prepared(self, prepared_id: str, *, start: int = 0, name: str = "") -> Download:
        """Download a prepared selection; its id is all that is needed."""
        params = {"preparedId": prepared_id, **({"outname": name} if name else {})}
        return self._download(None, params, start)

    def prepared_url(self, prepared_id: str, name: str = "") -> str:
        """The address from which any program can download a prepared selection."""
        params = {"preparedId": prepared_id, **({"outname": name} if name else {})}
        return str(requests.Request("GET", f"{self.url}/getData", params=params).prepare().url)

    def _download(self, session_id: str | None, params: Mapping[str, str], start: int) -> Download:
        def ask(offset: int, tag: str | None) -> requests.Response:
            headers = {"Accept-Encoding": "identity"}
            if offset:
                headers["Range"] = f"bytes={offset}-"
            if offset and tag:
                headers["If-Range"] = tag
            answer: requests.Response = self.call(
                "GET",
                "/getData",
                session_id,
                params=params,
                headers=headers,
                stream=True,
                follow=True,
            )
            return answer

        return Download(ask, start)


class DatastoreSession:
    """What a logged-in user does with a data service."""

    def __init__(self, datastore: DatastoreClient, session_id: str) -> None:
        self.datastore = datastore
        self.session_id = session_id

    def _call(self, method: str, path: str, **options: Any) -> requests.Response:
        answer: requests.Response = self.datastore.call(method, path, self.session_id, **options)
        return answer

    def put(
        self,
        content: Content,
        *,
        name: str,
        dataset_id: int,
        datafile_format_id: int,
        description: str | None = None,
        doi: str | None = None,
        create_time: datetime | None = None,
        mod_time: datetime | None = None,
        checksum: int | None = None,
        progress: Progress | None = None,
    ) -> Stored:
        """Store a file and register it as a Datafile; memory does not grow with its size.

        Args:
            content: A file's path, an open file, or pieces of bytes.
            checksum: CRC-32 that the content must have; the service refuses another one.

        Raises:
            NotAuthorizedError: The user may not create datafiles there; nothing is stored.
            TooLargeError: There is no space for it; nothing is stored.
            InternalError: What arrived is not what was sent; it has been deleted again.
        """
        given = {
            "name": name,
            "datasetId": str(dataset_id),
            "datafileFormatId": str(datafile_format_id),
            "description": description,
            "doi": doi,
            "datafileCreateTime": _milliseconds(create_time),
            "datafileModTime": _milliseconds(mod_time),
        }
        headers = {"Content-Type": "application/octet-stream"}
        if checksum is not None:
            headers[CRC32_HEADER] = f"{checksum:08x}"
        body = Sent(content, progress)
        params = {key: value for key, value in given.items() if value is not None}
        found = json_of(self._call("PUT", "/put", params=params, body=body, headers=headers))
        stored = Stored(
            int(found["id"]), int(found["checksum"]), str(found["location"]), int(found["size"])
        )
        self._verify(stored, body)
        return stored

    def resumable(self, path: Path) -> ResumableUpload:
        """An upload of a file that can go on after an interruption."""
        return ResumableUpload(self.datastore._transport, self.session_id, path)

    def _verify(self, stored: Stored, sent: Sent) -> None:
        if (stored.checksum, stored.size) != (sent.checksum, sent.size):
            self.delete(Selection(datafile_ids=[stored.id]))
            raise InternalError(
                f"{stored.size} bytes with checksum {stored.checksum:x} arrived of {sent.size} "
                f"with checksum {sent.checksum:x}; the file has been deleted again"
            )

    def get_data(
        self,
        selection: Selection,
        *,
        start: int = 0,
        zip: bool = False,
        compress: bool = False,
        name: str = "",
    ) -> Download:
        """Download one datafile as it is, or anything else as a zip.

        Args:
            start: The first byte wanted, to go on with a download that was broken off.
            zip: Make a zip of a single datafile too.
            name: File name to propose instead of the datafile's.

        Raises:
            DataNotOnlineError: Not on disk now; it has been asked for.
        """
        params = {
            **selection.wire(),
            **_flags(zip, compress),
            **({"outname": name} if name else {}),
        }
        return self.datastore._download(self.session_id, params, start)

    def prepare(self, selection: Selection, *, zip: bool = False, compress: bool = False) -> str:
        """Make a selection downloadable without a session, for a while; gives its id."""
        form = {**selection.wire(), **_flags(zip, compress)}
        return self._call("POST", "/prepareData", form=form).text.strip()

    def status(self, selection: Selection) -> str:
        """``ONLINE``, ``RESTORING`` or ``ARCHIVED``."""
        return self._call("GET", "/getStatus", params=selection.wire()).text.strip()

    def archive(self, selection: Selection) -> None:
        """Have a selection leave the disk, as soon as the archive has all of it.

        Raises:
            NotImplementedHereError: There is no archive; so for ``restore``.
        """
        self._call("POST", "/archive", form=selection.wire())

    def restore(self, selection: Selection) -> None:
        """Have a selection come back from the archive; ``status`` tells when it is there."""
        self._call("POST", "/restore", form=selection.wire())

    def size(self, selection: Selection) -> int:
        """Bytes of all files of a selection."""
        return int(self._call("GET", "/getSize", params=selection.wire()).text)

    def datafile_ids(self, selection: Selection) -> list[int]:
        """Ids of the datafiles of a selection that have content."""
        answer = json_of(self._call("GET", "/getDatafileIds", params=selection.wire()))
        return [int(one) for one in answer["ids"]]

    def delete(self, selection: Selection) -> None:
        """Delete the datafiles of a selection and their content; the datasets stay."""
        self._call("DELETE", "/delete", params=selection.wire())


class Sent:
    """Content on its way, counted; it can be sent once only, so a repeated call cannot lose any."""

    def __init__(self, content: Content, progress: Progress | None) -> None:
        self._content = content
        self._progress = progress
        self._begun = False
        self.checksum = 0
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        if self._begun:
            raise UnavailableError("the connection broke during the upload")
        self._begun = True
        return self._blocks()

    def _blocks(self) -> Iterator[bytes]:
        for block in _pieces(self._content):
            if block:
                self.checksum = zlib.crc32(block, self.checksum)
                self.size += len(block)
                yield block
                if self._progress:
                    self._progress(len(block))


def _pieces(content: Content) -> Iterator[bytes]:
    if isinstance(content, Path):
        with content.open("rb") as file:
            yield from _pieces(file)
    elif hasattr(content, "read"):
        while block := content.read(BLOCK_BYTES):
            yield block
    else:
        yield from content


def _flags(zip: bool, compress: bool) -> dict[str, str]:
    flags = {"zip": zip, "compress": compress}
    return {name: "true" for name, wanted in flags.items() if wanted}


def _milliseconds(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return str(round(aware.timestamp() * 1000))


def _file_name(disposition: str) -> str:
    """The name in a Content-Disposition header, reduced to one that stays in its folder."""
    if found := re.search(r"filename\*=UTF-8''([^;\s]+)", disposition, re.IGNORECASE):
        name = unquote(found[1])
    elif found := re.search(r'filename="((?:[^"\\]|\\.)*)"', disposition):
        name = re.sub(r"\\(.)", r"\1", found[1])
    else:
        name = ""
    name = re.sub(r"[\x00-\x1f\x7f]", "", re.split(r"[/\\]", name)[-1])
    return name if name.strip(". ") else "download"
