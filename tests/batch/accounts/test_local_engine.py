"""The local engine with accounts of pools: each job once, in an account of its own."""

from __future__ import annotations

import json
import sys
import threading
import time
import tomllib
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
from ulid import ULID

from tests.batch.accounts.node import HELPER, Jobs

pytestmark = pytest.mark.slow

NOTE = """
import os, sys, time
def note(what):
    line = f"{what} {sys.argv[1]} {os.environ['USER']} {time.monotonic()}\\n"
    file = os.open("/srv/shared/log", os.O_WRONLY | os.O_APPEND)
    os.write(file, line.encode())
note("start")
while not os.path.exists("/srv/shared/released"):
    time.sleep(0.02)
note("end")
"""


def new(*argv, **more):
    return {"mark": str(ULID()), "argv": list(argv), **more}


def python(text, *arguments, **more):
    return new("/usr/bin/python3", "-I", "-S", "-c", text, *arguments, **more)


@pytest.fixture(scope="module")
def node(make_node):
    return make_node(accounts=2)


def test_fifty_jobs_on_five_accounts_of_two_nodes(make_node):
    """Each runs exactly once, and no account ever has two; some have to wait for one."""
    nodes = [make_node(name, accounts=5) for name in ("na", "nb")]
    told = {}

    def run(node):
        node.write("/srv/shared/log", "", 0o666)
        jobs = []
        for number in range(25):
            mark = str(ULID())
            owner = f"user{number % 5}"
            argv = ["/usr/bin/python3", "-I", "-S", "-c", NOTE, mark]
            jobs.append({"mark": mark, "argv": argv, "owner": owner})
        released = {"release_when_one_waits": "/srv/shared/released"}
        told[node.name] = Jobs(node, slots=8).run(*jobs, seconds=250, **released)

    threads = [threading.Thread(target=run, args=(node,)) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for node in nodes:
        ended = told[node.name]
        assert [one["exit_code"] for one in ended] == [0] * 25, [one["reason"] for one in ended]
        assert any("all accounts of it are in use" in one["waited"] for one in ended)
        lines = [line.split() for line in (node.shared / "log").read_text().splitlines()]
        starts = [mark for what, mark, _, _ in lines if what == "start"]
        assert sorted(starts) == sorted(one["mark"] for one in ended)
        spans = defaultdict(dict)
        for what, mark, user, moment in lines:
            spans[user].setdefault(mark, {})[what] = float(moment)
        assert len(spans) == 5
        for by_mark in spans.values():
            ordered = sorted(by_mark.values(), key=lambda one: one["start"])
            for before, after in pairwise(ordered):
                assert before["end"] <= after["start"]
        assert set(node.left().values()) == {"free"}


def test_a_program_gets_its_arguments_environment_and_exit_code(node):
    text = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)])); sys.exit(7)"
    odd = ["", "a b", "o'brien", "$(id)", "new\nline", "\udcff"]
    (told,) = Jobs(node).run(python(text, *odd, environment={"COLOUR": "blue"}))
    arguments, environment = json.loads(told["out"])
    assert arguments == odd
    assert told["exit_code"] == 7
    assert environment["COLOUR"] == "blue"
    assert environment["HOME"] == f"/var/lib/ijp-homes/{environment['USER']}"
    assert environment["TMPDIR"] == environment["HOME"]
    assert "SUDO_USER" not in environment


def test_a_program_has_nothing_but_its_account(node):
    text = (
        "import os; print(os.getresuid(), os.getresgid(), os.getgroups(), os.getcwd());"
        "print(open('/proc/self/status').read()); print(os.listdir('/proc/self/fd'))"
    )
    (told,) = Jobs(node).run(python(text))
    uids, rest = told["out"].splitlines()[0].split(") (", 1)[0], told["out"]
    assert len(set(uids.strip("( ").split(", "))) == 1
    assert "NoNewPrivs:\t1" in rest
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert f"{kind}:\t0000000000000000" in rest
    assert rest.splitlines()[-1] == "['0', '1', '2', '3']"  # 3 is that of the listing


def test_two_jobs_do_not_see_each_other(node):
    text = (
        "import os, time; open('/tmp/mine', 'w'); time.sleep(1);"
        "print(sorted(int(name) for name in os.listdir('/proc') if name.isdigit()));"
        "print(os.listdir('/tmp'), os.listdir('/dev/shm'))"
    )
    for told in Jobs(node).run(python(text, owner="alice"), python(text, owner="bob")):
        assert told["out"].splitlines() == ["[1, 2]", "['mine'] []"]


def test_a_token_is_readable_by_its_job_alone(node):
    read = "import os; print(open(os.environ['IJP_JOB_FILE']).read())"
    pry = """
import glob, os, time
time.sleep(0.5)
seen = []
for path in glob.glob("/var/lib/ijp-accounts/jobs/*/*") + [
        f"/var/lib/ijp-accounts/jobs/{name}/job.json" for name in ("n1acct1", "n1acct2")]:
    try:
        seen.append(open(path).read())
    except OSError:
        pass
print(seen)
"""
    slow = read + "; import time; time.sleep(1)"
    first, second = Jobs(node).run(
        python(slow, token="secret of alice", owner="alice"), python(pry, owner="bob")
    )
    assert first["out"] == "secret of alice\n"
    assert second["out"] == "[]\n"


def test_a_program_that_is_not_there_is_told(node):
    (told,) = Jobs(node).run(new("/nowhere/program"))
    assert told["exit_code"] == 127
    assert told["reason"] == "program not found: /nowhere/program"
    assert set(node.left().values()) == {"free"}


def test_a_signal_is_told_and_a_family_without_accounts_refused(node):
    first, second = Jobs(node).run(new("sh", "-c", "kill -9 $$"), new("true", family="nobody"))
    assert first["signal"] == 9
    assert second["exit_code"] is None
    assert second["reason"] == "no family 'nobody'"


def test_limits_hold(node):
    greedy = "x = bytearray(300 << 20); import time; time.sleep(60)"
    told = Jobs(node).run(
        new("sleep", "60", resources={"wall_seconds": 1}),
        python(greedy, resources={"memory_mib": 100}),
    )
    assert [one["reason"] for one in told] == ["wall time limit of 1 s", "memory limit of 100 MiB"]
    assert set(node.left().values()) == {"free"}


def test_a_job_that_is_asked_to_end_can_do_so_in_its_way(node):
    text = (
        "import signal, sys, time; signal.signal(15, lambda *_: (print('goodbye'), sys.exit(3)));"
        "open('/srv/shared/begun', 'w'); time.sleep(60)"
    )
    (told,) = Jobs(node, grace_seconds=20).run(python(text, cancel_when="/srv/shared/begun"))
    assert (told["reason"], told["exit_code"], told["out"]) == ("cancelled", 3, "goodbye\n")


def killed(node, *words):
    """Kill the process of the node whose arguments and parent's have these words."""
    program = """
import os, signal, sys
def line(pid):
    try:
        return open(f"/proc/{pid}/cmdline").read().replace("\\0", " ")
    except OSError:
        return ""
def parent(pid):
    return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1]
own, parents = sys.argv[1:]
for pid in os.listdir("/proc"):
    is_other = pid.isdigit() and int(pid) != os.getpid()
    if is_other and own in line(pid) and parents in line(parent(pid)):
        os.kill(int(pid), signal.SIGKILL)
        print(pid)
"""
    return node.python(program, *words).split()


def run_and_kill(node, *words):
    """Run a job for a minute and kill something of it as soon as it has begun."""
    marker = node.shared / "running"
    marker.unlink(missing_ok=True)
    told = []
    job = python("open('/srv/shared/running', 'w'); import time; time.sleep(60)")
    thread = threading.Thread(target=lambda: told.extend(Jobs(node).run(job)))
    thread.start()
    until = time.monotonic() + 30
    while not marker.exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    assert len(killed(node, *words)) == 1
    thread.join()
    return told[0]


def test_a_job_whose_supervisor_is_killed_leaves_a_clean_account(node):
    told = run_and_kill(node, "supervise.py", "")
    assert told["reason"] == "the job's supervisor was killed"
    until = time.monotonic() + 20
    while set(node.left().values()) != {"free"}:
        assert time.monotonic() < until, node.left()
        time.sleep(0.1)


def test_what_a_killed_helper_leaves_is_cleaned_and_told(node):
    told = run_and_kill(node, "helper run ", "sudo ")
    assert told["exit_code"] != 0
    states = node.left()
    assert sorted(state.partition(":")[0] for state in states.values()) == [
        "free",
        "waiting to be cleaned",
    ], states
    tidied = node.do(HELPER, "tidy")
    assert f"free: it was left by job {told['mark']}" in tidied
    assert set(node.left().values()) == {"free"}


def test_the_next_job_cleans_what_a_crash_has_left(node):
    run_and_kill(node, "helper run ", "sudo ")
    both = Jobs(node).run(new("true"), new("sleep", "1", owner="bob"))
    assert [one["exit_code"] for one in both] == [0, 0]
    assert set(node.left().values()) == {"free"}


def test_accounts_that_cannot_be_cleaned_are_not_given_to_anybody(node):
    """Root itself has mounted something in the homes: nothing of that is removed."""
    for name in node.accounts:
        node.do("mkdir", "-p", f"/var/lib/ijp-homes/{name}/kept")
        node.do("mount", "-t", "tmpfs", "tmpfs", f"/var/lib/ijp-homes/{name}/kept")
        node.do("touch", f"/var/lib/ijp-homes/{name}/kept/file")
    try:
        (told,) = Jobs(node).run(new("true", cancel_if_waiting=True))
        assert told["reason"] == "cancelled"
        assert f"account {node.accounts[0]} is in quarantine" in told["waited"]
        tidied = node.run(HELPER, "tidy").stdout
        assert tidied.count("another file system is mounted at 'kept'") == 2
        assert all(state.startswith("quarantined") for state in node.left().values())
    finally:
        for name in node.accounts:
            assert node.do("ls", f"/var/lib/ijp-homes/{name}/kept") == "file\n"
            node.do("umount", f"/var/lib/ijp-homes/{name}/kept")
    node.do(HELPER, "tidy")
    assert set(node.left().values()) == {"free"}


def test_the_engine_of_root_itself_needs_no_sudo(node):
    jobs = Jobs(node, user="root", accounts=[HELPER])
    begun = "/srv/shared/begun-by-root"
    text = f"import os, time; open('{begun}', 'w'); print(os.getuid() > 60000, flush=True); "
    told = jobs.run(
        python(text + "time.sleep(60)", cancel_when=begun),
        new("/nowhere/program", owner="bob"),
        new("sh", "-c", "exit 4", owner="carol"),
    )
    assert [one["out"] for one in told] == ["True\n", "", ""]
    assert told[0]["reason"] == "cancelled"
    assert [one["exit_code"] for one in told[1:]] == [127, 4]
    assert set(node.left().values()) == {"free"}


def test_the_setting_up_that_is_documented_works(make_node):
    """The lines for administrators, as they stand there, on a machine without any accounts."""
    node = make_node("bare", accounts=0)
    text = (Path(__file__).parents[3] / "docs" / "accounts.md").read_text(encoding="utf-8")
    node.do("ln", "-s", HELPER.rpartition("/")[0], "/opt/ijp/bin")
    command = f'{sys.executable} -c "from batch.accounts.cli import accounts; accounts()"'
    node.write("/usr/local/sbin/ijpd", f'#!/bin/sh\nshift; exec {command} "$@"\n', 0o755)
    done = node.run("sh", "-ec", text.split("```sh\n")[1].split("```")[0])
    assert (done.stdout, done.returncode) == ("4 free\n", 0), done.stderr
    setting = tomllib.loads(text.split("```toml\n")[1].split("```")[0])
    jobs = Jobs(node, **setting["portal"]["engine_settings"])
    (told,) = jobs.run(python("import os; print(os.environ['USER'])"))
    assert told["out"].startswith("ijpjob")


def test_without_a_helper_that_may_be_run_jobs_wait_and_say_why(node):
    """Nothing is run as the portal's account instead."""
    job = python("print('ran')", cancel_if_waiting=True)
    (told,) = Jobs(node, accounts=["/usr/bin/sudo", "-n", "/usr/bin/false"]).run(job)
    assert (told["reason"], told["out"]) == ("cancelled", "")
    assert told["waited"] == "waits for an account: the account helper failed; see its log"
