"""What is counted of a batch system's commands."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from batch.command import CommandFailedError, Commands
from ijp.errors import EngineError


@pytest.fixture
def counted(tmp_path, request):
    """Commands of an engine of this test's own, and how often one was called, and failed."""
    engine = request.node.name
    for name, text in (("good", "exit 0"), ("bad", "exit 3"), ("slow", "exec sleep 10")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)

    def count(command: str) -> tuple[float | None, float | None]:
        labels = {"engine": engine, "command": command}
        return (
            REGISTRY.get_sample_value("ijp_engine_command_seconds_count", labels),
            REGISTRY.get_sample_value("ijp_engine_command_failures_total", labels),
        )

    return Commands(folder=tmp_path, engine=engine, timeout_seconds=0.2), count


def test_each_call_is_counted_by_its_command(counted):
    commands, count = counted
    for _ in range(3):
        commands.run(["good", "whatever"])
    assert count("good") == (3, None)
    assert count("whatever") == (None, None)


def test_failures_and_silence_are_counted_too(counted):
    commands, count = counted
    with pytest.raises(CommandFailedError):
        commands.run(["bad"])
    for command in ("slow", "missing"):
        with pytest.raises(EngineError):
            commands.run([command])
    assert [count(one) for one in ("bad", "slow", "missing")] == [(1, 1)] * 3
