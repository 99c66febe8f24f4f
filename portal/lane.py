"""All that is done with one batch engine: starting, following, settling, one after the other.

Each engine has a lane with threads of its own, so that one that is slow or down keeps no jobs of
the others waiting.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import ColumnElement, Select, exists, select

from batch.engine import Capability
from ijp.errors import EngineError
from portal import metrics
from portal.altering import Altering
from portal.external import External
from portal.following import Following
from portal.model import IS_GRANTED, UNFINISHED, Alteration, JobRow
from portal.pace import Pace
from portal.services import Services
from portal.settling import Settling
from portal.starting import Starting
from portal.states import State
from portal.wakeup import LOOK, Bell

log = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
"""How often it is looked for work that nobody called for."""
_HEED_SECONDS = 1.0
"""Reports of jobs make it ask the engine no more often."""
AFTER_TROUBLE_SECONDS = 2.0
_SETTLERS = 2
_TOGETHER_SECONDS = 0.02


def _to_do(is_mine: ColumnElement[bool]) -> Select[bool, bool, bool, bool]:
    """Whether jobs are to be started, users want something, jobs have ended, and are altered."""
    return select(
        exists().where(UNFINISHED, is_mine, JobRow.state == State.STAGING.value),
        exists().where(UNFINISHED, is_mine, JobRow.wanted.is_not(None)),
        exists().where(UNFINISHED, is_mine, JobRow.ended_at.is_not(None)),
        exists(select(Alteration.id).where(IS_GRANTED)),
    )


class Lane:
    """Acts on the jobs of one engine until it is stopped."""

    def __init__(
        self,
        services: Services,
        name: str,
        settling: Settling,
        is_leading: Callable[[], bool],
        bell: Bell,
    ) -> None:
        """Work for an engine.

        Args:
            is_leading: Whether this process may act now.
            bell: Ringing it makes the lane look for work, or ask the engine, at once.
        """
        self._services = services
        self._name = name
        self._engine = services.engines[name]
        self._is_leading = is_leading
        self._wake = bell.event()
        self._reported = bell.event(LOOK)
        self._heed_at = 0.0
        self._starting = Starting(services, name)
        self._altering = Altering(services, name)
        self._following = Following(services, name)
        wanted = services.settings.external_jobs
        self._external = External(services.database, name, self._engine, wanted)
        self._settling = settling
        its = services.settings.all_engines[name].poll_interval_seconds
        self._pace = Pace(its or services.settings.poll_interval_seconds)
        self._to_do = _to_do(services.engines.rows_of(name))
        self._stopped = threading.Event()
        self._changed = threading.Event()
        self._changed.set()
        self._in_hand: set[int] = set()
        self._lock = threading.Lock()
        self._settlers = ThreadPoolExecutor(_SETTLERS, thread_name_prefix="settle")
        self._threads = [
            threading.Thread(target=target, name=f"{title} {name}", daemon=True)
            for target, title in ((self._run, "dispatcher"), (self._watch, "engine-watch"))
        ]

    def start(self) -> None:
        """Begin, in threads of its own."""
        for thread in self._threads:
            thread.start()

    def ask(self) -> None:
        """Have the engine asked about its jobs soon."""
        self._changed.set()
        self._wake.set()

    def stop(self) -> None:
        """Begin to end; ``join`` waits for it."""
        self._stopped.set()
        self._wake.set()

    def join(self, seconds: float) -> None:
        """Wait until nothing is in hand any more."""
        for thread in self._threads:
            thread.join(seconds)
        self._settlers.shutdown(cancel_futures=True)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                if self._is_leading():
                    self._act()
            except Exception:
                log.exception("the dispatcher had to leave a round of %s unfinished", self._name)
                self._stopped.wait(AFTER_TROUBLE_SECONDS)
            self._wake.wait(_HEED_SECONDS if self._reported.is_set() else IDLE_SECONDS)
            self._wake.clear()

    def _act(self) -> None:
        """One round; cheap when there is nothing to do."""
        if self._reported.is_set() and time.monotonic() >= self._heed_at:
            self._heed_at = time.monotonic() + _HEED_SECONDS
            self._reported.clear()
            self._changed.set()
        with self._services.database.connect() as connection:
            staging, wanted, ended, granted = connection.execute(self._to_do).one()
        if granted and self._pace.may_ask:
            self._altering.do_granted()
        if staging and self._starting.start_some():
            # the next few at once, after a look at what users want
            self._wake.set()
            self._changed.set()
        if wanted and self._pace.may_ask:
            if not self._following.do_wanted():
                self._pace.silent()
            elif self._following.has_more_wanted:
                self._wake.set()
            self._changed.set()
        if self._changed.is_set() and self._pace.may_ask:
            self._changed.clear()
            self._follow()
            ended = True
        if ended:
            self._settle_due()

    def _follow(self) -> None:
        begun = time.monotonic()
        try:
            self._following.follow()
            self._external.look()
            took = time.monotonic() - begun
            metrics.POLLS.labels(self._name).observe(took)
            self._pace.answered(took)
        except EngineError as error:
            log.warning("the batch engine %s does not answer: %s", self._name, error.message)
            metrics.SILENT_POLLS.labels(self._name).inc()
            self._pace.silent()

    def _settle_due(self) -> None:
        for job_id in self._settling.due(self._name):
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
            self._stopped.wait(AFTER_TROUBLE_SECONDS)
        finally:
            with self._lock:
                self._in_hand.discard(job_id)
                is_last = not self._in_hand
            if is_last:
                # of many that ended together the next
                self._wake.set()

    def _watch(self) -> None:
        """Notice when the engine has news; without them, ask from time to time."""
        asked_at = time.monotonic()
        while not self._stopped.is_set():
            interval = self._pace.interval
            try:
                has_news = self._has_news(interval)
            except Exception:
                log.exception("cannot wait for the batch engine %s", self._name)
                self._stopped.wait(AFTER_TROUBLE_SECONDS)
                has_news = True
            if has_news or time.monotonic() - asked_at >= interval:
                asked_at = time.monotonic()
                self._changed.set()
                self._wake.set()
            # many jobs that end together are asked about together
            self._stopped.wait(_TOGETHER_SECONDS)

    def _has_news(self, interval: float) -> bool:
        if Capability.WAKES in self._engine.capabilities:
            return self._engine.wait_for_change(min(interval, 1.0))
        self._stopped.wait(interval)
        return True
