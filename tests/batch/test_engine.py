"""What every batch engine must do; each kind runs through all of it (see ``make_engine``)."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch.engine import Capability, EngineState
from ijp.errors import (
    BadRequestError,
    ConflictError,
    NotFoundError,
    NotImplementedHereError,
)

PRINT_ARGUMENTS = (
    "import os, sys; os.write(1, b''.join(os.fsencode(a) + b'\\0' for a in sys.argv[1:]))"
)


@pytest.fixture
def engine(make_engine):
    return make_engine()


def test_job_succeeds_and_its_output_and_times_are_kept(engine, make_spec, wait_for):
    before = datetime.now(UTC)
    spec = make_spec("sh", "-c", "echo good; echo bad >&2")
    status = wait_for(engine, engine.submit(spec))
    assert (status.exit_code, status.signal, status.reason) == (0, None, "")
    assert status.succeeded
    assert (spec.stdout.read_text(), spec.stderr.read_text()) == ("good\n", "bad\n")
    assert status.started is not None
    assert status.ended is not None
    assert before - timedelta(seconds=1) < status.started <= status.ended <= datetime.now(UTC)
    assert status.node


def test_exit_code_is_kept(engine, make_spec, wait_for):
    status = wait_for(engine, engine.submit(make_spec("sh", "-c", "exit 77")))
    assert (status.exit_code, status.signal, status.reason) == (77, None, "")
    assert not status.succeeded


@pytest.mark.parametrize("code", [99, 100])
def test_exit_codes_that_mean_something_to_batch_systems_are_the_programs_own(
    engine, make_spec, wait_for, code
):
    """Sites have jobs that end with these started again, or held."""
    status = wait_for(engine, engine.submit(make_spec("sh", "-c", f"exit {code}")))
    assert (status.exit_code, status.reason) == (code, "")


def test_signal_is_kept(engine, make_spec, wait_for):
    status = wait_for(engine, engine.submit(make_spec("sh", "-c", "kill -SEGV $$")))
    assert (status.exit_code, status.signal, status.reason) == (None, signal.SIGSEGV, "")
    assert not status.succeeded


TEXTS = st.lists(st.text(st.characters(exclude_characters="\0")), max_size=5)


@settings(
    max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(TEXTS, min_size=1, max_size=8))
def test_program_gets_the_arguments_as_they_were_sent(engine, make_spec, wait_for, jobs):
    """Security 3: no shell between; the empty text, newlines and quotes included."""
    jobs = [[text for text in arguments if _can_be_passed(text)] for arguments in jobs]
    specs = [make_spec(*arguments, python=PRINT_ARGUMENTS) for arguments in jobs]
    batch_ids = engine.submit_many(specs)
    for batch_id, spec, arguments in zip(batch_ids, specs, jobs, strict=True):
        assert wait_for(engine, batch_id).succeeded
        assert spec.stdout.read_bytes() == b"".join(os.fsencode(text) + b"\0" for text in arguments)


def _can_be_passed(text):
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def test_arguments_that_a_shell_would_change_arrive(engine, make_spec, wait_for):
    sent = ["", "a\nb", "$(id)", "`id`", "'", '"', "*", ";", "a b", "--", "\udcff", "-x="]
    spec = make_spec(*sent, python=PRINT_ARGUMENTS)
    assert wait_for(engine, engine.submit(spec)).succeeded
    assert spec.stdout.read_bytes().split(b"\0")[:-1] == [os.fsencode(text) for text in sent]


def test_environment_is_only_what_was_given(engine, make_spec, wait_for, monkeypatch):
    """Security 5: nothing of the server's environment reaches a job."""
    monkeypatch.setenv("SECRET_OF_THE_SERVER", "x")
    show = "import os; [os.write(1, b'%s=%s\\0' % p) for p in sorted(os.environb.items())]"
    spec = make_spec(python=show, environment={"LC_ALL": "C.UTF-8", "GIVEN": "a=b\nc"})
    assert wait_for(engine, engine.submit(spec)).succeeded
    shown = dict(pair.split("=", 1) for pair in spec.stdout.read_text().split("\0")[:-1])
    assert shown == {
        "GIVEN": "a=b\nc",
        "IJP_MARK": spec.mark,
        "LC_ALL": "C.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
    }


def test_job_runs_in_its_folder_with_nothing_to_read(engine, make_spec, wait_for):
    spec = make_spec("sh", "-c", "pwd; cat; ls -l /proc/self/fd | wc -l")
    assert wait_for(engine, engine.submit(spec)).succeeded
    assert spec.stdout.read_text().splitlines() == [str(spec.folder), "5"]


def test_second_submission_of_a_mark_starts_nothing(engine, make_spec, wait_for):
    spec = make_spec("sh", "-c", "echo run >> ran")
    first = engine.submit(spec)
    assert engine.submit(spec) == first
    wait_for(engine, first)
    assert engine.submit(spec) == first
    assert engine.submit_many([spec, spec]) == [first, first]
    time.sleep(0.2)
    assert (spec.folder / "ran").read_text() == "run\n"


def test_find_knows_marks_and_only_those(engine, make_spec):
    spec = make_spec("true")
    batch_id = engine.submit(spec)
    assert engine.find([spec.mark, "0" * 26]) == {spec.mark: batch_id}


def test_unknown_job_is_absent_from_the_status(engine, make_spec, wait_for):
    batch_id = engine.submit(make_spec("true"))
    assert set(engine.status([batch_id, "0" * 26, "never", "'\""])) == {batch_id}
    assert engine.status([]) == {}


@pytest.mark.parametrize("program", ["no-such-program", "./missing", "/nowhere/at/all"])
def test_missing_program_is_named(engine, make_spec, wait_for, program):
    status = wait_for(engine, engine.submit(make_spec(program, "-x")))
    assert (status.exit_code, status.reason) == (127, f"program not found: {program}")
    assert not status.succeeded


def test_program_that_is_not_executable_is_named(engine, make_spec, wait_for):
    status = wait_for(engine, engine.submit(make_spec("/etc/passwd")))
    assert (status.exit_code, status.reason) == (
        126,
        "program cannot be run: /etc/passwd: Permission denied",
    )


def test_program_whose_interpreter_is_missing_is_told_from_a_missing_program(
    engine, make_spec, wait_for
):
    spec = make_spec("./script")
    script = spec.folder / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    status = wait_for(engine, engine.submit(spec))
    assert (status.exit_code, status.succeeded) == (127, False)
    assert status.reason == "program cannot be run: ./script: what its first line names is missing"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"mark": "short"}, "'short'"),
        ({"mark": "../../../../../etc/shadow0"}, "etc/shadow0"),
        ({"owner": ""}, "owner"),
        ({"argv": ()}, "no program"),
        ({"argv": ("true", "a\0b")}, "NUL"),
        ({"argv": ("true", "\ud800")}, "not text"),
        ({"environment": {"A": "\0"}}, "NUL"),
        ({"environment": {"A=B": "x"}}, "'A=B'"),
        ({"folder": Path("/no/such/folder")}, "/no/such/folder"),
        ({"stdout": Path("relative")}, "relative"),
        ({"output_limit_bytes": 0}, "output_limit_bytes"),
    ],
)
def test_spec_that_cannot_run_is_refused(engine, make_spec, change, named):
    spec = replace(make_spec("true"), **change)
    with pytest.raises(BadRequestError) as refusal:
        engine.submit(spec)
    assert named in refusal.value.message
    assert engine.find([spec.mark]) == {}


def test_one_refused_spec_stops_no_other(engine, make_spec, wait_for):
    good, bad, last = make_spec("true"), make_spec("true", "\0"), make_spec("true")
    answers = engine.submit_many([good, bad, last])
    assert isinstance(answers[1], BadRequestError)
    assert [wait_for(engine, answers[place]).succeeded for place in (0, 2)] == [True, True]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_path_that_is_a_link_is_refused(engine, make_spec, wait_for, stream, tmp_path):
    """Security 7."""
    target = tmp_path / "target"
    target.write_text("precious")
    spec = make_spec("sh", "-c", "echo x; echo x >&2; echo ran > ran")
    getattr(spec, stream).symlink_to(target)
    status = wait_for(engine, engine.submit(spec))
    assert not status.succeeded
    assert status.reason == f"cannot create {getattr(spec, stream)}: File exists"
    assert target.read_text() == "precious"
    assert not (spec.folder / "ran").exists()


def test_output_that_is_replaced_by_a_link_is_not_followed(engine, make_spec, wait_for, tmp_path):
    """Security 7: what the job does to its own file reaches no other."""
    target = tmp_path / "target"
    target.write_text("precious")
    spec = make_spec("sh", "-c", 'rm "$1"; ln -s "$2" "$1"; echo more', "sh", "OUT", str(target))
    spec = replace(spec, argv=(*spec.argv[:4], str(spec.stdout), spec.argv[5]))
    assert wait_for(engine, engine.submit(spec)).succeeded
    assert target.read_text() == "precious"


def test_output_files_are_private(engine, make_spec, wait_for):
    spec = make_spec("true")
    wait_for(engine, engine.submit(spec))
    assert [path.stat().st_mode & 0o777 for path in (spec.stdout, spec.stderr)] == [0o600] * 2


def test_output_grows_while_the_job_runs(engine, make_spec, wait_for, wait_until):
    if Capability.LIVE_OUTPUT not in engine.capabilities:
        pytest.skip("this engine has no live output")
    spec = make_spec("sh", "-c", "echo first; while ! [ -e go ]; do sleep 0.02; done; echo second")
    batch_id = engine.submit(spec)
    wait_until(lambda: spec.stdout.exists() and spec.stdout.read_text() == "first\n")
    assert engine.status([batch_id])[batch_id].state is EngineState.RUNNING
    (spec.folder / "go").touch()
    wait_for(engine, batch_id)
    assert spec.stdout.read_text() == "first\nsecond\n"


def test_output_is_cut_at_the_limit_and_says_so(engine, make_spec, wait_for):
    """Security 16."""
    spec = make_spec("sh", "-c", "printf 123456789; echo done >&2", limit=5)
    assert wait_for(engine, engine.submit(spec)).succeeded
    assert spec.stdout.read_text() == "12345\n… output truncated at 5 bytes\n"
    assert spec.stderr.read_text() == "done\n"


def test_output_of_exactly_the_limit_is_whole(engine, make_spec, wait_for):
    spec = make_spec("printf", "12345", limit=5)
    wait_for(engine, engine.submit(spec))
    assert spec.stdout.read_text() == "12345"


def test_running_job_is_cancelled_with_its_children(engine, make_spec, wait_for, wait_until):
    spec = make_spec("sh", "-c", "sleep 1000 & echo $!; exec sleep 1000")
    batch_id = engine.submit(spec)
    wait_until(lambda: spec.stdout.exists() and spec.stdout.read_text())
    engine.cancel(batch_id)
    status = wait_for(engine, batch_id)
    assert (status.signal, status.reason) == (signal.SIGTERM, "cancelled")
    assert not Path("/proc", spec.stdout.read_text().strip()).exists()


def test_job_that_ignores_the_request_is_killed(engine, make_spec, wait_for, wait_until):
    spec = make_spec("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1000; done")
    batch_id = engine.submit(spec)
    wait_until(lambda: spec.stdout.exists() and spec.stdout.read_text())
    engine.cancel(batch_id)
    status = wait_for(engine, batch_id)
    assert (status.signal, status.reason) == (signal.SIGKILL, "cancelled")


def test_cancelled_job_that_ends_with_0_has_not_succeeded(engine, make_spec, wait_for, wait_until):
    spec = make_spec("sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    batch_id = engine.submit(spec)
    wait_until(lambda: spec.stdout.exists() and spec.stdout.read_text())
    engine.cancel(batch_id)
    status = wait_for(engine, batch_id)
    assert (status.exit_code, status.reason, status.succeeded) == (0, "cancelled", False)


def test_queued_and_held_jobs_are_cancelled_at_once(engine, make_spec, wait_for):
    running = [engine.submit(make_spec("sleep", "1000")) for _ in range(2)]
    queued, held = (engine.submit(make_spec("sh", "-c", "echo ran > ran")) for _ in range(2))
    if Capability.HOLD in engine.capabilities:
        engine.hold(held)
    is_waiting = engine.status([queued])[queued].state is EngineState.QUEUED
    if Capability.HOLD not in engine.capabilities and not is_waiting:
        pytest.skip(f"the {engine.name} engine has no queue here")
    for batch_id in (queued, held):
        engine.cancel(batch_id)
        status = engine.status([batch_id])[batch_id]
        assert (status.state, status.reason) == (EngineState.ENDED, "cancelled")
        assert (status.started, status.exit_code, status.succeeded) == (None, None, False)
    for batch_id in running:
        engine.cancel(batch_id)


def test_cancelling_an_ended_job_changes_nothing(engine, make_spec, wait_for):
    batch_id = engine.submit(make_spec("true"))
    before = wait_for(engine, batch_id)
    engine.cancel(batch_id)
    after = engine.status([batch_id])[batch_id]
    # Systems and the runner may call a node by different names.
    assert replace(after, node=before.node) == before


def test_unknown_jobs_cannot_be_changed(engine):
    changes = {
        Capability.HOLD: engine.hold,
        Capability.RELEASE: engine.release,
        Capability.SUSPEND: engine.suspend,
        Capability.REQUEUE: engine.requeue,
    }
    for capability, change in changes.items():
        wrong = NotFoundError if capability in engine.capabilities else NotImplementedHereError
        with pytest.raises(wrong):
            change("0" * 26)
    with pytest.raises(NotFoundError):
        engine.cancel("0" * 26)


def test_ended_job_is_forgotten_and_its_output_stays(engine, make_spec, wait_for):
    spec = make_spec("echo", "kept")
    batch_id = engine.submit(spec)
    wait_for(engine, batch_id)
    engine.forget(batch_id)
    engine.forget(batch_id)
    assert (engine.status([batch_id]), engine.find([spec.mark])) == ({}, {})
    assert spec.stdout.read_text() == "kept\n"


def test_running_job_is_not_forgotten(engine, make_spec, wait_for):
    batch_id = engine.submit(make_spec("sleep", "1000"))
    wait_for(engine, batch_id, EngineState.RUNNING)
    with pytest.raises(ConflictError):
        engine.forget(batch_id)
    engine.cancel(batch_id)


def test_daemons_end_with_their_job(engine, make_spec, wait_for):
    """Security 8: what left its session, parent and environment does not outlive the job."""
    with tempfile.TemporaryDirectory() as outside:
        Path(outside).chmod(0o777)
        program = (
            "for i in 1 2 3; do env -i setsid -f sh -c 'echo $$ >> pids; exec sleep 1000'; done;"
            "setsid -f sh -c 'setsid -f sleep 1001';"
            "until [ -e pids ] && [ $(wc -l < pids) = 3 ]; do sleep 0.01; done"
        )
        spec = replace(make_spec("/bin/sh", "-c", program), folder=Path(outside))
        assert wait_for(engine, engine.submit(spec)).succeeded
        pids = (spec.folder / "pids").read_text().split()
    assert len(pids) == 3
    assert [pid for pid in pids if Path("/proc", pid).exists()] == []
