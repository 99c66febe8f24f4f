"""Reading OpenPBS's JSON, which is not always JSON."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.pbs.openpbs_json import read_jobs, read_nodes
from ijp.errors import EngineError

CAPTURES = Path(__file__).parents[1] / "captures" / "torque" / "openpbs"
ALL = (CAPTURES / "qstat-fF-json-all.json").read_text()


@pytest.mark.parametrize("path", sorted(CAPTURES.glob("qstat-*.json")))
def test_each_job_that_openpbs_printed_is_read(path):
    text = path.read_text()
    jobs = read_jobs(text)
    assert [job.id for job in jobs] == list(json.loads(text)["Jobs"])
    assert all(job.state in "BFHQRW" and job.name for job in jobs)


def test_how_a_finished_job_ended_is_read():
    job = read_jobs((CAPTURES / "qstat-xfF-json-F.json").read_text())[0]
    assert (job.state, job.attributes["Exit_status"]) == ("F", "3")
    assert job.attributes["resources_used.mem"] == "0kb"


def test_node_is_read():
    node = read_nodes((CAPTURES / "pbsnodes-aF-json.json").read_text())[0]
    assert (node.name, node.online, node.slots, node.slots_used) == ("head", True, 2, 2)
    assert (node.state, node.memory_bytes) == ("job-busy", 24684092 * 1024)


@pytest.mark.parametrize(
    ("written", "name"), [("1e5", "1e5"), ("NaN", "NaN"), ("007", None), ("12", "12")]
)
def test_name_that_is_printed_as_a_number_stays_a_name(written, name):
    jobs = read_jobs(ALL.replace('"Job_Name":\t"held"', f'"Job_Name":\t{written}'))
    assert [job.id for job in jobs] == ["8.head", "9.head", "10.head", "11[].head"]
    if name is None:
        assert jobs[0].state == ""
    else:
        assert jobs[0].name == name
    assert [job.state for job in jobs[1:]] == ["W", "Q", "B"]


@pytest.mark.parametrize("garbage", ['"', "\\", "\\x", '",', "{", "\x00", "\n"])
def test_record_that_is_no_json_spoils_no_other(garbage):
    spoiled = ALL.replace('"PBS_O_LANG":\t"C', f'"PBS_O_LANG":\t"{garbage}', 1)
    jobs = read_jobs(spoiled)
    assert [job.id for job in jobs] == ["8.head", "9.head", "10.head", "11[].head"]
    assert [job.state for job in jobs[1:]] == ["W", "Q", "B"]


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.99])
def test_half_an_answer_is_refused(part):
    with pytest.raises(EngineError, match="not all that qstat prints"):
        read_jobs(ALL[: int(len(ALL) * part)])


def test_no_jobs_are_no_jobs():
    assert read_jobs('{\n\t"timestamp":\t1,\n\t"pbs_server":\t"head"\n}\n') == []


@given(st.text())
def test_any_text_is_read_or_refused(text):
    for wrapped in (text, ALL.replace("held", text)):
        for read in (read_jobs, read_nodes):
            with contextlib.suppress(EngineError):
                read(wrapped)
