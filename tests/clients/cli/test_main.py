"""The command as a whole: its help, its speed, and how it ends (req. 26, 82, 83)."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ijp.cli.main import _COMMANDS

pytestmark = pytest.mark.slow

IJP = Path(sys.executable).with_name("ijp")


def test_help_lists_every_command_of_the_day(stranger):
    told = stranger.says("--help")
    day = "login logout session refresh search show upload download jobtype submit status output"
    for name in (*day.split(), "cancel", "delete", "provenance"):
        assert f"\n  {name}  " in told
    assert "Exit status" in told


@pytest.mark.parametrize("name", _COMMANDS)
def test_each_command_explains_itself(stranger, name):
    """What the list says is what the command's own help begins with, or says more shortly."""
    told = stranger.says(name, "--help")
    assert told.startswith(f"Usage: ijp {name} ")
    assert _COMMANDS[name][1].split()[0] in told


def test_help_needs_neither_network_nor_its_libraries():
    """A third of a second on a busy machine: HTTP and tables are imported by who uses them."""
    script = (
        "import sys\n"
        "from ijp.cli.main import ijp\n"
        "ijp(['--help'], standalone_mode=False)\n"
        "print(sorted({'requests', 'rich', 'urllib3'} & sys.modules.keys()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("\n[]\n")


def test_unknown_command_is_wrong_usage(stranger):
    assert "No such command 'serch'" in stranger.refuses("serch", code=2)


def test_without_arguments_it_explains_itself(stranger):
    assert "Commands:" in stranger.run(code=2).stderr


def test_version_is_told(stranger):
    assert stranger.says("--version").startswith("ijp, version ")


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        (["show", "999999"], 5, "not-found"),
        (["search", "--where", "nosuch = 1"], 7, "validation"),
        (["submit", "nosuch"], 5, "not-found"),
    ],
)
def test_with_json_an_error_is_json_too(ana, words, code, kind):
    error = json.loads(ana.refuses("--json", *words, code=code))["error"]
    assert error["code"] == kind
    assert error["message"]


def test_broken_pipe_is_silent(ana, portal, fresh):
    """``ijp … | head -1``"""
    portal.dataset(fresh("pipe"))
    done = subprocess.run(
        ["/bin/sh", "-c", f"'{IJP}' search | true; '{IJP}' --json jobtype | true"],
        capture_output=True,
        text=True,
        env=ana.for_processes(),
    )
    assert done.stderr == ""


def test_full_disk_is_told_in_a_sentence(ana, portal, fresh):
    portal.dataset(fresh("full"))
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [IJP, "search"], stdout=full, stderr=subprocess.PIPE, text=True, env=ana.for_processes()
        )
    assert (done.returncode, done.stderr) == (1, "ijp: No space left on device\n")


def test_interrupt_ends_it_with_its_own_status(ana, portal):
    """Ctrl-C while a job is watched; the job goes on."""
    number = ana.says("submit", "tool", "steps", "60").strip()
    watching = subprocess.Popen(
        [IJP, "status", number, "--watch"],
        env=ana.for_processes(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    portal.wait(int(number), "Executing")
    time.sleep(1.5)
    watching.send_signal(2)
    _, error = watching.communicate(timeout=10)
    assert watching.returncode == 130, error
    assert "Traceback" not in error
    assert portal.user().job(number)["state"] == "Executing"
    ana.says("cancel", number)


def test_secrets_are_neither_arguments_nor_in_addresses(portal, stranger):
    """security 3, 5: what ``ps`` shows and what servers log."""
    line = ["--portal", portal.url, "login", "simple", "username", "ana", "password"]
    told = stranger.refuses(*line, "geheim", code=2)
    assert "do not write the password on the command line" in told
    assert "geheim" not in told
