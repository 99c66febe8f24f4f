"""A portal that is not root, whose jobs run in accounts that are not the portal's."""

from __future__ import annotations

import json
import sys

import pytest

from tests.batch.accounts.node import CHECKOUT, PORTAL

pytestmark = pytest.mark.slow

PROGRAM = f"{CHECKOUT}/tests/batch/accounts/portal_in_node.py"


def test_jobs_of_a_portal_read_and_make_data_in_accounts_of_their_own(make_node):
    node = make_node(accounts=2)
    # Where this Python is in a folder that jobs have for themselves, they do without.
    namespaces = not sys.prefix.startswith(("/tmp/", "/var/tmp/"))
    node.configure(namespaces=namespaces, families={"all": node.accounts})
    # Where this Python may be: jobs have to be able to run it.
    node.do("chmod", "a+x", "/root")
    node.do("install", "-d", "-m", "755", "-o", PORTAL, "-g", PORTAL, "/srv/portal")
    done = node.run(
        *(sys.executable, PROGRAM, "/srv/portal/here"),
        user=PORTAL,
        environment={"PYTHONPATH": f"{CHECKOUT}:{CHECKOUT}/clients/python"},
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["made"] == ["total.txt"]
    assert told["work"]["provenanceId"]
    environment = told["told"]["environment"]
    assert environment["USER"] in node.accounts
    assert environment["IJP_JOB_FILE"].startswith("/var/lib/ijp-accounts/jobs/")
    assert "a b" in told["told"]["argv"]
    assert node.run("find", "/srv/portal", "-not", "-user", PORTAL).stdout == ""
    assert set(node.left().values()) == {"free"}
