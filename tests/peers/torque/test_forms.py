"""The stand-in prints as the real Torque does: byte for byte what was captured of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.peers.torque import forms, openpbs

CAPTURES = Path(__file__).parents[2] / "batch" / "captures" / "torque"
XML = [
    path for path in sorted(CAPTURES.glob("qstat-*.xml")) if path.name[6:9] not in ("Bfx", "Qfx")
]
PAIRS = [
    (CAPTURES / path.name.replace("-fx-", "-f-").replace(".xml", ".txt"), path)
    for path in sorted(CAPTURES.glob("qstat-fx-*.xml"))
]


def jobs_of(path: Path) -> list[dict[str, Any]]:
    return [_values(job) for job in ElementTree.parse(path).getroot()]


def _values(element: ElementTree.Element) -> dict[str, Any]:
    return {one.tag: _values(one) if len(one) else one.text or "" for one in element}


@pytest.mark.parametrize("path", XML)
def test_xml_is_printed_as_torque_does(path):
    printed = forms.xml(jobs_of(path))
    assert printed.rstrip("\n") == path.read_text().rstrip("\n")


@pytest.mark.parametrize(("text", "path"), [pair for pair in PAIRS if pair[0].exists()])
def test_text_is_folded_as_torque_does(text, path, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    jobs = jobs_of(path)
    expected = text.read_text()
    for job in jobs:
        # These differ from one command to the next.
        for name, value in (("Remaining", job.get("Walltime")), ("start_count", job)):
            if value and name in value:
                expected = re.sub(rf"({name} = )\d+", rf"\g<1>{value[name]}", expected)
    assert forms.text(jobs) == expected


@pytest.mark.parametrize("path", sorted(CAPTURES.glob("pbsnodes-x-*.xml")))
def test_nodes_are_printed_as_torque_does(path):
    nodes = jobs_of(path)
    assert forms.nodes_xml(nodes).rstrip() == path.read_text().rstrip()


@pytest.mark.parametrize("kind", ["mixed", "free", "exclusive", "down"])
def test_nodes_are_printed_as_text_as_torque_does(kind):
    nodes = jobs_of(CAPTURES / f"pbsnodes-x-{kind}.xml")
    expected = (CAPTURES / f"pbsnodes-a-{kind}.txt").read_text()
    assert forms.nodes_text(nodes) == expected


def test_states_of_nodes_are_printed_as_torque_does():
    nodes = jobs_of(CAPTURES / "pbsnodes-x-mixed.xml")
    bad = [node for node in nodes if node["state"] != "free"]
    assert forms.node_states(bad, notes=True) == (CAPTURES / "pbsnodes-ln.txt").read_text()
    assert forms.node_states(bad) == (CAPTURES / "pbsnodes-l.txt").read_text()


@pytest.mark.parametrize("path", sorted((CAPTURES / "openpbs").glob("*.json")))
def test_json_is_printed_as_openpbs_does(path):
    assert openpbs.printed(json.loads(path.read_text())) == path.read_text()
