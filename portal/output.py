"""What a job wrote, read in parts: never a whole file in memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from flask import Response, send_file

from ijp.errors import NotFoundError
from portal import job_folder
from portal.job_record import JobRecord
from portal.settings import PortalSettings

STREAMS = ("out", "err")
TAIL_BYTES = 64 * 1024
_FILES = {"out": job_folder.STDOUT, "err": job_folder.STDERR}


@dataclass(frozen=True)
class Part:
    """A part of an output as text.

    Attributes:
        start: Offset of its first byte.
        end: Offset after its last byte: where to go on reading.
        size: How much there is now.
    """

    text: str
    start: int
    end: int
    size: int


def path_of(settings: PortalSettings, job: JobRecord, stream: str) -> Path:
    """Where an output is; there is no file before the job has started.

    Raises:
        NotFoundError: No such stream.
    """
    if stream not in _FILES:
        raise NotFoundError(f"a job has the outputs out and err, not {stream[:20]!r}")
    return job_folder.of(settings.work_folder, job.mark) / _FILES[stream]


def part(
    settings: PortalSettings,
    job: JobRecord,
    stream: str,
    *,
    start: int | None = None,
    limit: int = TAIL_BYTES,
) -> Part:
    """A part of an output from a byte on, or its end if ``start`` is None.

    Text is not cut inside a character; what is not UTF-8 is replaced.
    """
    descriptor = _open(path_of(settings, job, stream))
    if descriptor is None:
        return Part("", 0, 0, 0)
    with os.fdopen(descriptor, "rb") as source:
        size = os.fstat(source.fileno()).st_size
        begin = max(0, size - limit) if start is None else min(max(start, 0), size)
        source.seek(begin)
        found = source.read(limit)
    skipped = _inside_character(found) if start is None and begin else 0
    whole = found[skipped : len(found) - _unfinished(found, more=begin + len(found) < size)]
    text = whole.decode("utf-8", errors="replace")
    return Part(text, begin + skipped, begin + skipped + len(whole), size)


def send(settings: PortalSettings, job: JobRecord, stream: str) -> Response:
    """Answer with an output: text/plain, nosniff, ranges as the request asks."""
    path = path_of(settings, job, stream)
    if _is_file(path):
        response = send_file(path, mimetype="text/plain", conditional=True, etag=False, max_age=0)
        response.headers["Accept-Ranges"] = "bytes"
    else:
        response = Response(b"", mimetype="text/plain")
    name = f"job-{job.id}.{stream}.txt"
    response.headers["Content-Disposition"] = f'inline; filename="{name}"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "private, no-store"
    return response


def send_tail(settings: PortalSettings, job: JobRecord, stream: str, limit: int) -> Response:
    """Answer as ``send``, with the last bytes only."""
    found = part(settings, job, stream, limit=min(limit, 16 * TAIL_BYTES))
    response = Response(found.text, mimetype="text/plain")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Output-Size"] = str(found.size)
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _open(path: Path) -> int | None:
    """The file, opened; None if there is none, or a job has put something else in its place."""
    if not _is_file(path):
        return None
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _inside_character(found: bytes) -> int:
    """How many bytes at the start belong to a character that began before."""
    count = 0
    while count < min(3, len(found)) and found[count] & 0xC0 == 0x80:
        count += 1
    return count


def _unfinished(found: bytes, *, more: bool) -> int:
    """How many bytes at the end begin a character whose rest is not there yet."""
    for back in range(1, min(4, len(found)) + 1):
        byte = found[-back]
        if byte & 0xC0 == 0xC0:
            needed = 2 + (byte >= 0xE0) + (byte >= 0xF0)
            return back if back < needed and (more or byte < 0xF8) else 0
        if byte < 0x80:
            return 0
    return 0
