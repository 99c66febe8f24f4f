"""Reading Torque's XML: what a real one printed, and what a broken one might."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.pbs.torque_xml import read_jobs, read_nodes
from ijp.errors import EngineError

CAPTURES = Path(__file__).parents[1] / "captures" / "torque"
JOBS = sorted(CAPTURES.glob("qstat-*.xml"))
NODES = sorted(CAPTURES.glob("pbsnodes-*.xml"))
# The real qstat knows no XML for servers and queues, whatever it is asked.
TEXT_ALL_THE_SAME = {"qstat-Bfx.xml", "qstat-Qfx.xml"}
ALL = (CAPTURES / "qstat-fx.xml").read_text()


@pytest.mark.parametrize("path", [one for one in JOBS if one.name not in TEXT_ALL_THE_SAME])
def test_each_job_that_torque_printed_is_read(path):
    text = path.read_text()
    jobs = read_jobs(text)
    assert [job.id for job in jobs] == re.findall("<Job_Id>(.*?)</Job_Id>", text)
    assert all(job.state in "QRHWCSE" and job.state for job in jobs)
    assert all(job.name and job.attributes["Job_Owner"] == "tqalice@head" for job in jobs)


@pytest.mark.parametrize("name", sorted(TEXT_ALL_THE_SAME))
def test_text_instead_of_xml_is_refused(name):
    with pytest.raises(EngineError, match="not all that qstat prints"):
        read_jobs((CAPTURES / name).read_text())


def test_attributes_are_read_with_their_nested_names():
    running = read_jobs((CAPTURES / "qstat-fx-R.xml").read_text())[0]
    assert running.attributes["Resource_List.walltime"] == "00:20:00"
    assert running.attributes["Walltime.Remaining"] == "1195"
    assert running.attributes["exec_host"] == "node02/0-1"
    assert running.attributes["submit_args"].startswith("-N running -l nodes=node02:ppn=2")


def test_no_jobs_are_no_jobs():
    assert read_jobs((CAPTURES / "qstat-fx-empty.xml").read_text()) == []
    # An ordinary user who may not see the others gets the same, with exit code 0.
    assert read_jobs((CAPTURES / "qstat-fx-other-user.xml").read_text()) == []


@pytest.mark.parametrize("path", NODES)
def test_each_node_that_torque_printed_is_read(path):
    text = path.read_text()
    nodes = read_nodes(text)
    assert [node.name for node in nodes] == re.findall("<name>(.*?)</name>", text)
    assert {node.slots for node in nodes} <= {2, 4}
    assert all(node.memory_bytes == 24684092 * 1024 for node in nodes if node.state != "down")


def test_node_that_is_offline_and_full_is_told_with_its_note():
    partly, offline = read_nodes((CAPTURES / "pbsnodes-x-mixed.xml").read_text())
    assert (partly.online, partly.slots, partly.slots_used, partly.load) == (True, 4, 2, 0.17)
    assert (offline.online, offline.slots_used) == (False, 2)
    assert offline.state == "offline,job-exclusive"
    assert offline.reason == "disk & fan <broken>"
    assert offline.features == ("bigmem", "fast")


def test_node_that_is_down_is_not_online():
    nodes = read_nodes((CAPTURES / "pbsnodes-x-down.xml").read_text())
    assert [(node.name, node.online) for node in nodes] == [("node01", True), ("node02", False)]


@pytest.mark.parametrize(
    ("jobs", "slots"), [("0-1/240.h", 2), ("0/1.h,3/2.h", 2), ("0,2-3/7.h", 3), ("", 0), ("x", 0)]
)
def test_slots_in_use_are_counted(jobs, slots):
    text = f"<Data><Node><name>n</name><np>8</np><jobs>{jobs}</jobs></Node></Data>"
    assert read_nodes(text)[0].slots_used == slots


@pytest.mark.parametrize(
    "garbage",
    ["\x00", "\x01&<", "&undefined;", "<b>", "</Job>", "<Job>", "]]>", "&#0;", "\ud800", "<!--"],
)
def test_record_that_cannot_be_read_spoils_no_other(garbage):
    ids = [job.id for job in read_jobs(ALL)]
    place = ALL.index("<Job_Owner>", ALL.index(f"<Job_Id>{ids[2]}")) + len("<Job_Owner>")
    jobs = read_jobs(ALL[:place] + garbage + ALL[place:])
    assert [job.id for job in jobs] == ids
    assert [job.state for job in jobs if job.id != ids[2]] == [
        job.state for job in read_jobs(ALL) if job.id != ids[2]
    ]


def test_record_without_an_id_is_left_out():
    ids = [job.id for job in read_jobs(ALL)]
    spoiled = ALL.replace(f"<Job_Id>{ids[1]}</Job_Id>", "<Job_Id>; rm -rf /</Job_Id>")
    assert [job.id for job in read_jobs(spoiled)] == [one for one in ids if one != ids[1]]


@pytest.mark.parametrize("part", [0.0, 0.01, 0.3, 0.5, 0.9, 0.999])
def test_half_an_answer_is_refused(part):
    """Jobs that are missing in it must not count as gone."""
    with pytest.raises(EngineError, match="not all that qstat prints"):
        read_jobs(ALL[: int(len(ALL) * part)])


@pytest.mark.parametrize(
    "text", ["", "\n", "null", "<html>Proxy error</html>", "Data></Data>", "<Data>", "<Data/>"]
)
def test_what_is_not_xml_of_torque_is_refused(text):
    for read in (read_jobs, read_nodes):
        with pytest.raises(EngineError):
            read(text)


def test_entities_are_not_expanded():
    """Security: neither files nor a billion laughs."""
    record = "<Job><Job_Id>1.h</Job_Id><Job_Name>&x;</Job_Name><job_state>R</job_state></Job>"
    for declared in ('SYSTEM "file:///etc/passwd"', '"aaaaaaaaaa"'):
        doctype = f"<!DOCTYPE Data [<!ENTITY x {declared}>]>"
        with pytest.raises(EngineError):
            read_jobs(f'<?xml version="1.0"?>{doctype}<Data>{record}</Data>')
        for text in (f"<Data>{doctype}{record}</Data>", f"<Data>{record}</Data>"):
            assert [(job.id, job.state) for job in read_jobs(text)] == [("1.h", "")]


def test_very_deep_and_very_long_records_are_survived():
    deep = "<Job><Job_Id>1.h</Job_Id>" + "<a>" * 5000 + "</a>" * 5000 + "</Job>"
    long = f"<Job><Job_Id>2.h</Job_Id><Job_Name>{'x' * 20_000_000}</Job_Name></Job>"
    good = "<Job><Job_Id>3.h</Job_Id><job_state>Q</job_state></Job>"
    jobs = read_jobs(f"<Data>{deep}{long}{good}</Data>")
    assert [job.id for job in jobs] == ["1.h", "2.h", "3.h"]
    assert jobs[2].state == "Q"


@given(st.text())
def test_any_text_is_read_or_refused(text):
    for wrapped in (text, f"<Data><Job>{text}</Job></Data>", f"<Data><Node>{text}</Node></Data>"):
        for read in (read_jobs, read_nodes):
            with contextlib.suppress(EngineError):
                read(wrapped)
