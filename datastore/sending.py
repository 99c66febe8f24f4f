"""Files on their way out: which bytes, and under which headers; single ranges of both forms."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, BinaryIO
from urllib.parse import quote

from flask import Response
from werkzeug.wsgi import wrap_file

from datastore import naming, ranges, zipping
from datastore.ranges import Part
from datastore.selection import SelectedDatafile
from datastore.storage import Storage
from ijp.errors import InternalError, NotAuthorizedError, NotFoundError

BLOCK_BYTES = 1 << 20
_LOOKED_FOR = 1000


@dataclass(frozen=True)
class Wanted:
    """What a download asks for beside the datafiles.

    Attributes:
        environ: Of the request, for the server's own way to send a file.
        name: File name asked for, or empty.
        range: The header, None without one.
        if_range: The header: the range counts only for that state of the content.
    """

    environ: Mapping[str, Any]
    name: str
    range: str | None
    if_range: str | None

    def part(self, tag: str, size: int | None) -> Part | None:
        """The part to send; None for everything."""
        is_same = self.if_range is None or self.if_range.strip() == f'"{tag}"'
        return ranges.wanted(self.range, size) if is_same else None


@dataclass(frozen=True)
class HandOver:
    """Who else may send a file.

    Attributes:
        accel_prefix: nginx's internal location of the storage's folder; empty for none. It is
            used for requests in which nginx says so: ``X-Sendfile-Type: X-Accel-Redirect``.
        direct: The storage itself, if it is a server.
    """

    accel_prefix: str = ""
    direct: bool = False


class Sender:
    """Makes the answers to downloads."""

    def __init__(
        self,
        storage: Storage,
        hand_over: HandOver | None = None,
        report: Callable[[SelectedDatafile], None] = lambda _: None,
    ) -> None:
        """Send from a storage; ``report`` is told of contents that are not what they should be."""
        self._storage = storage
        self._hand_over = hand_over or HandOver()
        self._report = report

    def size_of(self, datafile: SelectedDatafile) -> int:
        """Bytes in the storage.

        Raises:
            NotFoundError: There are none.
            DataNotOnlineError: They are damaged, and come back from the archive.
            NotAuthorizedError: The location was not made for this dataset.
            InternalError: The catalog has another size.
        """
        try:
            owner = self._storage.dataset_of(datafile.location)
            if owner != datafile.dataset_id:
                raise NotAuthorizedError(
                    f"the location of Datafile {datafile.id} does not belong to its dataset"
                )
            size = self._storage.size(datafile.location)
        except NotFoundError as error:
            self._report(datafile)
            raise NotFoundError(f"Datafile {datafile.id} has no content in the storage") from error
        if datafile.file_size not in (None, size):
            self._report(datafile)
            raise InternalError(
                f"Datafile {datafile.id} has {size} bytes in the storage, "
                f"{datafile.file_size} in the catalog"
            )
        return size

    def file(self, datafile: SelectedDatafile, wanted: Wanted) -> Response:
        """The answer with one file as it is."""
        size = self.size_of(datafile)
        if handed_over := self._handed_over(datafile, wanted):
            return handed_over
        tag = _tag([datafile.location, str(size)])
        part = wanted.part(tag, size) or Part(0, None)
        end = size if part.end is None else part.end
        file = self._storage.open(datafile.location)
        file.seek(part.start)
        if end == size:
            # The server may hand the file to the kernel, from here to its end.
            body = wrap_file(dict(wanted.environ), file, BLOCK_BYTES)
        else:
            body = _Bounded(file, end - part.start)
        answer = _answer(body, wanted.name or datafile.name, tag)
        answer.content_length = end - part.start
        if part.end is not None:
            answer.status_code = 206
            answer.headers["Content-Range"] = f"bytes {part.start}-{end - 1}/{size}"
        return answer

    def _handed_over(self, datafile: SelectedDatafile, wanted: Wanted) -> Response | None:
        """The answer by which another server sends the file, and its parts; None if none does."""
        name, prefix = wanted.name or datafile.name, self._hand_over.accel_prefix
        told = wanted.environ.get("HTTP_X_SENDFILE_TYPE", "")
        by_nginx = prefix and told == "X-Accel-Redirect"
        if by_nginx and (path := self._storage.served_path(datafile.location)):
            answer = Response(mimetype="application/octet-stream")
            answer.headers["Content-Disposition"] = naming.content_disposition(name)
            answer.headers["X-Accel-Redirect"] = prefix + quote(path)
            return answer
        if self._hand_over.direct and (url := self._storage.direct_url(datafile.location, name)):
            answer = Response(status=302)
            answer.headers["Location"] = url
            answer.headers["Cache-Control"] = "no-store"
            return answer
        return None

    def zip(
        self, datafiles: Sequence[SelectedDatafile], wanted: Wanted, *, compress: bool
    ) -> Response:
        """The answer with a zip of files, which is made while it is sent.

        Part of a compressed one has no Content-Range: its length is not known before.
        """
        entries = self._entries(datafiles)
        told = [(e.name, e.size, e.modified and e.modified.timestamp()) for e in entries]
        tag = _tag([json.dumps([compress, told, [one.location for one in datafiles]])])
        size = None if compress else zipping.length(entries)
        part = wanted.part(tag, size)
        body = zipping.gathered(zipping.stream(entries, compress=compress))
        if part is not None:
            body = zipping.skipped(body, part.start, part.end)
        answer = _answer(body, naming.zip_name(wanted.name, datetime.now(UTC)), tag)
        if part is not None and (part.start or part.end is not None):
            answer.status_code = 206
        if size is not None:
            end = size if part is None or part.end is None else part.end
            start = part.start if part else 0
            answer.content_length = end - start
            if part is not None:
                answer.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        return answer

    def _entries(self, datafiles: Sequence[SelectedDatafile]) -> list[zipping.Entry]:
        """One for each datafile, by name; a name that occurs again gets the datafile's id.

        Very many are not looked for in the storage before the first byte is sent: what is not
        there, or not as the catalog has it, then breaks the zip off.
        """
        are_few = len(datafiles) <= _LOOKED_FOR
        by_name: dict[str, zipping.Entry] = {}
        for one in sorted(datafiles, key=lambda one: (one.folder, one.name, one.id)):
            name = naming.entry_name(one.folder, one.name, one.id)
            if name in by_name:
                name = f"{name}-{one.id}"
            if are_few or one.file_size is None:
                size, opened = self.size_of(one), partial(self._storage.open, one.location)
            else:
                size, opened = one.file_size, partial(self._opened, one)
            by_name[name] = zipping.Entry(name, size, one.mod_time, opened)
        return list(by_name.values())

    def _opened(self, datafile: SelectedDatafile) -> BinaryIO:
        """A content that is as the catalog has it; where that is plain, it is only opened.

        Raises:
            PortalError: As ``size_of`` does.
        """
        try:
            if self._storage.dataset_of(datafile.location) == datafile.dataset_id:
                file = self._storage.open(datafile.location)
                if _size_on_disk(file) == datafile.file_size:
                    return file
                file.close()
        except NotFoundError:
            # It is said below what is wrong.
            pass
        self.size_of(datafile)
        return self._storage.open(datafile.location)


def _size_on_disk(file: BinaryIO) -> int | None:
    """Bytes of an open file; None if it is no file on the disk."""
    if isinstance(file, io.BufferedReader) and isinstance(file.raw, io.FileIO):
        return os.fstat(file.fileno()).st_size
    return None


def _answer(body: Any, name: str, tag: str) -> Response:
    answer = Response(body, mimetype="application/octet-stream", direct_passthrough=True)
    answer.headers["Content-Disposition"] = naming.content_disposition(name)
    answer.headers["Accept-Ranges"] = "bytes"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.set_etag(tag)
    return answer


def _tag(parts: Sequence[str]) -> str:
    """A strong entity tag: other bytes, other tag."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}:{part}".encode())
    return digest.hexdigest()[:32]


class _Bounded:
    """The next bytes of a file, up to a number of them."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file = file
        self._left = length

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block = self._file.read(min(BLOCK_BYTES, self._left))
        if not block:
            raise StopIteration
        self._left -= len(block)
        return block

    def close(self) -> None:
        self._file.close()
