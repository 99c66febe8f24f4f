"""What only Grid Engine does, on a real one; and reading what it prints."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from batch.engine import Dependency, EngineState
from batch.engines.gridengine import GridEngine, read_qacct, read_qhost, read_qstat
from ijp.errors import BadRequestError, EngineError

MARK = "01JBQ6Z9M3X5T7V9W1Y3A5C7E9"


def listed(*jobs):
    """A listing as qstat prints it; each job is (number, state, task, more elements)."""
    rows = "".join(
        f"<job_list><JB_job_number>{number}</JB_job_number><JB_name>short</JB_name>"
        f"<state>{state}</state><queue_name>all.q@n1</queue_name>"
        f"<JAT_start_time>2026-11-20T17:27:28</JAT_start_time>"
        f"{f'<tasks>{task}</tasks>' if task else ''}"
        f"<full_job_name>a.{MARK}</full_job_name>{more}</job_list>"
        for number, state, task, more in jobs
    )
    return f"<?xml version='1.0'?><job_info><queue_info>{rows}</queue_info></job_info>"


@pytest.mark.parametrize(
    ("letters", "more", "expected"),
    [
        ("qw", "", EngineState.QUEUED),
        ("hqw", "", EngineState.HELD),
        ("hqw", "<predecessor_jobs_req>7</predecessor_jobs_req>", EngineState.QUEUED),
        ("Eqw", "", EngineState.HELD),
        ("Rq", "", EngineState.QUEUED),
        ("t", "", EngineState.RUNNING),
        ("Rr", "", EngineState.RUNNING),
        ("dr", "", EngineState.RUNNING),
        ("hr", "", EngineState.RUNNING),
        ("s", "", EngineState.SUSPENDED),
        ("S", "", EngineState.SUSPENDED),
        ("", "", EngineState.UNKNOWN),
        ("new", "", EngineState.UNKNOWN),
    ],
)
def test_states_are_translated(letters, more, expected):
    job = read_qstat(listed(("7", letters, "", more)))["7"]
    assert job.status.state is expected
    assert job.tag == MARK


def test_each_element_of_an_array_is_a_job():
    jobs = read_qstat(listed(("7", "r", "1", ""), ("7", "qw", "2", ""), ("8", "r", "", "")))
    assert set(jobs) == {"7.1", "7.2", "8"}
    assert jobs["8"].status.node == "n1"
    assert jobs["8"].status.started == datetime(2026, 11, 20, 17, 27, 28, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "no XML", "<job_info>", "<!DOCTYPE x [<!ENTITY e 'x'>]><x>&e"]
)
def test_what_is_no_listing_is_an_error(text):
    with pytest.raises(EngineError, match="cannot read what qstat printed"):
        read_qstat(text)


def accounted(**changes):
    found = {
        "hostname": "n1",
        "jobname": f"a.{MARK}",
        "jobnumber": "7",
        "taskid": "undefined",
        "start_time": "Fri Nov 20 17:29:23 2026",
        "end_time": "Fri Nov 20 17:29:24 2026",
        "failed": "0    ",
        "exit_status": "0                   ",
        **changes,
    }
    return "=" * 62 + "\n" + "".join(f"{name:12} {value}\n" for name, value in found.items())


@pytest.mark.parametrize(
    ("failed", "code", "expected"),
    [
        ("0", "3", (3, None, "")),
        ("100 : assumedly after job", "137", (None, 9, "")),
        ("37  : qmaster enforced h_rt", "137", (None, None, "wall time limit of the batch system")),
        (
            "26  : opening input/output file",
            "0",
            (None, None, "the batch system could not run it: opening input/output file"),
        ),
    ],
)
def test_ends_are_translated(failed, code, expected):
    status = read_qacct(accounted(failed=failed, exit_status=code))["7"].status
    assert (status.exit_code, status.signal, status.reason) == expected
    assert not (status.succeeded and failed != "0")
    assert status.ended == datetime(2026, 11, 20, 17, 29, 24, tzinfo=UTC)


def test_last_record_of_a_job_counts_and_reschedulings_do_not():
    text = accounted(exit_status="1") + accounted(exit_status="4")
    text += accounted(failed="25  : rescheduling", exit_status="99")
    assert read_qacct(text)["7"].status.exit_code == 4


def test_garbled_record_hides_no_other():
    text = accounted(failed="?") + "=====\nrubbish\n" + accounted(jobnumber="8", taskid="3")
    assert set(read_qacct(text)) == {"8.3"}


def test_accounting_file_that_is_not_there_yet_tells_of_no_job(tmp_path):
    """As until the first job has ended; other failures are none of this."""
    command = tmp_path / "qacct"
    engine = GridEngine({"command_folder": str(tmp_path)}, tmp_path / "engine")
    for told, is_error in (
        ("/x/common/accounting: No such file or directory", False),
        ("error: job id 7 not found", False),
        ("/x/common/accounting: Permission denied", True),
    ):
        command.write_text(f"#!/bin/sh\necho '{told}' >&2\nexit 1\n")
        command.chmod(0o755)
        with pytest.raises(EngineError) if is_error else nullcontext():
            assert engine.ended(["7"]) == {}


def test_nodes_are_read():
    def host(name, state):
        return (
            f"<host name='{name}'><hostvalue name='load_avg'>1.07</hostvalue>"
            "<hostvalue name='mem_total'>23.5G</hostvalue><queue name='all.q'>"
            "<queuevalue name='slots_used'>3</queuevalue><queuevalue name='slots'>8</queuevalue>"
            f"<queuevalue name='state_string'>{state}</queuevalue></queue></host>"
        )

    text = (
        f"<qhost><host name='global'/>{host('n1', '')}{host('n2', 'd')}{host('n3', 'au')}</qhost>"
    )
    first, second, third = read_qhost(text)
    assert (first.slots, first.slots_used, first.load, first.online) == (8, 3, 1.07, True)
    assert first.memory_bytes == int(23.5 * 2**30)
    assert (second.online, second.state, third.online) == (False, "d", False)


@pytest.mark.slow
class TestRealGridEngine:
    """On the Grid Engine of the tests."""

    def test_job_waits_for_nothing_but_the_end_of_another(self, make_gridengine, make_spec):
        engine = make_gridengine()
        third = engine.submit(make_spec("sleep", "1000"))
        with pytest.raises(BadRequestError, match="not until it has succeeded"):
            engine.submit(replace(make_spec("true"), after=(Dependency(batch_id=third),)))

    @pytest.mark.parametrize(
        ("limits", "named"),
        [
            ({"queue": "nope.q"}, "unknown queue"),
            ({"features": ("quantum",)}, "unknown resource"),
            ({"account": "nobody.knows"}, "(?i)project"),
            ({"nodes": 2}, "nodes=2"),
        ],
    )
    def test_what_grid_engine_cannot_give_is_refused_for_good(
        self, make_gridengine, make_spec, limits, named
    ):
        engine = make_gridengine()
        spec = make_spec("true", **limits)
        with pytest.raises(BadRequestError, match=named):
            engine.submit(spec)
        assert engine.find([spec.mark]) == {}

    def test_amounts_are_counted_for_each_slot(
        self, make_gridengine, make_spec, wait_for, gridengine_site
    ):
        engine = make_gridengine(memory_resource="mem_free")
        limits = {"cores": 2, "memory_mib": 101, "virtual_memory_mib": 4001, "wall_seconds": 30}
        batch_id = engine.submit(make_spec("sleep", "1000", **limits))
        told = gridengine_site.run("qstat", "-j", batch_id.partition("/")[0])
        assert "h_rt=90" in told
        assert "h_vmem=2001M" in told
        assert "mem_free=51M" in told
        assert "smp range: 2" in told
        engine.cancel(batch_id)
