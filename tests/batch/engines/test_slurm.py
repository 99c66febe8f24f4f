"""What only Slurm does, on a real one; and reading what it prints."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batch.engine import Capability, Dependency, EngineState, When
from batch.engines.slurm import SlurmEngine, read_nodes, read_sacct, read_shown, read_squeue
from ijp.errors import BadRequestError, ConflictError, EngineError, NotFoundError

MARK = "01JBQ6Z9M3X5T7V9W1Y3A5C7E9"
SEPARATOR = "\x1f"


def listed(*records, start="f00d"):
    """A listing as squeue prints it in the engine's format."""
    return "".join(SEPARATOR.join((start, *record)) + "\n" for record in records)


def record(native_id="7", state="RUNNING", reason="None", nodes="n1", name=f"a.{MARK}"):
    times = ("2026-11-20T17:10:18", "2026-11-20T18:10:18")
    return (native_id, state, reason, *times, nodes, name)


def test_listing_is_read():
    (job,) = read_squeue(listed(record()), "f00d").values()
    assert (job.native_id, job.tag, job.status.state) == ("7", MARK, EngineState.RUNNING)
    assert job.status.started == datetime(2026, 11, 20, 17, 10, 18, tzinfo=UTC)
    assert job.status.node == "n1"


@pytest.mark.parametrize(
    ("state", "reason", "expected"),
    [
        ("PENDING", "Resources", EngineState.QUEUED),
        ("PENDING", "JobHeldUser", EngineState.HELD),
        ("PENDING", "JobHeldAdmin", EngineState.HELD),
        ("PENDING", "job_requeued_in_held_state", EngineState.HELD),
        ("PENDING", "launch failed requeued held", EngineState.HELD),
        ("SPECIAL_EXIT", "JobHeldUser", EngineState.HELD),
        ("CONFIGURING", "None", EngineState.QUEUED),
        ("COMPLETING", "None", EngineState.RUNNING),
        ("SUSPENDED", "None", EngineState.SUSPENDED),
        ("TIMEOUT", "TimeLimit", EngineState.ENDED),
        ("HALF_DONE", "None", EngineState.UNKNOWN),
        ("", "", EngineState.UNKNOWN),
    ],
)
def test_states_are_translated(state, reason, expected):
    (job,) = read_squeue(listed(record(state=state, reason=reason)), "f00d").values()
    assert job.status.state is expected


def test_reasons_with_blanks_and_commas_hide_nothing():
    why = "ReqNodeNotAvail, May be reserved for other job"
    jobs = read_squeue(listed(record("7", "PENDING", why), record("8")), "f00d")
    assert jobs["7"].status.reason == why
    assert jobs["8"].status.state is EngineState.RUNNING


def test_one_garbled_record_hides_no_other():
    text = listed(record("7")) + "f00d\x1fgarbage\x00\n" + listed(("8",), record("9"))
    assert set(read_squeue(text, "f00d")) == {"7", "9"}


def test_name_of_another_users_job_cannot_look_like_a_record():
    """Security: names are free text, newlines and separators included."""
    forged = SEPARATOR.join(record("7", "COMPLETED"))
    jobs = read_squeue(listed(record("8", name=f"x\n{forged}\n{SEPARATOR}{forged}")), "f00d")
    assert set(jobs) == {"8"}


def test_cancelled_job_that_never_ran_was_not_started():
    (job,) = read_squeue(listed(record(state="CANCELLED", nodes="")), "f00d").values()
    assert (job.status.started, job.status.exit_code) == (None, None)
    assert job.status.reason == "cancelled"


def test_accounting_is_read_with_the_last_of_several_ends():
    def line(native_id, state, code):
        values = (native_id, state, "None", "2026-11-20T17:10:18", "2026-11-20T17:10:19", "n1")
        return SEPARATOR.join((*values, f"a.{MARK}", code)) + "\n"

    jobs = read_sacct(line("7", "REQUEUED", "0:0") + line("7", "FAILED", "3:0") + "junk\n")
    assert (jobs["7"].status.exit_code, jobs["7"].tag) == (3, MARK)
    assert read_sacct(line("8", "CANCELLED by 0", "0:15"))["8"].status.reason == "cancelled"
    assert read_sacct(line("9", "FAILED", "0:11"))["9"].status.signal == 11


def test_shown_job_is_read_without_trusting_what_users_wrote():
    line = (
        f"JobId=7 JobName=a.{MARK} UserId=x(1) JobState=FAILED Reason=NonZeroExitCode ExitCode=3:0 "
        "StartTime=2026-11-20T17:10:18 EndTime=2026-11-20T17:10:19 ReqNodeList=(null) NodeList=n1 "
        "Comment=JobState=COMPLETED ExitCode=0:0"
    )
    job = read_shown(line + "\nnonsense\n")["7"]
    assert (job.status.state, job.status.exit_code, job.tag) == (EngineState.ENDED, 3, MARK)
    assert job.status.node == "n1"


def test_nodes_are_read():
    text = (
        "NodeName=n1 CPUAlloc=1 CPUTot=4 CPULoad=2.38 ActiveFeatures=a,b Gres=gpu:tesla:2(S:0) "
        "RealMemory=2000 State=MIXED Partitions=batch,long \n"
        "NodeName=n2 CPUAlloc=0 CPUTot=4 CPULoad=N/A ActiveFeatures=(null) Gres=(null) "
        'RealMemory=2000 State=IDLE+DRAIN Partitions=x Reason=paint; the "door" ä State=IDLE '
        "[root@2026-11-20T17:17:01]\n"
        "NodeName=n3 CPUTot=4 State=IDLE* \nRubbish\n"
    )
    first, second, third = read_nodes(text)
    assert (first.slots, first.slots_used, first.load, first.gpus) == (4, 1, 2.38, 2)
    assert (first.features, first.queues, first.online) == (("a", "b"), ("batch", "long"), True)
    assert (second.online, second.reason) == (False, 'paint; the "door" ä State=IDLE')
    assert (third.online, third.load) == (False, None)


@pytest.mark.slow
class TestRealSlurm:
    """On the cluster of the tests."""

    def test_specs_that_agree_are_one_array_of_which_each_is_its_own_job(
        self, make_slurm, make_spec, wait_for, slurm_site
    ):
        engine = make_slurm(array_limit=4)
        specs = [make_spec("sh", "-c", f"echo {n}; exit {n}") for n in range(6)]
        batch_ids = engine.submit_many(specs)
        arrays = {batch_id.partition("_")[0] for batch_id in batch_ids}
        assert len(arrays) == 2
        assert len(set(batch_ids)) == 6
        for number, (batch_id, spec) in enumerate(zip(batch_ids, specs, strict=True)):
            assert wait_for(engine, batch_id).exit_code == number
            assert spec.stdout.read_text() == f"{number}\n"
        assert engine.find([spec.mark for spec in specs]) == {
            spec.mark: batch_id for spec, batch_id in zip(specs, batch_ids, strict=True)
        }

    def test_one_element_is_held_and_cancelled_without_the_others(
        self, make_slurm, make_spec, wait_for
    ):
        engine = make_slurm()
        blockers = engine.submit_many([replace(make_spec("sleep", "1000"), name="b")] * 1)
        blockers.append(engine.submit(make_spec("sleep", "1000")))
        for one in blockers:
            wait_for(engine, one, EngineState.RUNNING)
        held, cancelled, runs = engine.submit_many([make_spec("true") for _ in range(3)])
        engine.hold(held)
        engine.cancel(cancelled)
        for one in blockers:
            engine.cancel(one)
        assert wait_for(engine, runs).succeeded
        statuses = engine.status([held, cancelled])
        assert statuses[held].state is EngineState.HELD
        assert statuses[cancelled].reason == "cancelled"
        engine.release(held)
        assert wait_for(engine, held).succeeded

    def test_job_waits_for_another(self, make_slurm, make_spec, wait_for):
        engine = make_slurm()
        first = engine.submit(make_spec("sleep", "1"))
        after = replace(make_spec("true"), after=(Dependency(batch_id=first),))
        second = engine.submit(after)
        ended = [wait_for(engine, one).ended for one in (first, second)]
        assert ended == sorted(ended)

    def test_job_whose_condition_can_never_be_ends_unrun(self, make_slurm, make_spec, wait_for):
        engine = make_slurm()
        first = engine.submit(make_spec("sh", "-c", "sleep 1; exit 1"))
        after = replace(make_spec("true"), after=(Dependency(batch_id=first),))
        status = wait_for(engine, engine.submit(after))
        assert status.reason == "cancelled: what it waits for can never be"
        assert status.started is None

    def test_what_has_come_or_can_never_come_is_not_left_to_slurm(
        self, make_slurm, make_spec, wait_for
    ):
        """Slurm takes any number, and forgets jobs that have ended."""
        engine = make_slurm()
        failed = engine.submit(make_spec("false"))
        wait_for(engine, failed)
        fine = (Dependency(batch_id=failed, when=When.FAILED),)
        assert wait_for(engine, engine.submit(replace(make_spec("true"), after=fine))).succeeded
        for batch_id, named in ((failed, "has succeeded"), ("4711/" + MARK, "nobody knows")):
            after = (Dependency(batch_id=batch_id),)
            with pytest.raises(BadRequestError, match=named):
                engine.submit(replace(make_spec("true"), after=after))

    def test_job_is_suspended_and_resumed(self, make_slurm, make_spec, wait_for):
        engine = make_slurm()
        spec = make_spec("sh", "-c", "while ! [ -e go ]; do sleep 0.05; done")
        batch_id = engine.submit(spec)
        wait_for(engine, batch_id, EngineState.RUNNING)
        engine.suspend(batch_id)
        wait_for(engine, batch_id, EngineState.SUSPENDED)
        (spec.folder / "go").touch()
        engine.resume(batch_id)
        assert wait_for(engine, batch_id).succeeded

    def test_requeued_job_runs_again_with_empty_outputs(
        self, make_slurm, make_spec, wait_for, wait_until
    ):
        engine = make_slurm()
        spec = make_spec(
            "sh", "-c", "echo run | tee -a runs; while ! [ -e go ]; do sleep 0.1; done"
        )
        batch_id = engine.submit(spec)
        runs = spec.folder / "runs"
        wait_until(lambda: runs.exists() and runs.read_text() == "run\n")
        engine.requeue(batch_id)
        wait_until(lambda: runs.read_text() == "run\nrun\n", seconds=60)
        (spec.folder / "go").touch()
        assert wait_for(engine, batch_id).succeeded
        assert spec.stdout.read_text() == "run\n"

    def test_exit_codes_that_requeue_at_this_site_are_the_programs_own(
        self, make_slurm, make_spec, wait_for, slurm_site
    ):
        assert "RequeueExit=99" in slurm_site.configuration.read_text()
        engine = make_slurm()
        for code in (99, 100):
            batch_id = engine.submit(make_spec("sh", "-c", f"exit {code}"))
            assert wait_for(engine, batch_id).exit_code == code

    def test_queued_job_is_altered(self, make_slurm, make_spec, slurm_site, wait_for):
        engine = make_slurm(defaults={"queue": "two", "features": ["n1"]})
        busy = [engine.submit(make_spec("sleep", "1000")) for _ in range(2)]
        for one in busy:
            wait_for(engine, one, EngineState.RUNNING)
        batch_id = engine.submit(make_spec("sleep", "1000", wall_seconds=600))
        engine.alter(batch_id, {"wall_seconds": 1, "queue": "batch", "features": ("n2",)})
        status = wait_for(engine, batch_id)
        assert (status.reason, status.node) == ("wall time limit of 1 s", "n2")
        with pytest.raises(BadRequestError, match="cores"):
            engine.alter(busy[0], {"cores": 2})
        with pytest.raises(ConflictError):
            engine.alter(busy[0], {"wall_seconds": 2})

    def test_node_is_set_offline_with_a_reason_and_online_again(self, make_slurm, wait_until):
        engine = make_slurm()
        engine.set_offline("n3", "disk is full; ask Jo\nState=IDLE")
        try:
            (node,) = [one for one in engine.nodes() if one.name == "n3"]
            assert (node.online, node.reason) == (False, "disk is full; ask Jo State=IDLE")
        finally:
            engine.set_online("n3")
        wait_until(lambda: all(one.online for one in engine.nodes()), seconds=60)
        for name in ("n4", "n[1-3]", "-x", "ALL"):
            with pytest.raises(NotFoundError):
                engine.set_offline(name, "x")

    def test_resources_reach_slurm(self, make_slurm, make_spec, wait_for, slurm_site):
        engine = make_slurm(defaults={"queue": "batch"}, pass_variables=["SLURM_*"])
        limits = {"cores": 2, "nodes": 2, "tasks_per_node": 2, "memory_mib": 200}
        spec = make_spec("env", wall_seconds=90, **limits)
        assert wait_for(engine, engine.submit(spec)).succeeded
        shown = dict(line.split("=", 1) for line in spec.stdout.read_text().splitlines())
        assert shown["SLURM_JOB_NUM_NODES"] == "2"
        assert shown["SLURM_CPUS_PER_TASK"] == "2"
        assert shown["SLURM_NTASKS_PER_NODE"] == "2"
        assert shown["SLURM_MEM_PER_NODE"] == "264"
        told = slurm_site.run("scontrol", "show", "job", shown["SLURM_JOB_ID"])
        assert "TimeLimit=00:03:00" in told

    @pytest.mark.parametrize(
        ("limits", "named"),
        [
            ({"queue": "nope"}, "invalid partition"),
            ({"features": ("quantum",)}, "(?i)feature|node configuration"),
            ({"gpus": 1}, "generic resource"),
            ({"virtual_memory_mib": 5}, "virtual_memory_mib=5"),
            ({"queue": "a b"}, "'a b'"),
            ({"account": "--uid=0"}, "--uid=0"),
        ],
    )
    def test_what_slurm_cannot_give_is_refused_for_good(self, make_slurm, make_spec, limits, named):
        engine = make_slurm()
        spec = make_spec("true", **limits)
        with pytest.raises(BadRequestError, match=named):
            engine.submit(spec)
        assert engine.find([spec.mark]) == {}

    def test_what_keeps_a_job_in_the_queue_is_told(self, make_slurm, make_spec, wait_until):
        engine = make_slurm()
        batch_id = engine.submit(make_spec("true", nodes=5))
        wait_until(lambda: engine.status([batch_id])[batch_id].reason == "PartitionConfig")
        assert engine.status([batch_id])[batch_id].state is EngineState.QUEUED
        engine.cancel(batch_id)

    def test_raw_options_are_those_the_settings_allow(
        self, make_slurm, make_spec, wait_for, slurm_site
    ):
        engine = make_slurm(allowed_options=["--nice=*", "--comment=*"])
        spec = replace(make_spec("true"), options=("--nice=7", "--comment=a $(b) 'c'"))
        batch_id = engine.submit(spec)
        assert wait_for(engine, batch_id).succeeded
        shown = slurm_site.run("scontrol", "show", "job", batch_id.partition("/")[0])
        assert "Nice=7" in shown
        assert "Comment=a $(b) 'c'" in shown
        for option in ("--uid=0", "--nice", "x", "--comment=a\n--uid=0"):
            with pytest.raises(BadRequestError, match="do not allow"):
                engine.submit(replace(make_spec("true"), options=(option,)))

    def test_job_runs_as_the_account_it_is_given(self, make_slurm, make_spec, wait_for, tmp_path):
        account = pwd.getpwnam("nobody")
        for place in (tmp_path, *tmp_path.parents):
            if place.stat().st_uid == os.getuid() and place != Path("/"):
                place.chmod(place.stat().st_mode | 0o011)
        engine = make_slurm(python="/usr/bin/python3")
        spec = replace(make_spec("sh", "-c", "id -un; id -Gn; umask"), run_as="nobody")
        spec = replace(spec, stdout=spec.folder / "out", stderr=spec.folder / "err")
        os.chown(spec.folder, account.pw_uid, account.pw_gid)
        status = wait_for(engine, engine.submit(spec))
        assert status.succeeded, status
        assert spec.stdout.read_text() == "nobody\nnogroup\n0077\n"
        assert spec.stdout.stat().st_uid == account.pw_uid
        with pytest.raises(BadRequestError, match="no account of this machine: 'no-such-user'"):
            engine.submit(replace(make_spec("true"), run_as="no-such-user"))

    def test_submission_that_was_cut_short_is_found_again(
        self, make_slurm, make_spec, wait_for, tmp_path
    ):
        """As after a crash between Slurm's answer and the record of it, jobs and arrays alike."""
        engine = make_slurm(defaults={"queue": "batch"})
        specs = [replace(make_spec("sleep", "1000"), name="alone")]
        specs += [make_spec("sleep", "1000") for _ in range(3)]
        batch_ids = engine.submit_many(specs)
        for one in batch_ids:
            wait_for(engine, one, EngineState.RUNNING)
        for path in (tmp_path / "engine" / "jobs").glob("*/id"):
            path.unlink()
        for path in (tmp_path / "engine" / "jobs").glob("*/run/start.json"):
            path.unlink()
        again = make_slurm(defaults={"queue": "batch"})
        assert again.submit_many(specs) == batch_ids
        assert again.find([MARK]) == {}

    def test_id_that_another_job_has_now_is_not_taken_for_ours(
        self, make_slurm, make_spec, wait_for, slurm_site, tmp_path
    ):
        """As after Slurm was set up anew and counts from 1 again."""
        engine = make_slurm()
        spec = make_spec("true")
        wait_for(engine, engine.submit(spec))
        run_folder = tmp_path / "engine" / "jobs" / spec.mark / "run"
        for name in ("start.json", "end.json"):
            (run_folder / name).unlink()
        other = slurm_site.run("sbatch", "--parsable", "-o", "/dev/null", "--wrap=true").strip()
        taken = f"{other}/{spec.mark}"
        assert engine.status([taken]) == {}
        with pytest.raises(NotFoundError):
            engine.cancel(taken)

    def test_slurm_that_is_down_is_an_error_and_jobs_end_meanwhile(
        self, make_slurm, make_spec, wait_for, slurm_site
    ):
        engine = make_slurm(timeout_seconds=2)
        spec = make_spec("sh", "-c", "while ! [ -e go ]; do sleep 0.1; done; exit 5")
        batch_id = engine.submit(spec)
        wait_for(engine, batch_id, EngineState.RUNNING)
        slurm_site.stop_controller()
        try:
            (spec.folder / "go").touch()
            with pytest.raises(EngineError, match="squeue"):
                engine.status([batch_id])
            late = make_spec("true")
            with pytest.raises(EngineError, match="sbatch"):
                engine.submit(late)
        finally:
            slurm_site.start_controller()
            slurm_site.wait_for_controller()
        assert wait_for(engine, batch_id, seconds=60).exit_code == 5
        assert wait_for(engine, engine.submit(late), seconds=60).succeeded


def test_capabilities_tell_whether_there_is_accounting(tmp_path):
    settings = {"command_folder": "/usr/bin"}
    for accounting in (False, True):
        engine = SlurmEngine({**settings, "accounting": accounting}, tmp_path / "engine")
        assert (Capability.ACCOUNTING in engine.capabilities) is accounting


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "command_folder is missing"),
        ({"command_folder": "/no/such"}, "command_folder is not a folder: '/no/such'"),
        ({"command_folder": "/usr/bin", "colour": 1}, "unknown setting 'colour'"),
        ({"command_folder": "/usr/bin", "accounting": "yes"}, "accounting must be like False"),
        ({"command_folder": "/usr/bin", "array_limit": 0}, "array_limit"),
        ({"command_folder": "/usr/bin", "defaults": {"colour": 1}}, "no resource 'colour'"),
        ({"command_folder": "/usr/bin", "defaults": {"queue": "-x"}}, "'-x'"),
        ({"command_folder": "/usr/bin", "environment": {"A": 1}}, "environment"),
        ({"command_folder": "/usr/bin", "python": "python3"}, "absolute path"),
    ],
)
def test_wrong_settings_are_named(tmp_path, settings, named):
    with pytest.raises(BadRequestError, match=named):
        SlurmEngine(settings, tmp_path / "engine")


def test_one_garbled_answer_of_a_command_spoils_one_job(tmp_path, make_spec, wait_for):
    """The commands are scripts here: what a real Slurm never prints."""
    commands = tmp_path / "commands"
    commands.mkdir()

    def command(name, text):
        (commands / name).write_text(f"#!/bin/sh\n{text}\n")
        (commands / name).chmod(0o755)

    engine = SlurmEngine({"command_folder": str(commands), "array_limit": 1}, tmp_path / "engine")
    specs = [make_spec("true") for _ in range(2)]
    command(
        "sbatch", 'n=$(cat "$0.n" 2>/dev/null || echo 0); n=$((n + 1)); echo $n > "$0.n"; echo $n'
    )
    first, second = engine.submit_many(specs)
    names = [f"a.{spec.mark}" for spec in specs]
    form = "%s\\037%s\\037%s\\037None\\037\\037\\037n1\\037%s\\n"
    rows = [
        f"printf '{form}' \"${{6%%?%i*}}\" {number} {state} {name}"
        for number, state, name in zip((1, 2), ("WEIRD", "RUNNING"), names, strict=True)
    ]
    command("squeue", f"{rows[0]}\necho rubbish\n{rows[1]}")
    statuses = engine.status([first, second])
    assert statuses[first].state is EngineState.UNKNOWN
    assert statuses[second].state is EngineState.RUNNING
    command("squeue", "echo 'slurm_load_jobs error: gone' >&2; exit 1")
    with pytest.raises(EngineError, match="slurm_load_jobs error: gone"):
        engine.status([first])
    command("sbatch", "echo Submitted")
    with pytest.raises(EngineError, match="sbatch gave no job id: 'Submitted'"):
        engine.submit(make_spec("true"))
    subprocess.run(["rm", "-r", str(commands)], check=True)
