"""The hosts of the batch system by the command."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.slow


def test_hosts_are_for_administrators(ana):
    assert "administrators" in ana.refuses("nodes", code=4)


def test_hosts_are_listed(command_of, portal, monkeypatch):
    words = (portal.folder / "secrets" / "root_password").read_text().strip()
    monkeypatch.setitem(portal.passwords, "root", words)
    root = command_of("root")
    (row,) = root.says("nodes").splitlines()
    (told,) = json.loads(root.says("--json", "nodes"))
    assert row.split("\t")[:3] == [
        told["name"],
        "takes jobs",
        f"{told['slotsUsed']}/{told['slots']}",
    ]
