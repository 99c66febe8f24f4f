"""The runner of a job on its node, as a batch system starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ulid import ULID

from batch.job import runner


@pytest.fixture
def make_job(tmp_path):
    """Makes a job's folder; gives a function that runs it and the folder with the witnesses."""

    def make(*argv, mark=None, **changes):
        mark = mark or str(ULID())
        run_folder = tmp_path / "engine" / "jobs" / mark / "run"
        run_folder.mkdir(parents=True)
        limits = {
            "memory_bytes": None,
            "wall_seconds": None,
            "cpu_seconds": None,
            "processes": 100,
            "grace_seconds": 0.5,
        }
        spec = {
            "mark": mark,
            "argv": list(argv),
            "environment": {},
            "folder": str(tmp_path),
            "stdout": str(run_folder / "out"),
            "stderr": str(run_folder / "err"),
            "output_limit_bytes": 1000,
            "pass_variables": [],
            "limits": limits,
        }
        (run_folder / "spec.json").write_text(json.dumps(spec | changes))

        def start(batch_id="7", tag=mark, index="", **options):
            command = [sys.executable, "-I", "-S", runner.__file__]
            command += [str(tmp_path / "engine"), tag, batch_id, index]
            return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)

        return start, run_folder

    return make


def end_of(run_folder):
    return json.loads((run_folder / "end.json").read_text())


def test_end_is_recorded_with_its_usage(make_job):
    start, folder = make_job("sh", "-c", "echo hello; exit 3")
    process = start()
    process.communicate()
    end = end_of(folder)
    assert process.returncode == 3
    assert (end["id"], end["exit_code"], end["signal"], end["reason"]) == ("7", 3, None, "")
    assert end["started"] <= end["ended"]
    assert end["cpu_seconds"] >= 0
    assert end["peak_memory_bytes"] > 0
    assert (folder / "out").read_text() == "hello\n"


@pytest.mark.parametrize("code", [99, 100])
def test_codes_that_would_requeue_the_job_stay_in_the_record(make_job, code):
    start, folder = make_job("sh", "-c", f"exit {code}")
    process = start()
    process.communicate()
    assert process.returncode == runner.FAILED_HERE
    assert end_of(folder)["exit_code"] == code


def test_signal_is_told_as_a_shell_does(make_job):
    start, folder = make_job("sh", "-c", "kill -KILL $$")
    process = start()
    process.communicate()
    assert process.returncode == 128 + signal.SIGKILL
    assert end_of(folder)["signal"] == signal.SIGKILL


def test_job_that_was_submitted_twice_runs_once(make_job, tmp_path):
    start, folder = make_job("sh", "-c", f"echo ran >> {tmp_path}/ran")
    start("7").communicate()
    second = start("8")
    assert "this job runs, or ran, as 7" in second.communicate()[1]
    assert second.returncode == runner.FAILED_HERE
    assert (tmp_path / "ran").read_text() == "ran\n"
    assert end_of(folder)["id"] == "7"


def test_requeued_job_starts_anew_with_empty_outputs(make_job, tmp_path):
    """The first attempt ended as if its node had been taken from it."""
    first = f"[ -e {tmp_path}/ran ]"
    program = f"{first} || stop=1; echo ran >> {tmp_path}/ran; wc -l < {tmp_path}/ran"
    start, folder = make_job("sh", "-c", f"{program}; [ -z $stop ] || kill -TERM $$")
    for _ in range(2):
        start("7").communicate()
    assert (tmp_path / "ran").read_text() == "ran\n" * 2
    assert (folder / "out").read_text() == "2\n"
    assert end_of(folder)["exit_code"] == 0


@pytest.mark.parametrize("code", [0, 3])
def test_job_that_ended_by_itself_does_not_run_again(make_job, tmp_path, code):
    """As when a batch system lost its memory."""
    start, folder = make_job("sh", "-c", f"echo ran >> {tmp_path}/ran; exit {code}")
    ended = []
    for _ in range(2):
        process = start("7")
        process.communicate()
        assert process.returncode == code
        ended.append(end_of(folder))
    assert (tmp_path / "ran").read_text() == "ran\n"
    assert ended[0] == ended[1]


def test_output_that_is_not_the_earlier_attempts_is_not_removed_for_the_next(make_job):
    start, folder = make_job("sh", "-c", "kill -TERM $$")
    start("7").communicate()
    (folder / "kept").write_text("precious")
    (folder / "kept").rename(folder / "out")
    start("7").communicate()
    assert (folder / "out").read_text() == "precious"
    assert end_of(folder)["reason"] == f"cannot create {folder}/out: File exists"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_runner_that_is_told_to_stop_ends_the_program_and_records_it(make_job, number):
    start, folder = make_job("sh", "-c", "echo on; exec sleep 1000")
    process = start()
    while not (folder / "out").exists() or not (folder / "out").read_text():
        assert process.poll() is None
    process.send_signal(number)
    process.communicate(timeout=20)
    end = end_of(folder)
    assert (end["signal"], end["reason"]) == (signal.SIGTERM, runner.TOLD_TO_STOP)


def test_program_that_was_told_first_and_ended_well_is_not_one_that_ended_by_itself(make_job):
    """Batch systems tell all processes of a job to end, one after another."""
    program = 'trap "sleep 0.01; exit 0" TERM; echo on; while :; do sleep 0.01; done'
    start, folder = make_job("sh", "-c", program)
    process = start()
    while not (folder / "out").exists() or not (folder / "out").read_text():
        assert process.poll() is None
    (child,) = (
        Path("/proc", str(process.pid), "task", str(process.pid), "children").read_text().split()
    )
    os.kill(int(child), signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    end = end_of(folder)
    assert (end["exit_code"], end["reason"]) == (0, runner.TOLD_TO_STOP)


def test_element_of_an_array_is_the_mark_on_its_line(make_job, tmp_path):
    marks = [str(ULID()) for _ in range(3)]
    jobs = [make_job("echo", str(number), mark=mark) for number, mark in enumerate(marks)]
    array = tmp_path / "engine" / "arrays" / marks[0]
    array.mkdir(parents=True)
    (array / "marks").write_text("".join(f"{mark}\n" for mark in marks))
    jobs[0][0]("7_2", tag=marks[0], index="2").communicate()
    assert (jobs[1][1] / "out").read_text() == "1\n"
    assert end_of(jobs[1][1])["id"] == "7_2"
    assert not (jobs[0][1] / "start.json").exists()


def test_variables_of_the_system_reach_the_program_only_if_wanted(make_job):
    environment = {"PATH": "/usr/bin:/bin", "SLURM_JOB_ID": "7", "SECRET": "x"}
    start, folder = make_job("env", pass_variables=["SLURM_*"], environment={"GIVEN": "1"})
    start(env=environment).communicate()
    names = {line.partition("=")[0] for line in (folder / "out").read_text().splitlines()}
    assert names == {"PATH", "IJP_MARK", "SLURM_JOB_ID", "GIVEN"}


def test_program_is_as_nice_as_the_batch_system_wants(make_job):
    start, folder = make_job("nice")
    start().communicate()
    assert (folder / "out").read_text() == f"{os.nice(0)}\n"


def test_missing_spec_is_told_where_the_batch_system_keeps_it(make_job):
    start, folder = make_job("true")
    (folder / "spec.json").unlink()
    process = start()
    assert "spec.json" in process.communicate()[1]
    assert process.returncode == runner.FAILED_HERE


def test_a_job_without_a_lease_where_there_have_to_be_leases_does_not_begin(make_job, tmp_path):
    """A batch system started it although its prologue was not run, or had sent it back."""
    start, run_folder = make_job(
        "touch", str(tmp_path / "ran"), lease_variable="SLURM_JOB_ID", busy_exit_code=99
    )
    with start(env={"SLURM_JOB_ID": "17"}) as runner:
        assert runner.wait() == 99
    assert not (tmp_path / "ran").exists()
    assert sorted(os.listdir(run_folder)) == ["spec.json"]
