"""The hosts that run jobs by the command."""

from __future__ import annotations

import json

import pytest

from portal.monitoring import Monitoring

pytestmark = pytest.mark.slow


def test_hosts_are_listed(ana, portal):
    Monitoring(portal.services).look()
    (row,) = ana.says("nodes").splitlines()
    (told,) = json.loads(ana.says("--json", "nodes"))
    assert row.split("\t")[:3] == [
        told["name"],
        "takes jobs",
        f"{told['slotsUsed']}/{told['slots']}",
    ]


def test_setting_hosts_offline_is_for_administrators(ana, command_of, portal, monkeypatch):
    words = (portal.folder / "secrets" / "root_password").read_text().strip()
    monkeypatch.setitem(portal.passwords, "root", words)
    Monitoring(portal.services).look()
    (told,) = json.loads(ana.says("--json", "nodes"))
    name = told["name"]
    assert "administrators" in ana.refuses("nodes", "offline", name, "why", code=4)
    assert "administrators" in ana.refuses("nodes", "online", name, code=4)
    root = command_of("root")
    assert "no host 'nosuch'" in root.refuses("nodes", "offline", "nosuch", "why", code=5)
    assert "cannot set hosts offline" in root.refuses("nodes", "offline", name, "why", code=1)
