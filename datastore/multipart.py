"""A form with one file, read as it arrives: the fields first, then the file's content."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData

from ijp.errors import BadRequestError

_BLOCK_BYTES = 256 << 10
_LONGEST_UNREAD_BYTES = 2 << 20
_LONGEST_FIELD_BYTES = 64 << 10
_MOST_PARTS = 50


class Readable(Protocol):
    """What a form is read from."""

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes; none at the end."""


@dataclass(frozen=True)
class Form:
    """Fields that stood before the file, and the file; without one ``content`` is None."""

    fields: dict[str, str]
    file_name: str
    content: Iterator[bytes] | None


def read(stream: Readable, content_type: str) -> Form:
    """Read a form up to its file.

    Raises:
        BadRequestError: It is no multipart form, or not a well-formed one. One that ends within
            the file is noticed when the content is read.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get("boundary", "")
    if kind != "multipart/form-data" or not boundary:
        raise BadRequestError("a form of type multipart/form-data is needed")
    decoder = MultipartDecoder(
        boundary.encode("latin-1", "replace"),
        max_form_memory_size=_LONGEST_UNREAD_BYTES,
        max_parts=_MOST_PARTS,
    )
    events = _events(decoder, stream)
    fields: dict[str, str] = {}
    for event in events:
        if isinstance(event, File):
            return Form(fields, event.filename, _content(events))
        if isinstance(event, Field):
            fields[event.name] = _text(events, event.name)
    return Form(fields, "", None)


def _events(decoder: MultipartDecoder, stream: Readable) -> Iterator[Event]:
    try:
        while True:
            event = decoder.next_event()
            if isinstance(event, NeedData):
                decoder.receive_data(stream.read(_BLOCK_BYTES) or None)
                continue
            yield event
            if isinstance(event, Epilogue):
                return
    except ValueError as error:
        raise BadRequestError("the form is cut off, or not well-formed") from error
    except RequestEntityTooLarge as error:
        raise BadRequestError("the form has too many or too long fields") from error


def _content(events: Iterator[Event]) -> Iterator[bytes]:
    """The parts of the file up to its end; the rest of the form is read and ignored."""
    in_file = True
    for event in events:
        if in_file and isinstance(event, Data):
            yield event.data
            in_file = event.more_data


def _text(events: Iterator[Event], name: str) -> str:
    pieces, size = [], 0
    for event in events:
        if not isinstance(event, Data):
            break
        size += len(event.data)
        if size > _LONGEST_FIELD_BYTES:
            raise BadRequestError(f"the field {name[:40]} is too long")
        pieces.append(event.data)
        if not event.more_data:
            break
    return b"".join(pieces).decode("utf-8", "replace")
