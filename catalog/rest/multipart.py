"""Multipart forms of any size, one part after the other as it arrives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData

from ijp.errors import BadRequestError, PortalError, TooLargeError

_PIECE_BYTES = 2**16
_MOST_HEADER_BYTES = 2**18
_MOST_PARTS = 50


@dataclass(frozen=True)
class Part:
    """A part of a form; its body must be read before the next part.

    Attributes:
        is_file: It has a file name, be it empty.
    """

    name: str
    is_file: bool
    body: Iterator[bytes]

    def text(self, most: int) -> str:
        """All of it.

        Raises:
            TooLargeError: It is longer than ``most`` bytes.
            BadRequestError: It is not UTF-8.
        """
        found = b""
        for piece in self.body:
            found += piece
            if len(found) > most:
                raise TooLargeError(f"{self.name} is longer than {most} bytes")
        try:
            return found.decode()
        except UnicodeDecodeError as error:
            raise BadRequestError(f"{self.name} is not UTF-8") from error


def parts(stream: IO[bytes], boundary: str) -> Iterator[Part]:
    """The parts of a form, in their order.

    Raises:
        BadRequestError: It is no such form, or ends too early.
        TooLargeError: The head of a part is too long, or there are too many.
    """
    if not boundary:
        raise BadRequestError("a form of the type multipart/form-data with a boundary is needed")
    events = _events(stream, boundary)
    for event in events:
        if isinstance(event, Field | File):
            body = _body(events)
            yield Part(str(event.name or ""), isinstance(event, File), body)
            for _ in body:
                pass


def _body(events: Iterator[Event]) -> Iterator[bytes]:
    for event in events:
        if not isinstance(event, Data):
            return
        yield event.data
        if not event.more_data:
            return


def _events(stream: IO[bytes], boundary: str) -> Iterator[Event]:
    decoder = MultipartDecoder(
        boundary.encode("latin-1", "replace"), _MOST_HEADER_BYTES, max_parts=_MOST_PARTS
    )
    while True:
        try:
            event = decoder.next_event()
            if isinstance(event, NeedData):
                decoder.receive_data(_read(stream) or None)
                continue
        except RequestEntityTooLarge as error:
            raise TooLargeError("the form has parts that are too many or too long") from error
        except ValueError as error:
            raise BadRequestError(f"the form cannot be read: {error}") from error
        if isinstance(event, Epilogue):
            return
        yield event


def _read(stream: IO[bytes]) -> bytes:
    try:
        return stream.read(_PIECE_BYTES)
    except PortalError:
        raise
    except Exception as error:
        # Every server has exceptions of its own for this.
        raise BadRequestError("the upload broke off") from error
