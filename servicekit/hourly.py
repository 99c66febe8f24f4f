"""Work that a service does at its start and then every hour."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

_EVERY_SECONDS = 3600.0


class Hourly:
    """Does some work in a thread of its own; what fails is tried again in an hour."""

    def __init__(
        self, name: str, work: Callable[[], object], every_seconds: float = _EVERY_SECONDS
    ) -> None:
        self._name = name
        self._work = work
        self._every_seconds = every_seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                self._work()
            except Exception:
                log.exception("%s failed; it is tried again", self._name)
            if self._ended.wait(self._every_seconds):
                return

    def stop(self) -> None:
        """Do it no more; gives back when the work that is being done has ended."""
        self._ended.set()
        self._thread.join()
