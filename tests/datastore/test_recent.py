"""Answers that are kept for a moment."""

from __future__ import annotations

import pytest

from datastore import recent
from datastore.recent import Recent


def test_an_answer_is_asked_for_again_when_its_time_is_over(monkeypatch):
    clock, asked = [100.0], []
    monkeypatch.setattr(recent.time, "monotonic", lambda: clock[0])
    kept = Recent(10)

    def find() -> int:
        asked.append(clock[0])
        return len(asked)

    assert [kept.get("a", find), kept.get("a", find)] == [1, 1]
    clock[0] = 110.5
    assert kept.get("a", find) == 2
    assert kept.get("b", find) == 3


def test_a_refusal_is_not_kept():
    kept = Recent(10)
    with pytest.raises(ZeroDivisionError):
        kept.get("a", lambda: 1 // 0)
    assert kept.get("a", lambda: 1) == 1


def test_there_are_only_so_many():
    kept = Recent(10, most=2)
    for key in "abc":
        kept.get(key, lambda: 1)
    assert [kept.get(key, lambda: 2) for key in "cba"] == [1, 1, 2]
