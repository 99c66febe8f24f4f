"""How the commands of batch systems are run."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from batch.command import CommandFailedError, Commands
from ijp.errors import BadRequestError, EngineError


@pytest.fixture
def make_commands(tmp_path):
    """Makes runners over one folder of scripts; the keywords are the scripts by name."""

    def make(timeout_seconds=20.0, environment=None, output_limit_bytes=10**6, **scripts):
        for name, text in scripts.items():
            path = tmp_path / name
            path.write_text(f"#!/bin/sh\n{text}\n")
            path.chmod(0o755)
        return Commands(
            folder=tmp_path,
            environment=environment or {},
            timeout_seconds=timeout_seconds,
            output_limit_bytes=output_limit_bytes,
        )

    return make


def test_arguments_arrive_as_they_are_and_no_shell_sees_them(make_commands):
    show = make_commands(show="printf '%s|' \"$@\"")
    sent = ["a b", "$(id)", "'", "-x", "", "new\nline"]
    assert show.run(["show", *sent]).stdout == "".join(f"{text}|" for text in sent)


def test_command_gets_no_environment_but_its_own(make_commands, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_SERVER", "x")
    answer = make_commands(show="env", environment={"SLURM_CONF": "/x"}).run(["show"])
    shown = dict(line.split("=", 1) for line in answer.stdout.splitlines())
    assert {name: shown.get(name) for name in ("SLURM_CONF", "TZ", "LC_ALL")} == {
        "SLURM_CONF": "/x",
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
    }
    assert "SECRET_OF_THE_SERVER" not in shown


def test_command_is_looked_for_in_its_folder_only(make_commands):
    with pytest.raises(EngineError, match="cannot be run"):
        make_commands().run(["true"])


def test_failure_names_the_command_the_code_and_the_first_line(make_commands):
    fails = make_commands(fails="echo; echo 'no such queue' >&2; echo more >&2; exit 7")
    with pytest.raises(CommandFailedError) as failure:
        fails.run(["fails", "-q", "x"])
    assert failure.value.message == "fails -q x: exit code 7: no such queue"
    assert failure.value.answer.exit_code == 7


def test_command_that_hangs_is_killed_with_what_it_started(make_commands):
    hangs = make_commands(hangs="sleep 1000 & echo $! > pid; wait", timeout_seconds=0.5)
    hangs = Commands(folder=hangs.folder, timeout_seconds=0.5)
    (hangs.folder / "hangs").write_text(
        f"#!/bin/sh\nsleep 1000 & echo $! > {hangs.folder}/pid; wait\n"
    )
    with pytest.raises(EngineError, match=r"hangs: no answer after 0\.5 s"):
        hangs.run(["hangs"])
    pid = (hangs.folder / "pid").read_text().strip()
    end = time.monotonic() + 10
    while Path("/proc", pid).exists() and "Z" not in Path("/proc", pid, "stat").read_text():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_command_that_closes_its_outputs_and_hangs_is_killed(make_commands):
    closes = make_commands(closes="exec >&- 2>&-; sleep 1000", timeout_seconds=0.3)
    with pytest.raises(EngineError, match="no answer"):
        closes.run(["closes"])


def test_what_a_command_leaves_running_is_neither_waited_for_nor_killed(make_commands):
    """As a command that starts its server when it is first called."""
    commands = make_commands(leaves="sleep 30 & echo $!; exit 0")
    answer = commands.run(["leaves"])
    pid = int(answer.stdout)
    os.kill(pid, signal.SIGKILL)


def test_all_that_a_command_wrote_is_read(make_commands):
    answer = make_commands(writes="head -c 700000 /dev/zero; echo end >&2").run(["writes"])
    assert (len(answer.stdout), answer.stderr) == (700_000, "end\n")


def test_command_that_writes_for_ever_is_killed(make_commands):
    with pytest.raises(EngineError, match="wrote more than 1000000 bytes"):
        make_commands(floods="exec cat /dev/zero").run(["floods"])


def test_garbage_is_read_and_the_rest_kept(make_commands):
    answer = make_commands(garbage=r"printf 'a\377b\n'").run(["garbage"])
    assert answer.stdout == "a\ufffdb\n"


def test_standard_input_is_what_was_given_even_if_nobody_reads_it(make_commands):
    commands = make_commands(cat="exec cat", ignores="exit 0")
    text = "x" * 300_000
    assert commands.run(["cat"], stdin=text).stdout == text
    assert commands.run(["ignores"], stdin=text).exit_code == 0
    assert commands.run(["cat"]).stdout == ""


@pytest.mark.parametrize("user", ["-x", "a b", "root;id", "../x", "a" * 40])
def test_what_is_no_account_is_refused(make_commands, user):
    with pytest.raises(BadRequestError, match="not the name of an account"):
        make_commands(show="id").run(["show"], user=user)


def test_command_runs_as_another_account_with_nothing_of_the_server(make_commands, monkeypatch):
    if os.geteuid() != 0:
        pytest.fail("only root can become another account: run the tests as root")
    monkeypatch.setenv("SECRET_OF_THE_SERVER", "x")
    commands = make_commands(show="id -un; id -Gn; env", environment={"A": "$b c"})
    for place in (commands.folder, *commands.folder.parents):
        if place.stat().st_uid == 0 and place != Path("/"):
            subprocess.run(["chmod", "o+x", str(place)], check=True)
    user, groups, *variables = commands.run(["show"], user="nobody").stdout.splitlines()
    assert (user, groups) == ("nobody", "nogroup")
    assert "A=$b c" in variables
    assert not any(line.startswith("SECRET") for line in variables)
