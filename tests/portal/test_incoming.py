from __future__ import annotations

import io

import pytest
from flask import Flask

from ijp.errors import BadRequestError
from portal.incoming import Incoming


def _context(body: bytes, announced: int | None):
    environ = {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True}
    if announced is not None:
        environ["CONTENT_LENGTH"] = str(announced)
    return Flask("x").test_request_context(method="PUT", environ_overrides=environ)


def test_a_whole_body_is_read_to_its_end():
    with _context(b"abcdef", 6):
        incoming = Incoming("a.png")
        assert [incoming.read(4), incoming.read(4), incoming.read(4)] == [b"abcd", b"ef", b""]


def test_a_body_that_is_cut_off_is_told_by_name():
    """Bad input: an upload cut off halfway."""
    with _context(b"abc", 6):
        incoming = Incoming("a.png")
        assert incoming.read(4) == b"abc"
        with pytest.raises(BadRequestError, match=r"a\.png did not arrive whole"):
            incoming.read(4)


def test_without_a_length_the_end_is_the_end():
    with _context(b"abc", None):
        incoming = Incoming("a.png")
        assert [incoming.read(4), incoming.read(4)] == [b"abc", b""]
