"""Forms with a file, whole, cut at every place, and hostile."""

from __future__ import annotations

import io

import pytest
from urllib3.filepost import encode_multipart_formdata

from datastore import multipart
from ijp.errors import BadRequestError


def form(*parts: tuple[str, object]) -> tuple[bytes, str]:
    body, content_type = encode_multipart_formdata(list(parts), boundary="----b")
    return body, content_type


CONTENT = b"\r\n--x\r\n" * 60_000
FULL = form(("name", "a"), ("datasetId", "1"), ("file", ("f.nxs", CONTENT)))


def test_fields_and_content():
    made = multipart.read(io.BytesIO(FULL[0]), FULL[1])
    assert made.fields == {"name": "a", "datasetId": "1"}
    assert made.file_name == "f.nxs"
    assert b"".join(made.content) == CONTENT


def test_without_a_file_there_is_no_content():
    body, content_type = form(("name", "a"))
    made = multipart.read(io.BytesIO(body), content_type)
    assert (made.fields, made.content) == ({"name": "a"}, None)


def test_a_form_that_is_cut_off_is_an_error_wherever_it_ends():
    body, content_type = form(("name", "a"), ("file", ("f", b"0123456789" * 10)))

    def content_of(sent: bytes) -> bytes:
        return b"".join(multipart.read(io.BytesIO(sent), content_type).content or ())

    assert content_of(body) == b"0123456789" * 10
    # The two line ends after the last boundary carry nothing.
    for end in range(len(body) - 4):
        with pytest.raises(BadRequestError):
            content_of(body[:end])


@pytest.mark.parametrize("content_type", ["", "text/plain", "multipart/form-data"])
def test_another_kind_of_body_is_refused(content_type):
    with pytest.raises(BadRequestError, match="multipart/form-data"):
        multipart.read(io.BytesIO(b""), content_type)


def test_a_field_without_end_is_refused_before_it_fills_the_memory():
    body, content_type = form(("name", "a" * (1 << 20)), ("file", ("f", b"x")))
    with pytest.raises(BadRequestError, match="too long"):
        multipart.read(io.BytesIO(body), content_type)


def test_too_many_fields_are_refused():
    body, content_type = form(*((f"n{number}", "") for number in range(100)))
    with pytest.raises(BadRequestError, match="too many"):
        multipart.read(io.BytesIO(body), content_type)
