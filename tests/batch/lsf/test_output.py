"""Reading what LSF's commands print; the texts are such as its users and its manual show."""

from __future__ import annotations

import json

import pytest

from batch.engine import EngineState
from batch.lsf.output import read_bhist, read_bhosts, read_bjobs, read_bjobs_text
from ijp.errors import EngineError

MARK = "01JBQ6Z9M3X5T7V9W1Y3A5C7E9"

BJOBS = f"""{{
  "COMMAND":"bjobs",
  "JOBS":3,
  "RECORDS":[
    {{
      "JOBID":"22005",
      "STAT":"EXIT",
      "EXIT_CODE":"130",
      "EXIT_REASON":"TERM_OWNER: job killed by owner",
      "PEND_REASON":"",
      "EXEC_HOST":"tbi-cn019:tbi-cn019",
      "JOB_NAME":"a.{MARK}"
    }},
    {{
      "JOBID":"22006",
      "STAT":"RUN",
      "EXIT_CODE":"",
      "EXIT_REASON":"",
      "PEND_REASON":"",
      "EXEC_HOST":"4*tbi-cn020:2*tbi-cn021",
      "JOB_NAME":"\\/bin\\/true \\"DONE\\""
    }},
    {{
      "JOBID":"13",
      "ERROR":"Job <13> is not found"
    }}
  ]
}}
"""


def records(*changes):
    """A listing; each job is what is otherwise than in an ordinary running one."""
    usual = {"JOBID": "7", "STAT": "RUN", "EXEC_HOST": "n1", "JOB_NAME": f"a.{MARK}"}
    jobs = [{**usual, **change} for change in changes]
    return json.dumps({"COMMAND": "bjobs", "JOBS": len(jobs), "RECORDS": jobs})


def test_listing_is_read():
    jobs = read_bjobs(BJOBS)
    assert set(jobs) == {"22005", "22006"}
    killed, runs = jobs["22005"], jobs["22006"]
    assert (killed.tag, killed.status.state) == (MARK, EngineState.ENDED)
    assert (killed.status.reason, killed.status.node) == ("cancelled", "tbi-cn019")
    assert (runs.tag, runs.status.state) == ("", EngineState.RUNNING)
    assert runs.status.node == "tbi-cn020"


@pytest.mark.parametrize(
    ("stat", "expected"),
    [
        ("PEND", EngineState.QUEUED),
        ("WAIT", EngineState.QUEUED),
        ("PSUSP", EngineState.HELD),
        ("USUSP", EngineState.SUSPENDED),
        ("SSUSP", EngineState.SUSPENDED),
        ("DONE", EngineState.ENDED),
        ("UNKWN", EngineState.UNKNOWN),
        ("ZOMBI", EngineState.UNKNOWN),
        ("", EngineState.UNKNOWN),
    ],
)
def test_states_are_translated(stat, expected):
    assert read_bjobs(records({"STAT": stat}))["7"].status.state is expected


@pytest.mark.parametrize(
    ("code", "why", "expected"),
    [
        ("3", "", (3, None, "")),
        ("139", "", (None, 11, "")),
        ("", "TERM_ADMIN: job killed by root or LSF administrator", (None, None, "cancelled")),
        (
            "140",
            "TERM_RUNLIMIT: job killed after reaching LSF run time limit",
            (None, 12, "wall time limit of the batch system"),
        ),
        ("1", "TERM_UNKNOWN: LSF cannot determine a termination reason", (1, None, "")),
        ("1", "TERM_NEW: the moon is full", (1, None, "the moon is full")),
        ("many", "", (None, None, "")),
    ],
)
def test_ends_are_translated(code, why, expected):
    record = {"STAT": "EXIT", "EXIT_CODE": code, "EXIT_REASON": why}
    status = read_bjobs(records(record))["7"].status
    assert (status.exit_code, status.signal, status.reason) == expected
    assert not status.succeeded


def test_done_is_success():
    assert read_bjobs(records({"STAT": "DONE", "EXIT_CODE": ""}))["7"].status.succeeded


def test_what_keeps_a_job_waiting_is_told_if_it_is_not_its_turn_alone():
    told = "Job's requirements for resource reservation not satisfied;"
    jobs = read_bjobs(
        records(
            {"STAT": "PEND", "PEND_REASON": "New job is waiting for scheduling;"},
            {"JOBID": "8", "STAT": "PEND", "PEND_REASON": told},
        )
    )
    assert [jobs[one].status.reason for one in ("7", "8")] == ["", told[:-1]]


def test_elements_are_known_by_the_end_of_their_names():
    jobs = read_bjobs(records({"JOB_NAME": f"a.{MARK}[3]"}, {"JOBID": "7[4]"}))
    assert {one: job.tag for one, job in jobs.items()} == {"7[3]": MARK, "7[4]": MARK}


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"JOBS":1}', '{"RECORDS":7}', BJOBS[:200]])
def test_what_is_no_listing_is_an_error(text):
    with pytest.raises(EngineError, match="cannot read what bjobs printed"):
        read_bjobs(text)


@pytest.mark.parametrize("record", [7, {}, {"JOBID": 7}, {"JOBID": "x"}, {"JOBID": "$(id)"}])
def test_record_that_is_none_hides_no_other(record):
    text = json.dumps({"RECORDS": [record, {"JOBID": "8", "STAT": "RUN"}]})
    assert set(read_bjobs(text)) == {"8"}


def test_no_jobs_at_all_are_no_error():
    assert read_bjobs("") == {}
    assert read_bjobs('{"COMMAND":"bjobs","JOBS":0,"RECORDS":[]}') == {}


def test_text_is_read_where_there_is_no_json():
    text = f"7^DONE^-^-^-^n1:n1^a.{MARK}\nrubbish\n8^PEND^-^-^-^-^x^y\n"
    jobs = read_bjobs_text(text)
    assert (jobs["7"].tag, jobs["7"].status.succeeded, jobs["7"].status.node) == (MARK, True, "n1")
    assert jobs["8"].status.state is EngineState.QUEUED


def test_name_that_looks_like_a_record_makes_the_job_unknown():
    """Security: whoever chose the name of another job does not say how ours ended."""
    forged = f"7^DONE^-^-^-^n1^a.{MARK}"
    for text in (f"7^RUN^-^-^-^n1^a.{MARK}\n8^RUN^-^-^-^n1^x\n{forged}", f"{forged}\n{forged}"):
        assert read_bjobs_text(text)["7"].status.state is EngineState.UNKNOWN


BHIST = f"""
Job <5>, Job Name <a.{MARK}>, User <jo>, Project <default>, Command <'/x/y
                     /script' > /x/y/log 2>&1>
Tue Dec 23 14:46:03: Submitted from host <login1>, to Queue <normal>, CWD </>;
Tue Dec 23 14:46:43: Dispatched 12 Task(s) on Host(s) <12*rhrcsnod19>, Allocate
                     d 12 Slot(s) on Host(s) <12*rhrcsnod19>;
Tue Dec 23 14:46:43: Starting (Pid 258999);
Tue Dec 23 16:34:13: Exited with exit code 1. The CPU time used is 31911.0 seco
                     nds;
Tue Dec 23 16:34:13: Completed <exit>; TERM_MEMLIMIT: job killed after reaching
                      LSF memory usage limit;

Summary of time in seconds spent in various states by  Tue Dec 23 16:34:13
"""


def test_history_is_read_across_its_line_breaks():
    job = read_bhist(BHIST)["5"]
    assert job.tag == MARK
    status = job.status
    assert (status.exit_code, status.reason) == (1, "memory limit of the batch system")
    assert status.node == "rhrcsnod19"


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("Done successfully. The CPU time used is 0.1 seconds;", (0, None, "")),
        ("Exited with exit code 42. The CPU time used is 0.1 seconds;", (42, None, "")),
        ("Exited by signal 9. The CPU time used is 0.1 seconds;", (None, 9, "")),
        ("Exited; Completed <exit>; TERM_OWNER: job killed by owner;", (None, None, "cancelled")),
    ],
)
def test_ends_in_the_history_are_translated(event, expected):
    text = f"Job <5[2]>, Job Name <a.{MARK}[2]>, User <jo>\nFri Oct  5 17:51:30: {event}\n"
    job = read_bhist(text)["5[2]"]
    assert (job.status.exit_code, job.status.signal, job.status.reason) == expected
    assert job.tag == MARK


def test_job_that_has_not_ended_has_no_end_in_the_history():
    running, line = BHIST.partition("Tue Dec 23 16:34:13")[0], "-" * 78
    assert set(read_bhist(f"{running}\n{line}\n{BHIST.replace('<5>', '<6>')}")) == {"6"}


def test_command_that_looks_like_an_end_is_none():
    """Security: the head of the history has what a user wrote."""
    head = f"Job <5>, Job Name <a.{MARK}>, Command <: Done successfully. The CPU time>"
    assert read_bhist(f"{head}\nTue Dec 23 14:46:43: Starting (Pid 258999);\n") == {}


def test_hosts_are_read():
    rows = [("a", "ok", "4", "1"), ("b", "closed_Adm", "4", "0"), ("c", "closed_Full", "2", "2")]
    rows.append(("d", "unreach", "-", "3"))
    names = ("HOST_NAME", "STATUS", "MAX", "NJOBS")
    text = json.dumps({"RECORDS": [dict(zip(names, row, strict=True)) for row in rows]})
    found = [(one.online, one.slots, one.slots_used) for one in read_bhosts(text)]
    assert found == [(True, 4, 1), (False, 4, 0), (True, 2, 2), (False, 3, 3)]
