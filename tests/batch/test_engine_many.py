"""What every batch engine must do about many jobs at once."""

from __future__ import annotations

import pytest

from batch.engine import Capability, EngineState
from ijp.errors import ConflictError, NotFoundError, NotImplementedHereError

UNKNOWN = "0" * 26


@pytest.fixture
def engine(make_engine):
    return make_engine()


def states(engine, batch_ids):
    found = engine.status(batch_ids)
    return [found[one].state for one in batch_ids]


def test_many_are_cancelled_and_each_has_its_own_answer(engine, make_spec, wait_for):
    """One is unknown, one has ended, one runs, the others wait; one is named twice."""
    ended = engine.submit(make_spec("true"))
    before = wait_for(engine, ended)
    others = [engine.submit(make_spec("sleep", "1000")) for _ in range(4)]
    wait_for(engine, others[0], EngineState.RUNNING)
    answers = engine.cancel_many([UNKNOWN, ended, *others, others[0]])
    assert isinstance(answers[0], NotFoundError)
    assert answers[1:] == [None] * 6
    for batch_id in others:
        assert wait_for(engine, batch_id).reason == "cancelled"
    assert engine.status([ended])[ended].exit_code == before.exit_code == 0
    assert engine.cancel_many([]) == []


def test_many_are_held_and_released_and_each_has_its_own_answer(engine, make_spec, wait_for):
    if not {Capability.HOLD, Capability.RELEASE} <= engine.capabilities:
        answers = engine.hold_many([UNKNOWN]) + engine.release_many([UNKNOWN])
        assert all(isinstance(one, NotImplementedHereError) for one in answers)
        return
    ended = engine.submit(make_spec("true"))
    wait_for(engine, ended)
    running = [engine.submit(make_spec("sleep", "1000")) for _ in range(2)]
    for batch_id in running:
        wait_for(engine, batch_id, EngineState.RUNNING)
    waiting = [engine.submit(make_spec("true")) for _ in range(3)]
    engine.hold(waiting[0])
    answers = engine.hold_many([UNKNOWN, ended, running[0], *waiting])
    kinds = [type(one) for one in answers]
    assert kinds == [NotFoundError, ConflictError, ConflictError, *[type(None)] * 3]
    assert states(engine, waiting) == [EngineState.HELD] * 3
    answers = engine.release_many([*waiting, UNKNOWN, running[1]])
    kinds = [type(one) for one in answers]
    assert kinds == [*[type(None)] * 3, NotFoundError, ConflictError]
    assert engine.cancel_many(running) == [None, None]
    for batch_id in waiting:
        assert wait_for(engine, batch_id).succeeded
