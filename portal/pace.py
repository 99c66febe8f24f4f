"""How often a batch engine is asked: less often where it is slow, and hardly while it is silent."""

from __future__ import annotations

import time
from collections.abc import Callable

LONGEST_SECONDS = 60.0
_PART_OF_TIME = 10.0


class Pace:
    """The pauses between questions to one engine."""

    def __init__(self, base_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Ask each so many seconds if nothing speaks against it."""
        self._base = base_seconds
        self._clock = clock
        self._took = 0.0
        self._silences = 0
        self._silent_until = 0.0

    @property
    def interval(self) -> float:
        """Seconds between two questions; an engine is not kept busy with them alone."""
        slow = min(_PART_OF_TIME * self._took, LONGEST_SECONDS)
        return max(self._base, slow, self._pause)

    @property
    def may_ask(self) -> bool:
        """Whether it makes sense to ask now: not soon after it did not answer."""
        return self._clock() >= self._silent_until

    @property
    def _pause(self) -> float:
        return min(2.0 ** min(self._silences - 1, 10), LONGEST_SECONDS) if self._silences else 0.0

    def answered(self, took_seconds: float) -> None:
        """Note that it answered, and how long that took."""
        self._took = took_seconds
        self._silences = 0
        self._silent_until = 0.0

    def silent(self) -> None:
        """Note that it did not answer."""
        self._silences += 1
        self._silent_until = self._clock() + self._pause
