"""What an engine keeps of its jobs, and what of it survives a power cut."""

from __future__ import annotations

import json
import os

import pytest
from ulid import ULID

from batch.records import JobRecords, Submission


@pytest.fixture
def records(tmp_path):
    return JobRecords(tmp_path / "engine")


@pytest.fixture
def synced(monkeypatch):
    """What was brought to the disk."""
    found = []
    plain = os.fsync

    def fsync(descriptor):
        found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        plain(descriptor)

    monkeypatch.setattr("os.fsync", fsync)
    monkeypatch.setattr("batch.records._sync_file_system", lambda folder: found.append("all"))
    return found


def prepared(records, number, tag=None):
    marks = [str(ULID()) for _ in range(number)]
    for index, mark in enumerate(marks, start=1):
        submission = Submission(tag=tag or mark, index=index if tag else None)
        records.prepare(mark, submission, {"argv": ["true"]})
    return marks


def test_record_of_one_job_is_on_the_disk_with_the_folders_that_lead_to_it(records, synced):
    (mark,) = prepared(records, 1)
    assert synced == []
    records.make_durable([mark])
    place = records.job(mark)
    needed = [place / "submission.json", place, place.parent, records.run(mark) / "spec.json"]
    assert {str(one) for one in needed} <= set(synced)


def test_records_of_a_thousand_are_one_barrier(records, synced):
    marks = prepared(records, 1000, tag=str(ULID()))
    records.prepare_array("T" * 26, marks, "")
    records.make_durable(marks, "T" * 26)
    assert synced == ["all"]


def test_barrier_of_the_real_file_system_answers(records):
    records.make_durable(prepared(records, 10))


def test_submission_that_was_written_anew_is_seen_by_others(records, tmp_path):
    (mark,) = prepared(records, 1)
    other = JobRecords(tmp_path / "engine")
    assert other.submission(mark) == Submission(tag=mark)
    records.prepare(mark, Submission(tag="T" * 26, index=3), {})
    assert other.submission(mark) == Submission(tag="T" * 26, index=3)
    records.remove(mark)
    assert other.submission(mark) is None


@pytest.mark.parametrize("content", [b"", b"\0\0\0\0", b" \n"])
def test_id_that_a_power_cut_spoiled_is_none(records, content):
    (mark,) = prepared(records, 1)
    records.set_native_id(mark, "17")
    (records.job(mark) / "id").write_bytes(content)
    assert records.native_id(mark) is None


@pytest.mark.parametrize("content", ["", "[]", '{"tag"', "\0\0"])
def test_spoiled_submission_is_none(records, content):
    (mark,) = prepared(records, 1)
    (records.job(mark) / "submission.json").write_text(content)
    assert records.submission(mark) is None


def test_spec_that_is_changed_is_on_the_disk(records, synced):
    (mark,) = prepared(records, 1)
    records.replace_spec(mark, {"argv": ["false"]}, "")
    assert len(synced) == 1
    assert json.loads((records.run(mark) / "spec.json").read_text()) == {"argv": ["false"]}


@pytest.mark.parametrize("mark", ["../../../../../etc/passwd0", "short", ""])
def test_mark_that_is_none_leads_nowhere(records, mark):
    assert records.submission(mark) is None
    assert records.native_id(mark) is None
