"""Outputs are read in parts, however long they are (security 16)."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from flask import Flask

from ijp.errors import NotFoundError
from portal import job_folder, output
from portal.job_record import JobRecord
from portal.states import State

RECORD = JobRecord(
    id=1,
    public_id="01M7X92ZGHS5D2SFEE7ARRFA96",
    name="n",
    job_type="t",
    job_type_version="v",
    user_name="u",
    state=State.EXECUTING,
    reason="",
    submitted_at=datetime.now(UTC),
    command=(),
    arguments=(),
    options={},
)


@pytest.fixture
def settings(tmp_path):
    return SimpleNamespace(work_folder=tmp_path)


@pytest.fixture
def write(tmp_path):
    def write(content: bytes):
        folder = job_folder.of(tmp_path, RECORD.public_id)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "out").write_bytes(content)
        return folder / "out"

    return write


def test_job_that_has_not_started_has_written_nothing(settings):
    assert output.part(settings, RECORD, "out") == output.Part("", 0, 0, 0)


def test_unknown_stream_is_refused(settings):
    with pytest.raises(NotFoundError):
        output.part(settings, RECORD, "../../secrets")


def test_text_is_given_in_parts_that_join(settings, write):
    content = "\u00e9\u4e16\U0001f600 plain\n" * 50
    write(content.encode())
    found, at = "", 0
    while True:
        part = output.part(settings, RECORD, "out", start=at, limit=7)
        if part.end == part.start:
            break
        found, at = found + part.text, part.end
    assert found == content


def test_tail_begins_with_a_whole_character(settings, write):
    write(("x" * 10 + "\u4e16" * 10).encode())
    part = output.part(settings, RECORD, "out", limit=7)
    assert (part.text, part.end, part.size) == ("\u4e16\u4e16", 40, 40)


def test_what_is_no_text_is_replaced_and_does_not_stop(settings, write):
    write(b"a\xff\xfeb\x80")
    assert output.part(settings, RECORD, "out").text == "a\ufffd\ufffdb\ufffd"


def test_beginning_of_a_character_waits_for_its_end_while_the_output_grows(settings, write):
    whole = "a\u4e16".encode()
    path = write(whole[:-1])
    assert output.part(settings, RECORD, "out", start=0).text == "a"
    path.write_bytes(whole)
    assert output.part(settings, RECORD, "out", start=1).text == "\u4e16"


def test_link_in_the_place_of_an_output_is_not_followed(settings, write, tmp_path):
    """Security 7."""
    path = write(b"")
    path.unlink()
    (tmp_path / "secret").write_text("secret")
    path.symlink_to(tmp_path / "secret")
    assert output.part(settings, RECORD, "out").text == ""
    with Flask("x").test_request_context():
        assert output.send(settings, RECORD, "out").data == b""


def test_ranges_are_answered(settings, write):
    write(b"0123456789")
    app = Flask("x")
    with app.test_request_context(headers={"Range": "bytes=4-6"}):
        response = output.send(settings, RECORD, "out")
        response.direct_passthrough = False
        assert (response.status_code, response.data) == (206, b"456")
        response.close()


def test_long_output_takes_little_memory(settings, write):
    path = write(b"")
    with path.open("wb") as target:
        target.truncate(1 << 30)
    tracemalloc.start()
    part = output.part(settings, RECORD, "out")
    with Flask("x").test_request_context():
        response = output.send(settings, RECORD, "out")
        sent = sum(len(block) for _, block in zip(range(64), response.response, strict=False))
        response.close()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert part.size == 1 << 30
    assert sent > 0
    assert peak < 8 << 20
