"""What the real Torque said to each command, said again by the stand-in."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.peers.torque.cluster import Cluster

CAPTURES = Path(__file__).parents[2] / "batch" / "captures" / "torque"
NOT_OURS = ("qmgr", "qrun ", "qstat @")
# Three failed submissions before the first that was taken.
FIRST_NUMBER = 131


@dataclass(frozen=True)
class Said:
    """One command of a transcript and its answer."""

    title: str
    user: str
    command: str
    code: int
    stdout: str
    stderr: str


def transcript(name: str) -> list[Said]:
    pattern = re.compile(
        r"## (.*?)\n\[(\w+)\] \$ (.*?)\nexit=(\d+) .*?\nstdout: (.*?)stderr: ?(.*?)(?=\n## |\Z)",
        re.DOTALL,
    )
    found = [
        Said(title, user, command, int(code), stdout, _unindented(stderr))
        for title, user, command, code, stdout, stderr in pattern.findall(
            (CAPTURES / name).read_text()
        )
    ]
    return [one for one in found if not one.command.startswith(NOT_OURS) and one.user != "nobody"]


def _unindented(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


SUBMITTED = transcript("errors-submit-and-query.txt")


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What the stand-in says to the whole transcript, from its beginning, by title."""
    folder = tmp_path_factory.mktemp("torque")
    (folder / "bin.dat").write_bytes(bytes(range(256)))
    (folder / "crlf.sh").write_bytes(b"#!/bin/sh\r\nsleep 1\r\n")
    (folder / "big1.sh").write_text("#" + "x" * 3_000_000)
    (folder / "big2.sh").write_text(("#" + "x" * 99 + "\n") * 10)
    cluster = Cluster(folder / "cluster", scheduling=False)
    cluster.begin_at(FIRST_NUMBER)
    answers = {}
    environment = os.environ | {"PATH": f"{cluster.commands}:/usr/bin:/bin"}
    for said in SUBMITTED:
        cluster.configure(caller=said.user)
        answers[said.title] = subprocess.run(
            ["bash", "-c", said.command],
            input="" if said.title == "empty script" else "sleep 1\n",
            capture_output=True,
            text=True,
            cwd=folder,
            env=environment,
        )
        if said.title == "empty script":
            # Of this job nothing was to be seen afterwards.
            cluster.configure(caller="root")
            assert cluster.run("qdel", "-p", "154").returncode == 0
    return answers


@pytest.mark.slow
@pytest.mark.parametrize("said", SUBMITTED, ids=lambda said: said.title)
def test_stand_in_says_what_torque_said(answers, said):
    answer = answers[said.title]
    assert answer.returncode == said.code
    told = _unindented(answer.stderr)
    if "...usage text" in said.stderr:
        assert told.splitlines()[0] == said.stderr.splitlines()[0]
    else:
        assert told == said.stderr
    if "Job Id" in said.stdout or "Job_Id" in said.stdout:
        ids = r"(?:Job Id: |<Job_Id>)([\w\[\].]+)"
        assert re.findall(ids, answer.stdout) == re.findall(ids, said.stdout)
    else:
        assert answer.stdout.split() == said.stdout.split()
