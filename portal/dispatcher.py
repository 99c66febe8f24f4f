"""The dispatcher: starts jobs, follows them, and settles them when they have ended.

It runs in a thread beside the pages or in a process of its own. Of several only the one that
holds the lease acts. All that it knows is in the database, so it may be killed at any moment.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from portal.lane import Lane
from portal.lease import Leadership
from portal.monitoring import Monitoring
from portal.provenance_record import ProvenanceRecord
from portal.services import Services
from portal.settling import Settling
from portal.wakeup import Bell, Hearing, folder_in

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=12)
_STOP_SECONDS = 10.0
_HOUSEKEEPING_SECONDS = 60.0


class Dispatcher:
    """Acts on jobs until it is stopped; the jobs of each engine have a lane of their own."""

    def __init__(self, services: Services, record: ProvenanceRecord, bell: Bell) -> None:
        """Work for a portal; ringing the bell makes it look for work at once."""
        self._services = services
        self._settling = Settling(services, record)
        self._lease = Leadership(services.database, "dispatcher", LEASE)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._lanes = [
            Lane(services, name, self._settling, self._is_leading, bell)
            for name in services.engines
        ]
        folder = folder_in(services.settings.work_folder)
        self._hearing = Hearing(bell, services.database, folder)
        self._monitoring = Monitoring(services, self._is_leading)
        self._threads = [
            threading.Thread(target=target, name=name, daemon=True)
            for target, name in ((self._keep_house, "housekeeping"), (self._keep_lease, "lease"))
        ]

    def start(self) -> None:
        """Begin, in threads of its own."""
        for lane in self._lanes:
            lane.start()
        self._hearing.start()
        for thread in self._threads:
            thread.start()
        self._monitoring.start()

    def ask_engines(self) -> None:
        """Have the engines asked about their jobs soon."""
        for lane in self._lanes:
            lane.ask()

    def stop(self) -> None:
        """End; gives back when nothing is in hand any more."""
        self._stopped.set()
        self._monitoring.stop()
        for lane in self._lanes:
            lane.stop()
        for lane in self._lanes:
            lane.join(_STOP_SECONDS)
        for thread in self._threads:
            thread.join(_STOP_SECONDS)
        self._monitoring.join(_STOP_SECONDS)
        self._hearing.stop(_STOP_SECONDS)
        try:
            self._lease.release()
        except SQLAlchemyError:
            log.warning("the lease could not be given back; it ends by itself")

    def _is_leading(self) -> bool:
        with self._lock:
            return self._lease.held()

    def _keep_lease(self) -> None:
        """Renew it while the lanes are busy with something long, too."""
        while not self._stopped.wait(LEASE.total_seconds() / 4):
            try:
                self._is_leading()
            except SQLAlchemyError as error:
                log.warning("the lease could not be renewed: %s", error)

    def _keep_house(self) -> None:
        """Now and then: keep sessions of unfinished jobs alive, end those of others."""
        while not self._stopped.is_set():
            if self._is_leading():
                for work in self._housework():
                    try:
                        work()
                    except Exception:
                        log.exception("housekeeping had to leave something")
                self.ask_engines()
            self._stopped.wait(_HOUSEKEEPING_SECONDS)

    def _housework(self) -> list[Callable[[], None]]:
        kept = self._services.sessions.kept
        return [self._refresh_sessions, kept.end_unneeded, self._settling.record_again]

    def _refresh_sessions(self) -> None:
        lifetime = timedelta(minutes=self._services.catalog.properties().lifetime_minutes)
        self._services.sessions.kept.refresh(lifetime / 2)
