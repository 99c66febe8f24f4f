"""Accounts of pools on a real Grid Engine: prolog and epilog send back what meets another job."""

from __future__ import annotations

import json
import sys
from itertools import pairwise

import pytest

from tests.batch.accounts.node import CHECKOUT, HELPER

pytestmark = pytest.mark.slow

PROGRAM = f"{CHECKOUT}/tests/batch/accounts/gridengine_in_node.py"
PLACE = "/opt/ijp/hooks"


def test_jobs_in_one_account_run_one_after_the_other_and_find_it_clean(make_node):
    node = make_node(accounts=1, namespaces=False)
    (account,) = node.accounts
    node.write("/srv/shared/log", "", 0o666)
    node.do("install", "-d", "-m", "755", PLACE)
    hooks = "from batch.accounts.cli import accounts; accounts()"
    arguments = ("hooks", "gridengine", PLACE, "--helper", HELPER, "--pause", "2")
    node.do(sys.executable, "-c", hooks, *arguments)
    done = node.run(
        *(sys.executable, PROGRAM, PLACE, account, "3"),
        environment={"PYTHONPATH": f"{CHECKOUT}:{CHECKOUT}/clients/python"},
        seconds=250,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["codes"] == [0] * 3, told
    assert told["outputs"] == ["left: [] False\n"] * 3
    (queue,) = [line.split() for line in told["queue"].splitlines() if line.startswith("all.q")]
    assert len(queue) == 5, f"the queue has a state, such as E for error: {queue}"
    lines = [line.split() for line in (node.shared / "log").read_text().splitlines()]
    assert {count for _, _, count, _ in lines} == {"0", "1"}, "no job ever met another"
    assert sorted(what for what, *_ in lines) == ["end"] * 3 + ["start"] * 3
    for (before, mark, *_), (after, other, *_) in pairwise(lines):
        assert (before, after) in {("start", "end"), ("end", "start")}
        assert (mark == other) is (before == "start")
    assert node.left() == {account: "free"}
