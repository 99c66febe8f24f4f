"""What a job wrote, read in parts: never a whole file in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flask import Response

from portal.job_record import JobRecord
from portal.settings import PortalSettings

STREAMS = ("out", "err")
TAIL_BYTES = 64 * 1024


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
    raise NotImplementedError


def part(
    settings: PortalSettings,
    job: JobRecord,
    stream: str,
    *,
    start: int | None = None,
    limit: int = TAIL_BYTES,
) -> Part:
    """A part of an output from a byte on, or its end if ``start`` is None; text is whole lines
    where possible, and bytes that are not UTF-8 are replaced."""
    raise NotImplementedError


def send(settings: PortalSettings, job: JobRecord, stream: str) -> Response:
    """Answer with an output: text/plain, nosniff, ranges as the request asks."""
    raise NotImplementedError
