"""Torque's surprises, each measured on a real one, and that none of them misleads the engine."""

from __future__ import annotations

import json
import os
import pwd
import time
from dataclasses import replace
from pathlib import Path

import pytest

from batch.engine import Capability, Dependency, EngineState, When
from batch.engines.torque import TorqueEngine
from ijp.errors import BadRequestError, ConflictError, EngineError, NotFoundError
from tests.batch.making import on_cluster

pytestmark = pytest.mark.slow

LONG = ("sleep", "1000")


@pytest.fixture
def cluster(make_torque_cluster):
    return make_torque_cluster()


@pytest.fixture
def make_engine_on(tmp_path):
    return on_cluster(TorqueEngine, tmp_path, timeout_seconds=10)


@pytest.fixture
def engine(cluster, make_engine_on):
    return make_engine_on(cluster)


def native(batch_id):
    return batch_id.partition("/")[0]


def record_of(engine, mark):
    return engine._records.run(mark)


def test_completed_job_that_was_never_seen_completed_is_known_by_its_record(
    cluster, engine, make_spec, wait_until
):
    """With keep_completed=0 a job vanishes as it ends, and state C is never seen."""
    cluster.configure(keep_completed=0)
    batch_id = engine.submit(make_spec("sh", "-c", "exit 3"))
    wait_until(lambda: not cluster.jobs())
    status = engine.status([batch_id])[batch_id]
    assert (status.state, status.exit_code, status.reason) == (EngineState.ENDED, 3, "")


def test_job_that_vanishes_before_it_could_be_cancelled_has_ended_as_it_did(
    cluster, engine, make_spec, wait_for
):
    cluster.configure(keep_completed=0)
    batch_id = engine.submit(make_spec("sh", "-c", "sleep 0.5; exit 3"))
    wait_for(engine, batch_id, EngineState.RUNNING)
    cluster.fail(qdel={"kind": "late", "seconds": 3})
    engine.cancel(batch_id)
    assert wait_for(engine, batch_id).exit_code == 3


def test_vanished_job_that_left_no_record_is_absent(cluster, engine, make_spec, wait_until):
    """Absence is not success."""
    cluster.configure(keep_completed=0)
    spec = make_spec("true")
    batch_id = engine.submit(spec)
    wait_until(lambda: not cluster.jobs())
    (record_of(engine, spec.mark) / "end.json").unlink()
    wait_until(lambda: engine.status([batch_id]) == {})


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7)])
def test_accounting_tells_the_end_of_a_vanished_job(
    cluster, make_engine_on, make_spec, wait_for, wait_until, script, code
):
    engine = make_engine_on(cluster, accounting_folder=str(cluster.accounting))
    assert Capability.ACCOUNTING in engine.capabilities
    cluster.configure(keep_completed=0)
    spec = make_spec("sh", "-c", script)
    batch_id = engine.submit(spec)
    wait_until(lambda: not cluster.jobs())
    (record_of(engine, spec.mark) / "end.json").unlink()
    status = wait_for(engine, batch_id)
    assert (status.exit_code, status.succeeded) == (code, code == 0)


def test_accounting_tells_of_a_job_that_was_deleted_before_it_ran(
    cluster, make_engine_on, make_spec
):
    """It has a D record and nothing else, not even its name."""
    cluster.configure(keep_completed=0, scheduling=False)
    engine = make_engine_on(cluster, accounting_folder=str(cluster.accounting))
    batch_id = engine.submit(make_spec("true"))
    assert engine.status([batch_id])[batch_id].state is EngineState.QUEUED
    assert cluster.run("qdel", native(batch_id)).returncode == 0
    status = engine.status([batch_id])[batch_id]
    assert (status.state, status.exit_code, status.reason) == (EngineState.ENDED, None, "cancelled")


def test_job_that_runs_again_has_not_the_exit_status_of_its_former_run(
    cluster, engine, make_spec, wait_for, wait_until
):
    """While it runs for the second time it shows exit_status 0."""
    spec = make_spec("sh", "-c", "echo run; while ! [ -e go ]; do sleep 0.02; done; exit 5")
    batch_id = engine.submit(spec)
    wait_until(lambda: spec.stdout.exists() and spec.stdout.read_text())
    engine.requeue(batch_id)
    wait_until(lambda: cluster.jobs()[0].get("start_count") == 2)
    wait_until(lambda: cluster.jobs()[0]["exit_status"] == 0)
    status = wait_for(engine, batch_id, EngineState.RUNNING)
    assert (status.exit_code, status.succeeded) == (None, False)
    (spec.folder / "go").touch()
    assert wait_for(engine, batch_id).exit_code == 5
    assert spec.stdout.read_text() == "run\n"


@pytest.mark.parametrize("command", ["qhold", "qrls", "qalter"])
def test_unknown_job_is_told_although_torque_says_nothing(engine, command):
    """These three end with 153 and not a word."""
    more = ["-l", "walltime=5"] if command == "qalter" else []
    with pytest.raises(NotFoundError, match=r"there is no job '99\.head'"):
        engine.run([command, *more, "99.head"])


def test_change_of_a_running_job_is_seen_although_the_command_never_returns(
    cluster, make_engine_on, make_spec, wait_for
):
    """``qalter -l walltime=`` of a running job is done, but its client waits for ever."""
    engine = make_engine_on(cluster, timeout_seconds=3)
    batch_id = engine.submit(make_spec(*LONG, wall_seconds=600))
    wait_for(engine, batch_id, EngineState.RUNNING)
    engine.run(["qalter", "-l", "walltime=1200", native(batch_id)])
    assert cluster.jobs()[0]["Resource_List"]["walltime"] == "00:20:00"
    with pytest.raises(ConflictError, match="running, not queued"):
        engine.alter(batch_id, {"wall_seconds": 60})


@pytest.mark.parametrize(
    ("command", "method", "state"),
    [("qhold", "hold", EngineState.HELD), ("qdel", "cancel", EngineState.ENDED)],
)
def test_what_was_done_without_an_answer_is_looked_at(
    cluster, make_engine_on, make_spec, command, method, state
):
    cluster.configure(scheduling=False)
    engine = make_engine_on(cluster, timeout_seconds=3)
    batch_id = engine.submit(make_spec("true"))
    cluster.fail(**{command: {"kind": "hangs"}})
    getattr(engine, method)(batch_id)
    assert engine.status([batch_id])[batch_id].state is state


def test_what_was_not_done_and_not_answered_is_an_error(cluster, make_engine_on, make_spec):
    cluster.configure(scheduling=False)
    engine = make_engine_on(cluster, timeout_seconds=3)
    batch_id = engine.submit(make_spec("true"))
    cluster.fail(qhold={"kind": "late", "seconds": 60})
    with pytest.raises(EngineError, match="no answer"):
        engine.hold(batch_id)


def test_submission_whose_answer_is_lost_is_found_and_not_repeated(cluster, engine, make_spec):
    cluster.fail(qsub={"kind": "lost", "times": 1})
    spec = make_spec("true")
    with pytest.raises(EngineError):
        engine.submit(spec)
    found = engine.find([spec.mark])
    assert engine.submit(spec) == found[spec.mark]
    assert len(cluster.jobs()) == 1


def test_submission_that_takes_too_long_is_found_later(cluster, make_engine_on, make_spec):
    engine = make_engine_on(cluster, timeout_seconds=3)
    cluster.fail(qsub={"kind": "hangs", "times": 1})
    spec = make_spec("true")
    with pytest.raises(EngineError, match="no answer after 3 s"):
        engine.submit(spec)
    assert engine.submit(spec) == f"1.head/{spec.mark}"
    assert len(cluster.jobs()) == 1


@pytest.mark.parametrize("outage", ["server_down", "trqauthd_down"])
def test_server_that_is_away_is_an_error_and_nothing_is_lost(
    cluster, engine, make_spec, wait_for, outage
):
    spec, later = make_spec("true"), make_spec("true")
    batch_id = engine.submit(spec)
    cluster.configure(**{outage: True})
    for ask in (
        lambda: engine.submit(later),
        lambda: engine.status([batch_id]),
        lambda: engine.cancel(batch_id),
        engine.nodes,
    ):
        with pytest.raises(EngineError):
            ask()
    cluster.configure(**{outage: False})
    assert wait_for(engine, batch_id).succeeded
    assert wait_for(engine, engine.submit(later)).succeeded


def test_half_an_answer_is_an_error(cluster, engine, make_spec):
    """Jobs that are missing in it are not gone."""
    batch_ids = [engine.submit(make_spec(*LONG)) for _ in range(2)]
    cluster.fail(qstat={"kind": "half"})
    with pytest.raises(EngineError, match="not all that qstat prints"):
        engine.status(batch_ids)


def test_garbage_in_one_record_makes_one_job_unknown(cluster, engine, make_spec, wait_for):
    first, second = (engine.submit(make_spec(*LONG)) for _ in range(2))
    wait_for(engine, second, EngineState.RUNNING)
    cluster.fail(qstat={"kind": "garbage"})
    states = {one: status.state for one, status in engine.status([first, second]).items()}
    assert states == {first: EngineState.UNKNOWN, second: EngineState.RUNNING}


def test_slow_answer_is_waited_for_up_to_the_limit(cluster, make_engine_on, make_spec):
    engine = make_engine_on(cluster, timeout_seconds=3)
    batch_id = engine.submit(make_spec(*LONG))
    cluster.fail(qstat={"kind": "slow", "seconds": 30, "times": 1})
    with pytest.raises(EngineError, match="no answer after 3 s"):
        engine.status([batch_id])
    assert set(engine.status([batch_id])) == {batch_id}


def test_job_of_an_account_whose_jobs_could_not_be_seen_is_not_submitted(
    cluster, make_engine_on, monkeypatch
):
    """With query_other_jobs unset an ordinary user sees nothing of others, with exit code 0."""
    monkeypatch.setattr("pwd.getpwuid", lambda uid: type("Entry", (), {"pw_name": "tqbob"}))
    engine = make_engine_on(cluster)
    with pytest.raises(EngineError, match="tqbob is neither manager nor operator"):
        engine._check_that_all_are_seen()
    cluster.configure(query_other_jobs=True)
    engine._check_that_all_are_seen()


def test_number_that_a_new_server_gives_again_is_not_our_job(
    cluster, make_engine_on, make_spec, wait_for, wait_until
):
    """A server that was set up anew counts from 1, and another's job gets our number."""
    engine = make_engine_on(cluster, record_wait_seconds=30)
    spec = make_spec("sh", "-c", "touch begun; exec sleep 1000")
    batch_id = engine.submit(spec)
    wait_until((spec.folder / "begun").exists)
    cluster.configure(scheduling=False)
    cluster.clear()
    other = make_engine_on(cluster, name="another")
    foreign = other.submit(make_spec(*LONG))
    assert native(foreign) == native(batch_id)
    assert wait_for(engine, batch_id).reason == "told to stop by the batch system"
    engine.cancel(batch_id)
    assert other.status([foreign])[foreign].state is not EngineState.ENDED


def test_job_on_a_dead_node_runs_for_ever_and_says_so_when_it_is_cancelled(
    cluster, engine, make_spec, wait_for
):
    """It stays R; qdel cannot reach its mom (224), and only the server's manager can purge it."""
    batch_id = engine.submit(make_spec(*LONG))
    wait_for(engine, batch_id, EngineState.RUNNING)
    cluster.configure(dead_nodes=["node01"])
    with pytest.raises(EngineError, match="could not connect to MOM"):
        engine.cancel(batch_id)
    assert engine.status([batch_id])[batch_id].state is EngineState.RUNNING
    cluster.configure(dead_nodes=[])


def test_job_held_by_an_operator_too_is_not_said_to_be_released(cluster, engine, make_spec):
    """qrls takes away the user's hold only and ends with 0."""
    cluster.configure(scheduling=False)
    batch_id = engine.submit(make_spec("true"))
    assert cluster.run("qhold", "-h", "uo", native(batch_id)).returncode == 0
    with pytest.raises(ConflictError, match="held by an operator"):
        engine.release(batch_id)
    assert engine.status([batch_id])[batch_id].state is EngineState.HELD


@pytest.mark.parametrize(
    ("queue", "kind"),
    [("nosuch", BadRequestError), ("closed", EngineError), ("long", EngineError)],
)
def test_refusal_that_can_pass_is_told_from_one_that_cannot(engine, make_spec, queue, kind):
    spec = make_spec("true")
    spec = replace(spec, resources=replace(spec.resources, queue=queue))
    with pytest.raises(kind) as refusal:
        engine.submit(spec)
    assert isinstance(refusal.value, BadRequestError) is (kind is BadRequestError)
    assert "MSG=" in refusal.value.message


def test_too_many_jobs_of_a_user_are_tried_again(cluster, engine, make_spec):
    cluster.configure(scheduling=False)
    specs = [make_spec("sleep", str(number), wall_seconds=60 + number) for number in range(6)]
    specs = [replace(one, resources=replace(one.resources, queue="short")) for one in specs]
    answers = engine.submit_many(specs)
    assert [isinstance(one, str) for one in answers] == [True] * 5 + [False]
    assert not isinstance(answers[5], BadRequestError)
    engine.cancel(answers[0])
    assert engine.submit(specs[5]).startswith("7.head/")


def test_nothing_of_the_users_is_in_the_command_or_the_script(cluster, engine, make_spec):
    cluster.configure(scheduling=False)
    evil = "$(touch /tmp/x); `id` '\"\n#PBS -q long"
    plain = make_spec("echo")
    spec = replace(make_spec("echo", evil, environment={"A": evil}), name=f"na me{evil}")
    engine.submit(plain)
    batch_id = engine.submit(spec)
    harmless, job = cluster.jobs()
    scripts = [(cluster.folder / "jobs" / f"{number}.SC").read_text() for number in (1, 2)]
    assert scripts[1] == scripts[0].replace(plain.mark, spec.mark)
    assert job["Variable_List"] == harmless["Variable_List"]
    assert not set("$`;'\"()") & set(job["submit_args"] + job["Job_Name"])
    assert job["Job_Name"].endswith(f".{spec.mark}")
    assert engine.find([spec.mark]) == {spec.mark: batch_id}


def test_arguments_ask_for_what_the_job_may_use(cluster, engine, make_spec):
    cluster.configure(scheduling=False)
    spec = make_spec("true", cores=2, memory_mib=100, wall_seconds=90, cpu_seconds=30)
    features = replace(spec.resources, features=("bigmem",), virtual_memory_mib=900, account="p42")
    engine.submit(replace(spec, resources=features))
    job = cluster.jobs()[0]
    assert job["Resource_List"] == {
        "nodes": "1:ppn=2:bigmem",
        "walltime": "00:01:30",
        "cput": "00:00:30",
        "mem": "100mb",
        "vmem": "900mb",
        "nodect": "1",
    }
    assert job["Account_Name"] == "p42"


def test_feature_that_would_ask_for_more_nodes_is_refused(cluster, engine, make_spec):
    spec = make_spec("true")
    evil = replace(spec, resources=replace(spec.resources, features=("fast+5",)))
    with pytest.raises(BadRequestError, match="features that nodes cannot have"):
        engine.submit(evil)
    assert cluster.jobs() == []


def test_suspended_job_stands_still(cluster, engine, make_spec, wait_for, wait_until):
    """Torque stops the processes of its own session only; the program is in another."""
    spec = make_spec("sh", "-c", "while :; do date +%N > tick; sleep 0.02; done")
    batch_id = engine.submit(spec)
    tick = spec.folder / "tick"
    wait_until(tick.exists)
    engine.suspend(batch_id)
    assert wait_for(engine, batch_id, EngineState.SUSPENDED).started
    wait_until(lambda: _stands(tick))
    engine.resume(batch_id)
    wait_until(lambda: not _stands(tick))
    engine.cancel(batch_id)
    assert wait_for(engine, batch_id).reason == "cancelled"


def _stands(path):
    before = path.read_text()
    time.sleep(0.3)
    return path.read_text() == before


@pytest.mark.parametrize("exec_with_exec", [False, True], ids=["login shell", "exec_with_exec"])
def test_program_that_is_cancelled_can_finish_what_it_does(
    make_torque_cluster, make_engine_on, make_spec, wait_for, wait_until, exec_with_exec
):
    """A trap is useless on Torque: the login shell dies of TERM, and all is killed at once."""
    engine = make_engine_on(make_torque_cluster(exec_with_exec=exec_with_exec), grace_seconds=5)
    trap = "trap 'sleep 0.3; touch done; exit 9' TERM"
    spec = make_spec("sh", "-c", f"{trap}; touch begun; while :; do sleep 0.05; done")
    batch_id = engine.submit(spec)
    wait_until((spec.folder / "begun").exists)
    engine.cancel(batch_id)
    status = wait_for(engine, batch_id)
    assert (status.exit_code, status.reason) == (9, "cancelled")
    assert (spec.folder / "done").exists()


def test_prologue_that_refuses_a_job_ends_it(cluster, engine, make_spec, wait_for):
    """Exit code 1 of a prologue: the job is over, with exit_status -2."""
    _write_program(cluster.folder / "mom_priv" / "prologue", "echo no room; exit 1")
    status = wait_for(engine, engine.submit(make_spec("true")))
    assert (status.exit_code, status.reason) == (None, "the node's prologue refused it")


def test_prologue_that_puts_a_job_off_leaves_it_queued(
    cluster, engine, make_spec, wait_for, wait_until
):
    """Any other exit code but 0: it is queued at once again, with exit_status -14."""
    prologue = cluster.folder / "mom_priv" / "prologue"
    _write_program(prologue, "exit 2")
    batch_id = engine.submit(make_spec("true"))
    wait_until(lambda: cluster.jobs()[0].get("exit_status") == -14)
    assert engine.status([batch_id])[batch_id].state is not EngineState.ENDED
    prologue.unlink()
    assert wait_for(engine, batch_id).succeeded


def _write_program(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_node_is_set_offline_with_a_note_and_online_without(cluster, engine):
    """``pbsnodes -c`` clears offline and leaves the note."""
    engine.set_offline("node01", "disk & fan\n<broken>")
    nodes = {node.name: node for node in engine.nodes()}
    assert (nodes["node01"].online, nodes["node01"].reason) == (False, "disk & fan <broken>")
    assert nodes["node02"].online
    engine.set_online("node01")
    assert [(node.online, node.reason) for node in engine.nodes()] == [(True, "")] * 2


def test_node_that_one_may_not_change_is_told(cluster, engine):
    """pbsnodes ends with 0 and an error text."""
    cluster.configure(caller="tqalice")
    with pytest.raises(EngineError, match="Unauthorized Request"):
        engine.set_offline("node01", "x")


@pytest.mark.parametrize("name", ["nosuch", "-a", "node01 node02", ""])
def test_unknown_node_is_not_changed(engine, name):
    with pytest.raises(NotFoundError):
        engine.set_offline(name, "x")


def test_array_whose_answer_is_lost_is_found_element_by_element(cluster, engine, make_spec):
    cluster.fail(qsub={"kind": "lost", "times": 1})
    specs = [make_spec("sh", "-c", f"exit {code}") for code in range(3)]
    assert all(isinstance(one, EngineError) for one in engine.submit_many(specs))
    again = engine.submit_many(specs)
    assert [native(one) for one in again] == ["1[1].head", "1[2].head", "1[3].head"]
    assert len(cluster.jobs()) == 4  # the array and its elements


def test_runner_of_a_job_that_was_submitted_twice_runs_it_once(
    cluster, engine, make_spec, wait_for, wait_until
):
    """Should qsub have been repeated all the same: the second finds the first's record."""
    spec = make_spec("sh", "-c", "echo run >> ran")
    batch_id = engine.submit(spec)
    script = engine._records.job(spec.mark) / "script"
    again = cluster.run(
        "qsub", "-N", f"job.{spec.mark}", "-o", "/dev/null", "-j", "oe", str(script)
    )
    assert again.returncode == 0
    wait_until(lambda: all(job["job_state"] == "C" for job in cluster.jobs()))
    assert wait_for(engine, batch_id).succeeded
    assert (spec.folder / "ran").read_text() == "run\n"


@pytest.mark.parametrize(
    ("when", "code", "runs"),
    [
        (When.SUCCEEDED, 0, True),
        (When.SUCCEEDED, 1, False),
        (When.FAILED, 1, True),
        (When.FAILED, 0, False),
        (When.ENDED, 1, True),
        (When.STARTED, 1, True),
    ],
)
def test_job_waits_for_another(cluster, engine, make_spec, wait_for, when, code, runs):
    waits = f"while ! [ -e go ]; do sleep 0.02; done; exit {code}"
    parent = make_spec("sh", "-c", waits)
    parent_id = engine.submit(parent)
    after = (Dependency(batch_id=parent_id, when=when),)
    child = replace(make_spec("true"), after=after)
    child_id = engine.submit(child)
    if when is not When.STARTED:
        assert engine.status([child_id])[child_id].state is EngineState.QUEUED
    (parent.folder / "go").touch()
    wait_for(engine, parent_id)
    status = wait_for(engine, child_id)
    assert status.succeeded is runs
    if not runs:
        assert status.reason.startswith("the job it had to wait for did not end as it should")


@pytest.mark.parametrize(
    ("when", "code", "taken"),
    [
        (When.SUCCEEDED, 0, True),
        (When.SUCCEEDED, 1, False),
        (When.FAILED, 1, True),
        (When.FAILED, 0, False),
        (When.ENDED, 1, True),
    ],
)
def test_job_that_waits_for_a_completed_one_runs_or_is_refused(
    cluster, engine, make_spec, wait_for, wait_until, when, code, taken
):
    """To Torque a completed parent is an invalid one (208), or one to wait for without end."""
    parent_id = engine.submit(make_spec("sh", "-c", f"exit {code}"))
    wait_for(engine, parent_id)
    wait_until(lambda: cluster.jobs()[0]["job_state"] == "C")
    child = replace(make_spec("true"), after=(Dependency(batch_id=parent_id, when=when),))
    if taken:
        assert wait_for(engine, engine.submit(child)).succeeded
    else:
        with pytest.raises(BadRequestError, match="to wait until"):
            engine.submit(child)
    wait_until(lambda: all(job["job_state"] == "C" for job in cluster.jobs()))


def test_those_that_wait_for_a_job_that_is_cancelled_before_it_runs_do_not_run(
    cluster, engine, make_spec, wait_for
):
    """If its parent is deleted while held, Torque lets an afterok child run, and so on."""
    cluster.configure(scheduling=False)
    parent_id = engine.submit(make_spec("true"))
    waiting = []
    for _ in range(2):
        after = (Dependency(batch_id=waiting[-1][1] if waiting else parent_id),)
        spec = replace(make_spec("sh", "-c", "echo ran > ran"), after=after)
        waiting.append((spec, engine.submit(spec)))
    engine.cancel(parent_id)
    cluster.configure(scheduling=True)
    for spec, batch_id in waiting:
        assert wait_for(engine, batch_id).reason == "cancelled"
        assert not (spec.folder / "ran").exists()


def test_memory_of_a_job_on_several_nodes_is_altered_for_all_of_them(cluster, engine, make_spec):
    """Torque counts the memory of the whole job."""
    cluster.configure(scheduling=False)
    batch_id = engine.submit(make_spec("true", nodes=2, memory_mib=100))
    assert cluster.jobs()[0]["Resource_List"]["mem"] == "200mb"
    engine.alter(batch_id, {"memory_mib": 300, "wall_seconds": 90})
    limits = cluster.jobs()[0]["Resource_List"]
    assert (limits["mem"], limits["walltime"]) == ("600mb", "00:01:30")


def test_why_the_node_killed_a_job_is_read_from_its_log(cluster, engine, make_spec, wait_for):
    """A job on two nodes above its mem ends with 271, as if it had been deleted."""
    spec = make_spec(*LONG)
    batch_id = engine.submit(spec)
    wait_for(engine, batch_id, EngineState.RUNNING)
    log = cluster.folder / "spool" / f"{native(batch_id)}.OU"
    with log.open("a") as file:
        file.write("=>> PBS: job killed: mem job total 427460 kb exceeded limit 102400 kb\n")
    assert cluster.run("qdel", native(batch_id)).returncode == 0
    status = wait_for(engine, batch_id)
    assert status.reason == "mem job total 427460 kb exceeded limit 102400 kb"


def test_settings_are_checked(make_engine_on, cluster):
    with pytest.raises(BadRequestError) as refusal:
        make_engine_on(cluster, proxy="yes", nosuch=1)
    assert "proxy must be like False" in refusal.value.message
    assert "unknown setting 'nosuch'" in refusal.value.message


def test_output_of_the_job_is_not_that_of_torque(engine, make_spec, wait_for):
    """Torque makes the outputs 600, at the end, and loses them if a folder is missing."""
    spec = make_spec("sh", "-c", "echo out; echo err >&2")
    assert wait_for(engine, engine.submit(spec)).succeeded
    assert (spec.stdout.read_text(), spec.stderr.read_text()) == ("out\n", "err\n")
    end = json.loads((record_of(engine, spec.mark) / "end.json").read_text())
    assert end["exit_code"] == 0


@pytest.mark.parametrize("proxy", [False, True], ids=["as the account", "qsub -P"])
def test_job_runs_as_the_account_it_is_given(
    make_torque_cluster, make_engine_on, make_spec, wait_for, tmp_path, proxy
):
    account = pwd.getpwnam("nobody")
    for place in (tmp_path, *tmp_path.parents):
        if place.stat().st_uid == os.getuid() and place != Path("/"):
            place.chmod(place.stat().st_mode | 0o011)
    cluster = make_torque_cluster(python="/usr/bin/python3", caller=None)
    engine = make_engine_on(cluster, python="/usr/bin/python3", proxy=proxy)
    spec = replace(make_spec("sh", "-c", "id -un; id -Gn; umask"), run_as="nobody")
    spec = replace(spec, stdout=spec.folder / "out", stderr=spec.folder / "err")
    os.chown(spec.folder, account.pw_uid, account.pw_gid)
    status = wait_for(engine, engine.submit(spec))
    assert status.succeeded, status
    assert spec.stdout.read_text() == "nobody\nnogroup\n0077\n"
    job = cluster.jobs()[0]
    assert (job["euser"], job.get("proxy_user")) == ("nobody", "nobody" if proxy else None)
    with pytest.raises(BadRequestError, match="no account of this machine: 'no-such-user'"):
        engine.submit(replace(make_spec("true"), run_as="no-such-user"))
