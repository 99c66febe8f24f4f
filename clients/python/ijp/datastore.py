"""The data service: any server that speaks the IDS interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from ijp.content import BLOCK_BYTES, Content, Progress, Sent
from ijp.downloads import ATTEMPTS, Download
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

__all__ = [
    "ATTEMPTS",
    "BLOCK_BYTES",
    "CRC32_HEADER",
    "FILES_HEADER",
    "ONLINE_HEADER",
    "SHA256_HEADER",
    "Content",
    "DatastoreClient",
    "DatastoreSession",
    "Download",
    "Progress",
    "Readiness",
    "Selection",
    "Sent",
    "Stored",
]

CRC32_HEADER = "X-Checksum-CRC32"
"""Request header of ``put``: the CRC-32 (hexadecimal) that the content must have to be kept."""

SHA256_HEADER = "X-Checksum-SHA256"
"""Request header of ``put``: the SHA-256 (hexadecimal) that the content must have to be kept."""

FILES_HEADER, ONLINE_HEADER = "X-Files", "X-Files-Online"
"""Headers of the answer to ``isPrepared``: how many files it is about, and how many are online."""

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


@dataclass(frozen=True)
class Readiness:
    """Whether a prepared selection can be downloaded now.

    Attributes:
        online, files: How many of how many files are on disk; None if the service does not say.
    """

    is_ready: bool
    online: int | None = None
    files: int | None = None


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
        return self.readiness(prepared_id).is_ready

    def readiness(self, prepared_id: str) -> Readiness:
        """As ``is_prepared``, with how much of it is there."""
        answer = self.call("GET", "/isPrepared", None, params={"preparedId": prepared_id})
        return Readiness(
            answer.text.strip() == "true",
            _count(answer.headers.get(ONLINE_HEADER)),
            _count(answer.headers.get(FILES_HEADER)),
        )

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


def _flags(zip: bool, compress: bool) -> dict[str, str]:
    flags = {"zip": zip, "compress": compress}
    return {name: "true" for name, wanted in flags.items() if wanted}


def _count(told: str | None) -> int | None:
    return int(told) if told and told.isascii() and told.isdigit() else None


def _milliseconds(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return str(round(aware.timestamp() * 1000))
