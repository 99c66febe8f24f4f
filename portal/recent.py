"""Answers that may be a few seconds old, so that a page need not ask for them each time."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Keeps answers by key for a while; of two who ask at once both may compute."""

    def __init__(
        self, seconds: float, most: int = 1000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Keep an answer so long, and no more than so many."""
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[float, T]] = OrderedDict()

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """The kept answer, or a new one."""
        if (found := self.peek(key)) is not None:
            return found
        made = compute()
        with self._lock:
            self._kept[key] = (self._clock() + self._seconds, made)
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return made

    def peek(self, key: Hashable) -> T | None:
        """The kept answer if there is one."""
        with self._lock:
            found = self._kept.get(key)
        return found[1] if found and found[0] > self._clock() else None

    def drop(self, key: Hashable) -> None:
        """Keep the answer of one key no longer."""
        with self._lock:
            self._kept.pop(key, None)

    def forget(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._kept.clear()
