"""Telling dispatchers at once that there is something to do, those of other processes too.

Another process hears of it through the database where that is PostgreSQL; with SQLite all are on
one host, and it hears through a FIFO in the work folder. A call that is missed costs no job: who
dispatches looks from time to time anyway.
"""

from __future__ import annotations

import logging
import os
import select
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import WeakSet

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from batch.local import wakeup as fifo
from servicekit.database import at_once

log = logging.getLogger(__name__)

WORK = "work"
"""There is something to do in the database."""
LOOK = "look"
"""A job says that it began or ended: the engines are to be asked about it."""
_SUBJECTS = (LOOK, WORK)
_TELL = text("SELECT pg_notify('ijp_jobs', :subject)")
_LISTEN = "LISTEN ijp_jobs"
_AFTER_TROUBLE_SECONDS = 2.0


class Bell:
    """Wakes whoever waits for something to do with the jobs of one database."""

    def __init__(self) -> None:
        self._events: dict[str, WeakSet[threading.Event]] = {one: WeakSet() for one in _SUBJECTS}
        self._lock = threading.Lock()

    def event(self, subject: str = WORK) -> threading.Event:
        """One that is set when it rings for a subject, as long as somebody keeps the event."""
        made = threading.Event()
        with self._lock:
            self._events[subject].add(made)
        return made

    def ring(self, subject: str = WORK) -> None:
        """Set the events; to be asked to look is work, too."""
        with self._lock:
            events = [*self._events[LOOK]] if subject == LOOK else []
            events += self._events[WORK]
        for one in events:
            one.set()


_bells: dict[str, Bell] = {}
_lock = threading.Lock()


def bell_for(database_url: str) -> Bell:
    """The one of this process for a database."""
    with _lock:
        return _bells.setdefault(database_url, Bell())


def folder_in(work_folder: Path) -> Path:
    """Where the processes of one host find each other."""
    return work_folder / "dispatcher"


def waker(
    database_url: str, database: Engine, folder: Path, subject: str = WORK
) -> Callable[[], None]:
    """What is called when there is something to do, after that was committed.

    Args:
        folder: That of ``folder_in``.
    """
    bell = bell_for(database_url)

    def wake() -> None:
        bell.ring(subject)
        if database.dialect.name != "postgresql":
            fifo.wake(str(folder / subject))
            return
        try:
            with at_once(database) as connection:
                connection.execute(_TELL, {"subject": subject})
        except SQLAlchemyError as error:
            log.warning("other processes could not be told of work: %s", error)

    return wake


class Hearing:
    """Rings a bell of this process when another process has called."""

    def __init__(self, bell: Bell, database: Engine, folder: Path) -> None:
        """Hear the calls of ``waker`` with the same folder or database."""
        self._bell = bell
        self._database = database
        self._folder = folder
        self._stopped = threading.Event()
        self._told, self._telling = os.pipe()
        self._thread = threading.Thread(target=self._run, name="hearing", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """End; waits so long for it."""
        self._stopped.set()
        os.write(self._telling, b"!")
        self._thread.join(seconds)
        if not self._thread.is_alive():
            os.close(self._telling)
            os.close(self._told)

    def _run(self) -> None:
        hear = self._hear_fifos
        if self._database.dialect.name == "postgresql":
            hear = self._hear_database
        while not self._stopped.is_set():
            try:
                hear()
            except Exception as error:
                log.warning("calls of other processes cannot be heard: %s", error)
                self._stopped.wait(_AFTER_TROUBLE_SECONDS)

    def _hear_fifos(self) -> None:
        listeners: dict[str, fifo.Listener] = {}
        try:
            for subject in _SUBJECTS:
                listeners[subject] = fifo.Listener(str(self._folder / subject))
            waited: list[Any] = [*listeners.values(), self._told]
            while not self._stopped.is_set():
                select.select(waited, [], [])
                for subject, listener in listeners.items():
                    if listener.wait(0):
                        self._bell.ring(subject)
        finally:
            for listener in listeners.values():
                listener.close()

    def _hear_database(self) -> None:
        with self._database.connect() as connection:
            connection.detach()
            driver: Any = connection.connection.dbapi_connection
            driver.autocommit = True
            with driver.cursor() as cursor:
                cursor.execute(_LISTEN)
            while not self._stopped.is_set():
                select.select([driver, self._told], [], [])
                driver.poll()
                called = {one.payload for one in driver.notifies}
                driver.notifies.clear()
                for subject in called.intersection(_SUBJECTS):
                    self._bell.ring(subject)
