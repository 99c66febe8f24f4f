"""Telling a dispatcher of the same process at once that there is something to do."""

from __future__ import annotations

import threading

_events: dict[str, threading.Event] = {}
_lock = threading.Lock()


def event_for(database_url: str) -> threading.Event:
    """The event that is set when jobs of this database have something to be done."""
    with _lock:
        return _events.setdefault(database_url, threading.Event())
