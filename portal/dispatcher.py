"""The dispatcher: starts jobs, follows them, and settles them when they have ended.

It runs in a thread beside the pages or in a process of its own. Of several only the one that
holds the lease acts. All that it knows is in the database, so it may be killed at any moment.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sqlalchemy import exists, select
from sqlalchemy.exc import SQLAlchemyError

from batch.engine import Capability
from portal.altering import Altering
from portal.following import Following
from portal.lease import Leadership
from portal.model import IS_GRANTED, UNFINISHED, Alteration, JobRow
from portal.provenance_record import ProvenanceRecord
from portal.services import Services
from portal.settling import Settling
from portal.starting import Starting
from portal.states import State

log = logging.getLogger(__name__)

POLL_SECONDS = 0.08
LEASE = timedelta(seconds=12)
_SETTLERS = 2
_TOGETHER_SECONDS = 0.02
_STOP_SECONDS = 10.0
_HOUSEKEEPING_SECONDS = 60.0
_AFTER_TROUBLE_SECONDS = 2.0

_TO_DO = select(
    exists().where(UNFINISHED, JobRow.state == State.STAGING.value),
    exists().where(UNFINISHED, JobRow.wanted.is_not(None)),
    exists().where(UNFINISHED, JobRow.ended_at.is_not(None)),
    exists(select(Alteration.id).where(IS_GRANTED)),
)
"""Whether jobs are to be started, users want something, jobs have ended, and are to be altered."""


class Dispatcher:
    """Acts on jobs until it is stopped."""

    def __init__(self, services: Services, record: ProvenanceRecord, wake: threading.Event) -> None:
        """Work for a portal; setting ``wake`` makes it look for work at once."""
        self._services = services
        self._wake = wake
        self._starting = Starting(services)
        self._altering = Altering(services)
        self._following = Following(services)
        self._settling = Settling(services, record)
        self._lease = Leadership(services.database, "dispatcher", LEASE)
        self._stopped = threading.Event()
        self._changed = threading.Event()
        self._changed.set()
        self._in_hand: set[int] = set()
        self._lock = threading.Lock()
        self._settlers = ThreadPoolExecutor(_SETTLERS, thread_name_prefix="settle")
        self._threads = [
            threading.Thread(target=target, name=name, daemon=True)
            for name, target in (
                ("dispatcher", self._run),
                ("engine-watch", self._watch),
                ("housekeeping", self._keep_house),
            )
        ]

    def start(self) -> None:
        """Begin, in threads of its own."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End; gives back when nothing is in hand any more."""
        self._stopped.set()
        self._wake.set()
        for thread in self._threads:
            thread.join(_STOP_SECONDS)
        self._settlers.shutdown(cancel_futures=True)
        try:
            self._lease.release()
        except SQLAlchemyError:
            log.warning("the lease could not be given back; it ends by itself")

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                if self._lease.held():
                    self._act()
            except Exception:
                log.exception("the dispatcher had to leave a round unfinished")
                self._stopped.wait(_AFTER_TROUBLE_SECONDS)
            self._wake.wait(POLL_SECONDS)
            self._wake.clear()

    def _act(self) -> None:
        """One round; cheap when there is nothing to do."""
        with self._services.database.connect() as connection:
            staging, wanted, ended, granted = connection.execute(_TO_DO).one()
        if granted:
            self._altering.do_granted()
        if staging and self._starting.start_some():
            # the next few at once, after a look at what users want
            self._wake.set()
            self._changed.set()
        if wanted:
            self._following.do_wanted()
            self._changed.set()
        if self._changed.is_set():
            self._changed.clear()
            self._following.follow()
            ended = True
        if ended:
            self._settle_due()

    def _settle_due(self) -> None:
        for job_id in self._settling.due():
            with self._lock:
                if job_id in self._in_hand:
                    continue
                self._in_hand.add(job_id)
            self._settlers.submit(self._settle, job_id)

    def _settle(self, job_id: int) -> None:
        try:
            self._settling.settle(job_id)
        except Exception:
            log.exception("job %s could not be settled; it is tried again", job_id)
            self._stopped.wait(_AFTER_TROUBLE_SECONDS)
        finally:
            with self._lock:
                self._in_hand.discard(job_id)

    def _watch(self) -> None:
        """Notice when the engine has news; without them, ask from time to time."""
        engine = self._services.engine
        interval = self._services.settings.poll_interval_seconds
        patience = min(interval, 1.0) if Capability.WAKES in engine.capabilities else interval
        asked_at = time.monotonic()
        while not self._stopped.is_set():
            try:
                has_news = engine.wait_for_change(patience)
            except Exception:
                log.exception("cannot wait for the batch system")
                self._stopped.wait(_AFTER_TROUBLE_SECONDS)
                has_news = True
            if has_news or time.monotonic() - asked_at >= interval:
                asked_at = time.monotonic()
                self._changed.set()
                self._wake.set()
            # many jobs that end together are asked about together
            self._stopped.wait(_TOGETHER_SECONDS)

    def _keep_house(self) -> None:
        """Now and then: keep sessions of unfinished jobs alive, end those of others."""
        while not self._stopped.is_set():
            if self._lease.held():
                for work in self._housework():
                    try:
                        work()
                    except Exception:
                        log.exception("housekeeping had to leave something")
                self._changed.set()
            self._stopped.wait(_HOUSEKEEPING_SECONDS)

    def _housework(self) -> list[Callable[[], None]]:
        kept = self._services.sessions.kept
        return [self._refresh_sessions, kept.end_unneeded, self._settling.record_again]

    def _refresh_sessions(self) -> None:
        lifetime = timedelta(minutes=self._services.catalog.properties().lifetime_minutes)
        self._services.sessions.kept.refresh(lifetime / 2)
