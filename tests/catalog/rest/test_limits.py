"""What is too much is refused before it does harm."""

from __future__ import annotations

import tracemalloc

import pytest


@pytest.fixture
def app(app):
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = 1_000_000
    return app


def _refused(answer, status: int) -> None:
    assert (answer.status_code, answer.json["code"]) == (status, "BAD_PARAMETER")


def test_a_body_over_the_limit_is_refused(root):
    _refused(root.post("x" * 1_100_000), 413)


def test_a_log_in_is_short(rest):
    _refused(rest.http.post("/icat/session", data={"json": "x" * 70_000}), 413)


def test_a_form_of_a_million_fields_is_refused_without_taking_it_apart(root):
    tracemalloc.start()
    answer = root.call(
        "POST",
        "/entityManager",
        data=b"a&" * 490_000,
        content_type="application/x-www-form-urlencoded",
    )
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    _refused(answer, 400)
    assert most < 20_000_000


def test_a_multipart_form_is_limited_too(root):
    parts = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="a%d"\r\n\r\nv\r\n' % number
        for number in range(200)
    )
    answer = root.call(
        "POST",
        "/entityManager",
        data=parts + b"--x--\r\n",
        content_type="multipart/form-data; boundary=x",
    )
    _refused(answer, 413)


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data"])
def test_a_body_that_is_no_form_has_no_fields(root, kind):
    answer = root.call("POST", "/entityManager", data=b'{"entities": 5}', content_type=kind)
    assert (answer.status_code, answer.json["message"]) == (400, "entities is not set")


def test_bytes_that_are_no_text_do_no_harm(root):
    answer = root.call(
        "POST",
        "/entityManager",
        data=b"entities=%ff%fe&\xff=1",
        content_type="application/x-www-form-urlencoded",
    )
    _refused(answer, 400)
