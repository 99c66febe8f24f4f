"""The states of a job, as users and the wire know them."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a job is.

    ``STAGING`` is accepted and not yet at the engine; ``UNKNOWN`` is unfinished too: the engine
    does not know it just now.
    """

    STAGING = "Staging"
    QUEUED = "Queued"
    HELD = "Held"
    EXECUTING = "Executing"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    UNKNOWN = "Unknown"

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more."""
        return self in FINAL


FINAL = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED})
RETRIED = frozenset({State.FAILED, State.CANCELLED})
"""From where a job can be tried again."""
WAITING = (State.STAGING, State.QUEUED, State.HELD)
