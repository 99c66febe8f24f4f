"""Prologue and epilogue, tidying, and what operators are told, with real accounts."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from batch.accounts.helper import BUSY, DONE, NOT_CLEAN
from tests.batch.accounts.node import HELPER

pytestmark = pytest.mark.slow

COMMAND = "from batch.accounts.cli import accounts; accounts()"


@pytest.fixture(scope="module")
def node(make_node):
    return make_node(accounts=2, namespaces=False)


@pytest.fixture
def account(node):
    """The name of an account that is free before the test and after it."""
    yield node.accounts[0]
    node.helper("tidy-except")
    assert set(node.left().values()) == {"free"}


def leave_processes(node, account):
    """Have a process of the account's, as a job that a batch system has started."""
    program = (
        "import os, time; os.fork() and os._exit(0); os.setsid(); os.closerange(0, 3);"
        "time.sleep(600)"
    )
    node.python(program, user=account)


def processes(node, account):
    return node.do("find", "/proc", "-maxdepth", "1", "-user", account)


def ijpd_accounts(node, *arguments, stdin=b""):
    return node.run(sys.executable, "-c", COMMAND, *arguments, stdin=stdin)


def test_an_account_is_one_jobs_from_prologue_to_epilogue(node, account):
    assert node.helper("prologue", "17.head", account).returncode == DONE
    busy = node.helper("prologue", "18.head", account)
    assert busy.returncode == BUSY
    assert f"account {account} is in use by job 17.head" in busy.stderr
    assert node.left()[account] == "in use: job 17.head"
    assert node.helper("prologue", "17.head", account).returncode == DONE, "started once more"
    assert node.helper("epilogue", "18.head", account).returncode == DONE
    assert node.left()[account] == "in use: job 17.head", "the epilogue of another did nothing"
    assert node.helper("epilogue", "17.head", account).returncode == DONE
    assert node.helper("prologue", "18.head", account).returncode == DONE


def test_of_many_prologues_at_once_one_is_let_in(node, account):
    with ThreadPoolExecutor(8) as threads:
        done = list(
            threads.map(lambda key: node.helper("prologue", str(key), account), range(1, 17))
        )
    assert sorted(one.returncode for one in done) == [DONE] + [BUSY] * 15


def test_the_epilogue_ends_and_removes_what_is_left(node, account):
    node.helper("prologue", "17", account)
    leave_processes(node, account)
    node.do("sh", "-c", f"cd /var/lib/ijp-homes/{account}; touch /tmp/left left", user=account)
    done = node.helper("epilogue", "17", account)
    assert done.returncode == DONE
    assert "removed: processes: " in done.stderr
    assert "removed: in /tmp: 'left'" in done.stderr
    assert processes(node, account) == ""


def test_an_epilogue_is_not_kept_out_by_prologues_of_others(node, account):
    node.helper("prologue", "17", account)
    with ThreadPoolExecutor(6) as threads:
        others = [
            threads.submit(node.helper, "prologue", str(key), account) for key in range(18, 24)
        ]
        assert node.helper("epilogue", "17", account).returncode == DONE
        codes = [one.result().returncode for one in others]
    assert node.left()[account] != "in use: job 17"
    assert codes.count(DONE) <= 1


def test_the_prologue_removes_what_was_left_before_it(node, account):
    leave_processes(node, account)
    assert processes(node, account) != ""
    assert node.helper("prologue", "17", account).returncode == DONE
    assert processes(node, account) == ""
    home = node.do("stat", "-c", "%U %a", f"/var/lib/ijp-homes/{account}")
    assert home == f"{account} 700\n"


def test_a_home_that_is_something_else_is_made_anew(node, account):
    home = f"/var/lib/ijp-homes/{account}"
    node.do("rm", "-rf", home)
    node.do("ln", "-s", "/etc", home)
    assert node.helper("prologue", "17", account).returncode == DONE
    assert node.do("stat", "-c", "%F %U %a", home) == f"directory {account} 700\n"
    assert "passwd" in node.do("ls", "/etc")


def test_an_epilogue_that_cannot_clean_keeps_the_account_from_others(node, account):
    home = f"/var/lib/ijp-homes/{account}"
    node.helper("prologue", "17", account)
    node.do("mkdir", f"{home}/kept")
    node.do("mount", "-t", "tmpfs", "tmpfs", f"{home}/kept")
    try:
        assert node.helper("epilogue", "17", account).returncode == NOT_CLEAN
        assert node.helper("prologue", "18", account).returncode == BUSY
        checked = ijpd_accounts(node, "check")
        assert checked.returncode == 1
        assert "another file system is mounted at 'kept'" in checked.stdout
        assert "no job gets it; remove what is named" in checked.stdout
    finally:
        node.do("umount", f"{home}/kept")
    assert ijpd_accounts(node, "tidy").returncode == 0


def test_tidying_goes_by_what_the_batch_system_has(node, account):
    other = node.accounts[1]
    node.helper("prologue", "17", account)
    node.helper("prologue", "18", other)
    assert ijpd_accounts(node, "tidy").stdout == "nothing to do\n"
    leave_processes(node, account)
    done = ijpd_accounts(node, "tidy", "--alive", "-", stdin=b"18 19\n")
    assert (
        f"{account:<16} default      free: it was left by job 17; removed processes:" in done.stdout
    )
    assert done.stdout.endswith("1 accounts were not as they should be\n")
    assert node.left() == {account: "free", other: "in use: job 18"}


def test_a_job_that_began_after_the_list_was_made_is_left_alone(node, account):
    node.configure(namespaces=False, families={"default": node.accounts}, list_age_seconds=60)
    try:
        node.helper("prologue", "17", account)
        assert node.helper("tidy-except").stdout == ""
        assert node.left()[account] == "in use: job 17"
    finally:
        node.configure(namespaces=False, families={"default": node.accounts})


def test_a_lease_from_before_the_machine_was_restarted_counts_no_more(node, account):
    node.helper("prologue", "17", account)
    lease = f"/var/lib/ijp-accounts/leases/{account}"
    node.do("sed", "-i", 's/"boot": "[^"]*"/"boot": "another"/', lease)
    told = "waiting to be cleaned: job 17 was not seen to its end"
    assert node.left()[account].startswith(told)
    assert node.helper("prologue", "18", account).returncode == DONE


def test_a_lease_that_was_cut_short_is_cleaned_up_after(node, account):
    node.helper("prologue", "17", account)
    node.do("truncate", "-s", "5", f"/var/lib/ijp-accounts/leases/{account}")
    assert "waiting to be cleaned: job unknown" in node.left()[account]
    assert "free: it was left by job unknown" in node.do(HELPER, "tidy")


def test_check_names_accounts_that_are_not_as_they_have_to_be(node, account):
    node.configure(
        namespaces=False, families={"default": node.accounts, "other": ["daemon", "nobodyhere"]}
    )
    node.do("sh", "-c", f"echo {account}:secret | chpasswd")
    try:
        checked = ijpd_accounts(node, "check")
        assert checked.returncode == 1
        assert "account 'daemon': its uid 1 is not within 61000 to 61099" in checked.stdout
        assert "this machine has no account 'nobodyhere'" in checked.stdout
        assert f"{account:<16} default      free: it has a password; lock it" in checked.stdout
        assert "2 free, 2 unusable" in checked.stdout
    finally:
        node.do("passwd", "-l", account)
        node.configure(namespaces=False, families={"default": node.accounts})
    assert ijpd_accounts(node, "check").stdout == "2 free\n"


def torque(node, script, *arguments):
    """As pbs_mom calls prologue and epilogue, with all that it gives them."""
    return node.run(f"/srv/shared/hooks/{script}", *arguments)


def made(node, system):
    (node.shared / "hooks").mkdir(exist_ok=True)
    for old in (node.shared / "hooks").iterdir():
        old.unlink()
    done = ijpd_accounts(
        node, "hooks", system, "/srv/shared/hooks", "--helper", HELPER, "--pause", "0"
    )
    assert done.returncode == 0, done.stderr


def test_hooks_of_torque_take_its_arguments_and_send_busy_jobs_back(node, account):
    made(node, "torque")
    limits = "nodes=1,walltime=00:01:00,neednodes=1"
    more = ("name of job; $(id)", limits, "batch", "", "/mom_priv/jobs/17.head.SC")
    prologue = ("17.head", account, account, *more)
    epilogue = (
        "17.head",
        account,
        account,
        more[0],
        "4711",
        limits,
        "cput=0",
        "batch",
        "",
        "0",
        "x",
    )
    assert torque(node, "prologue", *prologue).returncode == 0
    assert torque(node, "prologue", "18.head", *prologue[1:]).returncode == 2
    assert torque(node, "prologue", "19.head", "ijp", "ijp", *more).returncode == 0, "not ours"
    assert torque(node, "epilogue", *epilogue).returncode == 0
    assert node.left()[account] == "free"
    assert torque(node, "prologue", "18.head", *prologue[1:]).returncode == 0


def test_hooks_of_grid_engine_ask_for_another_try_with_99(node, account):
    made(node, "gridengine")
    assert node.run("/srv/shared/hooks/prolog", "17", account).returncode == 0
    assert node.run("/srv/shared/hooks/prolog", "18", account).returncode == 99
    assert node.run("/srv/shared/hooks/prolog", "19", "daemon").returncode == 0
    assert node.run("/srv/shared/hooks/epilog", "17", account).returncode == 0
    assert node.left()[account] == "free"


@pytest.mark.parametrize("system", ["torque", "slurm", "gridengine"])
def test_hooks_are_shell_and_roots_alone(node, system):
    made(node, system)
    for path in (node.shared / "hooks").iterdir():
        assert path.stat().st_mode & 0o777 == 0o500
        subprocess.run(["sh", "-n", path], check=True)
