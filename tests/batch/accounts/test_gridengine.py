"""Accounts of pools on a real Grid Engine: prolog and epilog send back what meets another job."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.batch.accounts.node import HOOKS

pytestmark = pytest.mark.slow


def test_jobs_in_one_account_run_one_after_the_other_and_find_it_clean(make_node):
    node = make_node(accounts=1, namespaces=False)
    (account,) = node.accounts
    node.write("/srv/shared/log", "", 0o666)
    node.install_hooks("gridengine", HOOKS)
    told = node.tell("gridengine_in_node", HOOKS, account, "3")
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
