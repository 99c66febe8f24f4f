"""Why a job failed, as a word."""

from __future__ import annotations

import pytest

from batch.engine import EngineState, JobStatus
from portal.failure import Failure, of_status, of_text


def ended(**values) -> JobStatus:
    return JobStatus(state=EngineState.ENDED, **values)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("memory limit of 512 MiB", Failure.MEMORY),
        ("memory limit of the batch system", Failure.MEMORY),
        ("wall time limit of 60 s", Failure.TIME),
        ("wall time limit of the batch system", Failure.TIME),
        ("CPU time limit of 60 s", Failure.LIMIT),
        ("limit of 1000 processes", Failure.LIMIT),
        ("its node failed", Failure.NODE),
        ("its node could not be started", Failure.NODE),
        ("told to stop by the batch system", Failure.SYSTEM),
        ("ended in favour of another job", Failure.SYSTEM),
        ("program not found: /x/memory limit of 1 MiB", Failure.START),
        ("program not found: /x", Failure.START),
        ("program cannot be run: /x: Permission denied", Failure.START),
        ("the batch system ended it before it began: no such queue", Failure.START),
        ("something that nobody has seen yet", Failure.PROGRAM),
    ],
)
def test_reason_of_the_batch_system_is_a_kind_of_failure(reason, kind):
    assert of_status(ended(reason=reason), None) is kind


def test_success_and_cancellation_are_no_failure():
    assert of_status(ended(exit_code=0), None) is None
    assert of_status(ended(exit_code=0, reason="cancelled"), None) is None


def test_program_that_ends_badly_is_a_program_error():
    assert of_status(ended(exit_code=3), 512) is Failure.PROGRAM
    assert of_status(ended(signal=11), 512) is Failure.PROGRAM
    assert of_status(ended(), None) is Failure.PROGRAM


def test_kill_of_a_program_that_used_all_its_memory_is_for_its_memory():
    mib = 1024 * 1024
    assert of_status(ended(signal=9, peak_memory_bytes=500 * mib), 512) is Failure.MEMORY
    assert of_status(ended(signal=9, peak_memory_bytes=100 * mib), 512) is Failure.PROGRAM
    assert of_status(ended(signal=9, peak_memory_bytes=500 * mib), None) is Failure.PROGRAM


def test_every_kind_has_words_and_is_found_by_its_name():
    for kind in Failure:
        assert kind.words[0].isupper()
        assert of_text(str(kind)) is kind
    assert of_text("nosuch") is None
    assert of_text("") is None
