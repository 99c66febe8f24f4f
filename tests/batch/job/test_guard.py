"""What is between a batch system that kills at once and the runner."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from batch.job import far_guard, guard
from tests.peers.standin.processes import children

# In place of the real runner: it says who it is, and what it was told.
RUNNER = """
import os, signal, subprocess, sys, time
def told(number, frame):
    open("told", "w").write(str(number))
    sys.exit(7)
signal.signal(signal.SIGTERM, told)
child = subprocess.Popen(["sleep", "1000"])
open("pids.new", "w").write(f"{os.getpid()} {child.pid} {os.getsid(0)}")
os.rename("pids.new", "pids")
try:
    how = sys.argv[1]
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    while how == "wait":
        time.sleep(0.01)
    sys.exit(int(how))
finally:
    child.kill()
"""


@pytest.fixture
def place(tmp_path):
    """Where both guards are, with a runner that does as told."""
    folder = tmp_path / "batch" / "job"
    folder.mkdir(parents=True)
    for one in (guard, far_guard):
        shutil.copy(one.__file__, folder)
    (folder / "runner.py").write_text(RUNNER)
    return folder


@pytest.fixture(params=["guard.py", "far_guard.py"])
def guarded(request, tmp_path, place):
    """Starts a guard over a runner that does as told."""
    started = []

    def start(how, name=request.param):
        line = [sys.executable, "-I", "-S", str(place / name), how]
        started.append(subprocess.Popen(line, cwd=tmp_path, start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
    if (tmp_path / "pids").exists():
        for pid in (tmp_path / "pids").read_text().split()[:2]:
            if Path("/proc", pid).exists():
                os.kill(int(pid), signal.SIGKILL)


def pids_of(folder, wait_until):
    wait_until((folder / "pids").exists)
    return [int(pid) for pid in (folder / "pids").read_text().split()]


@pytest.mark.parametrize(("how", "code"), [("0", 0), ("42", 42), ("kill", 137)])
def test_exit_code_is_that_of_the_runner(guarded, how, code):
    assert guarded(how).wait(20) == code


def test_runner_is_in_no_session_of_the_batch_system(guarded, tmp_path, wait_until):
    process = guarded("wait")
    _, _, session = pids_of(tmp_path, wait_until)
    assert session != os.getsid(process.pid)


def test_request_to_end_is_passed_on(guarded, tmp_path, wait_until):
    process = guarded("wait")
    pids_of(tmp_path, wait_until)
    process.terminate()
    assert process.wait(20) == 7
    assert (tmp_path / "told").read_text() == str(int(signal.SIGTERM))


def test_runner_is_told_to_end_when_the_job_is_killed_at_once(guarded, tmp_path, wait_until):
    process = guarded("wait")
    pids_of(tmp_path, wait_until)
    os.killpg(process.pid, signal.SIGKILL)
    wait_until((tmp_path / "told").exists)


def test_all_stand_still_while_the_job_is_stopped(guarded, tmp_path, wait_until):
    process = guarded("wait")
    runner, child, _ = pids_of(tmp_path, wait_until)
    os.kill(process.pid, signal.SIGSTOP)
    wait_until(lambda: [guard._state(pid) for pid in (runner, child)] == ["T", "T"])
    os.kill(process.pid, signal.SIGCONT)
    wait_until(lambda: "T" not in [guard._state(pid) for pid in (runner, child)])


def test_job_that_is_killed_while_it_is_stopped_ends(guarded, tmp_path, wait_until):
    process = guarded("wait")
    runner, _, _ = pids_of(tmp_path, wait_until)
    os.kill(process.pid, signal.SIGSTOP)
    wait_until(lambda: guard._state(runner) == "T")
    os.killpg(process.pid, signal.SIGKILL)
    wait_until((tmp_path / "told").exists)


def test_runner_is_told_to_end_when_all_descendants_of_the_job_are_killed(
    guarded, tmp_path, wait_until
):
    process = guarded("wait", "far_guard.py")
    runner, _, _ = pids_of(tmp_path, wait_until)
    below = children(process.pid)
    assert runner not in below
    for pid in (*below, process.pid):
        os.kill(pid, signal.SIGKILL)
    wait_until((tmp_path / "told").exists)
