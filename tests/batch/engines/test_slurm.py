"""What only Slurm does, on a real one."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from batch.engine import Capability, Dependency, EngineState, When
from batch.engines.slurm import SlurmEngine, together
from ijp.errors import BadRequestError, ConflictError, EngineError, NotFoundError

MARK = "01JBQ6Z9M3X5T7V9W1Y3A5C7E9"


@pytest.mark.parametrize(
    ("native_ids", "words"),
    [
        (["17"], ["17"]),
        (["17_1", "17_2", "17_3"], ["17_[1-3]"]),
        (["17_9", "4", "17_2", "18_5", "17_3"], ["4", "17_[2-3,9]", "18_[5]"]),
        (["17_x", "17_"], ["17_x", "17_"]),
    ],
)
def test_elements_of_an_array_are_one_word(native_ids, words):
    assert together(native_ids) == words


@pytest.mark.slow
class TestRealSlurm:
    """On the cluster of the tests."""

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

    def test_elements_of_an_array_are_held_and_cancelled_by_one_command(
        self, make_slurm, make_spec, slurm_site, wait_for
    ):
        engine = make_slurm()
        specs = [make_spec("sh", "-c", "echo ran > ran; exec sleep 1000") for _ in range(6)]
        batch_ids = engine.submit_many(specs)
        for batch_id in batch_ids[:2]:
            wait_for(engine, batch_id, EngineState.RUNNING)
        answers = engine.hold_many(batch_ids)
        assert [type(one) for one in answers] == [ConflictError] * 2 + [type(None)] * 4
        assert {engine.status([one])[one].state for one in batch_ids[2:]} == {EngineState.HELD}
        assert engine.release_many(batch_ids[2:5]) == [None] * 3
        assert engine.cancel_many(batch_ids) == [None] * 6
        for batch_id in batch_ids:
            assert wait_for(engine, batch_id).reason == "cancelled"
        assert not any((spec.folder / "ran").exists() for spec in specs[2:])

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
    form = "%s\\037%s\\037%s\\037None\\037\\037\\037n1\\037ana\\037short\\037\\037%s\\n"
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
