"""Accounts of pools on a real Slurm: one job at a time, the others are sent back."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from tests.batch.accounts.node import HOOKS, PORTAL

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("how", ["hooks", "runner"])
def test_jobs_in_one_account_run_one_after_the_other_and_find_it_clean(make_node, how):
    """By Prolog and Epilog, or by the helper that each job's runner calls."""
    node = make_node(accounts=1, namespaces=False)
    (account,) = node.accounts
    node.write("/srv/shared/log", "", 0o666)
    runs = ("", PORTAL)
    if how == "hooks":
        node.install_hooks("slurm", HOOKS)
        runs = (HOOKS, account)
    told = node.tell("slurm_in_node", *runs, "3")
    assert told["codes"] == [0] * 3, told
    assert told["outputs"] == ["left: [] False\n"] * 3
    assert sum(told["restarts"]) > 0, "no job ever met another"
    assert told["nodes"] == ["idle"], "a node went out of service"
    lines = [line.split() for line in (node.shared / "log").read_text().splitlines()]
    assert set(Counter(mark for what, mark, _, _ in lines if what == "start").values()) == {1}
    for (before, mark, _, _), (after, other, _, _) in pairwise(lines):
        assert (before, after) in {("start", "end"), ("end", "start")}
        assert (mark == other) is (before == "start")
    assert node.left() == {account: "free"}
