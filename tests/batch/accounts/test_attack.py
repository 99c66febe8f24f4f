"""What a hostile job leaves is gone before the next, and nothing of others' was read or changed."""

from __future__ import annotations

import json

import pytest
from ulid import ULID

from tests.batch.accounts.node import CHECKOUT, PORTAL, Jobs, Node

pytestmark = pytest.mark.slow

ATTACK = f"{CHECKOUT}/tests/batch/accounts/attack.py"
LOOK = """
import json, os, subprocess
uid = os.getuid()
def of_us(name):
    try:
        return os.stat("/proc/" + name).st_uid == uid
    except OSError:
        return False
def lines(kind):
    return [line for line in open("/proc/sysvipc/" + kind).readlines()[1:]]
def mine(place):
    return [name for name in os.listdir(place) if os.lstat(os.path.join(place, name)).st_uid == uid]
pids = [name for name in os.listdir("/proc") if name.isdigit() and of_us(name)]
print(json.dumps({
    "user": os.environ["USER"],
    "processes": [pid for pid in pids if int(pid) != os.getpid()],
    "home": [name for name in os.listdir(os.environ["HOME"]) if name not in (".tmp", ".var-tmp")],
    "files": [mine(place) for place in ("/tmp", "/var/tmp", "/dev/shm", "/run/lock")],
    "spools": [mine("/var/spool/cron/crontabs"), mine("/var/spool/cron/atjobs")],
    "ipc": [lines("shm"), lines("sem"), lines("msg"), mine("/dev/mqueue")],
}))
"""
CLEAN = {
    "processes": [],
    "home": [],
    "files": [[], [], [], []],
    "spools": [[], []],
    "ipc": [[], [], [], []],
}


@pytest.fixture(scope="module", params=[True, False], ids=["namespaces", "cleaning"])
def node(request, make_node) -> Node:
    """One account only, so that the next job gets that of the attacker."""
    return make_node("n1" if request.param else "n2", namespaces=request.param)


@pytest.fixture(scope="module")
def attacked(node):
    """The statuses of the attacker, which was cancelled, and of the job after it."""
    node.write("/srv/shared/of-another", "another's\n", 0o600)
    shadow = node.do("sh", "-c", "cat /etc/shadow /etc/passwd; stat -c %a:%u:%g /etc/shadow")
    marker = node.shared / "attacked"
    mark = str(ULID())
    jobs = Jobs(node, slots=2)
    out = f"{jobs.folder}/{mark}/out"
    attack = {
        "mark": mark,
        "argv": ["/usr/bin/python3", "-I", ATTACK, out, "/srv/shared/attacked"],
        "cancel_when": "/srv/shared/attacked",
        "owner": "mallory",
    }
    look = {"mark": str(ULID()), "argv": ["/usr/bin/python3", "-I", "-c", LOOK], "owner": "alice"}
    (first,) = jobs.run(attack)
    (second,) = jobs.run(look)
    after = node.do("sh", "-c", "cat /etc/shadow /etc/passwd; stat -c %a:%u:%g /etc/shadow")
    assert marker.exists()
    return {"first": first, "second": second, "unchanged": shadow == after}


def test_the_attack_took_place_and_was_ended(attacked):
    first = attacked["first"]
    assert first["reason"] == "cancelled"
    managed = json.loads(first["out"])
    assert managed["file /tmp"] == managed["cron"] == managed["at"] == "written"
    assert managed["link shadow"] == managed["pipe"] == managed["open home"] == "None"
    assert managed["system v"] == "made"
    assert managed["deep"] == managed["folder /dev/shm"] == "made"
    assert int(managed["queue"]) >= 0


def test_it_reached_nothing_that_is_not_its_own(attacked):
    managed = json.loads(attacked["first"]["out"])
    for name, told in managed.items():
        if name.startswith("look ") or name in ("become root", "device", "run as others"):
            assert told.startswith("PermissionError"), f"{name}: {told}"
    assert managed["sudo"] != "0"
    for name in ("replace output", "link output", "pipe as output"):
        assert "Error" in managed[name], f"{name}: {managed[name]}"
    assert attacked["unchanged"]


def test_the_next_job_finds_a_clean_account(node, attacked):
    second = attacked["second"]
    assert second["exit_code"] == 0, second
    assert json.loads(second["out"]) == {"user": node.accounts[0], **CLEAN}


def test_the_output_is_what_was_written_and_the_portals(node, attacked):
    # What other tests have there may go away meanwhile.
    looking = ("find", "/var/lib", "-maxdepth", "3", "-name", "out", "-printf", "%y %u %m\n")
    assert set(node.run(*looking).stdout.splitlines()) == {f"f {PORTAL} 600"}


def test_afterwards_nothing_is_left_on_the_node(node, attacked):
    assert node.left() == {node.accounts[0]: "free"}
    uid = node.do("id", "-u", node.accounts[0]).strip()
    left = node.run("find", "/home", "/opt", "/run", "/srv", "/var", "-uid", uid)
    # But for the one file that it was to leave, in a folder that is nobody's to clean, and for
    # what another node's account of the same number has where this machine's nodes have theirs.
    but_for = ("/srv/shared/attacked", "/var/lib/ijp-shared-", "/var/lib/ijp-node-")
    paths = {path for path in left.stdout.splitlines() if not path.startswith(but_for)}
    assert paths == {f"/var/lib/ijp-homes/{node.accounts[0]}"}
    for place in ("/tmp", "/var/tmp", "/dev/shm", "/run/lock", "/dev/mqueue"):
        assert node.do("find", place, "-uid", uid) == ""


def test_what_fights_back_while_it_is_killed_is_gone_too(node):
    """Thirty processes that fork all the time and ignore everything, left when the job ends."""
    program = (
        "import sys; sys.argv = ['', '', '']; text = open(sys.orig_argv[-1]).read();"
        "text = text.replace('main(*sys.argv[1:3])', ''); exec(text);"
        "[daemon(fork_on) for _ in range(30)]; print('left', flush=True)"
    )
    seen = """
import os, sys, time
end, seen = time.monotonic() + 0.5, set()
while time.monotonic() < end:
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == int(sys.argv[1]):
                seen.add(name)
        except OSError:
            pass
print(sorted(seen))
"""
    uid = node.do("id", "-u", node.accounts[0]).strip()
    for _ in range(4):
        job = {"mark": str(ULID()), "argv": ["/usr/bin/python3", "-c", program, ATTACK]}
        (told,) = Jobs(node).run(job)
        assert told["out"] == "left\n", told
        assert node.python(seen, uid) == "[]\n"
