"""Tells a webhook of changes: at least once, those of one entity in order."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine

from catalog.events import outbox
from catalog.events.sending import RefusedError, Sender
from catalog.events.settings import Webhook
from catalog.events.turn import turn

log = logging.getLogger(__name__)

_PAGE = 100
_STRIKES = 5
_STOP_SECONDS = 15.0


@dataclass(frozen=True)
class Pace:
    """How often is looked for events, and how long after failures is waited, in seconds."""

    look: float = 1.0
    after_fault: float = 10.0
    first_wait: float = 1.0
    longest_wait: float = 300.0
    tidy: float = 60.0


@dataclass
class _Retry:
    """Failures in a row, and when to try again on the monotonic clock."""

    failures: int = 0
    not_before: float = 0.0

    def failed(self, first_wait: float, longest_wait: float) -> float:
        """Wait twice as long as last time; gives for how many seconds."""
        wait = min(longest_wait, first_wait * 2.0 ** min(self.failures, 30))
        self.failures += 1
        self.not_before = time.monotonic() + wait
        return wait

    @property
    def is_due(self) -> bool:
        """Whether the wait is over."""
        return time.monotonic() >= self.not_before


@dataclass
class _Round:
    """One way through all that waits: what must not overtake, and what was done."""

    held: set[tuple[str, int]] = field(default_factory=set)
    done: list[int] = field(default_factory=list)
    strikes: int = 0


class Delivery:
    """Delivers to one webhook in a thread of its own, whenever no other process does."""

    def __init__(
        self,
        engine: Engine,
        sender: Sender,
        webhooks: Sequence[Webhook],
        most_waiting: int,
        pace: Pace | None = None,
    ) -> None:
        """``webhooks`` are all there are: an event is removed when all that want it know it."""
        self._engine = engine
        self._sender = sender
        self._webhook = sender.webhook
        self._webhooks = webhooks
        self._most_waiting = most_waiting
        self._pace = pace or Pace()
        self._whole = _Retry()
        self._single: dict[int, _Retry] = {}
        self._tidied = float("-inf")
        self._ended = threading.Event()
        name = f"catalog-webhook-{self._webhook.name}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more; what is being sent is waited for a while."""
        self._ended.set()
        self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                with turn(self._engine, self._webhook.name) as connection:
                    while connection is not None and not self._ended.is_set():
                        began = time.monotonic()
                        self._work(connection)
                        # Much that waits for others alone takes long to look through.
                        took = time.monotonic() - began
                        self._ended.wait(max(self._pace.look, min(took, self._pace.tidy)))
            except Exception:
                log.exception("webhook %s: delivery failed; it goes on", self._webhook.name)
                self._ended.wait(self._pace.after_fault)
            self._ended.wait(self._pace.look)

    def _work(self, connection: Connection) -> None:
        if time.monotonic() >= self._tidied + self._pace.tidy:
            self._tidy(connection)
            self._tidied = time.monotonic()
        if self._whole.is_due:
            self._go_through(connection)

    def _go_through(self, connection: Connection) -> None:
        """Try all that waits and is due, until the webhook seems not to be there."""
        this = _Round()
        after = 0
        while page := self._page(connection, after):
            after = page[-1]["id"]
            for event in page:
                if self._ended.is_set() or not self._try(connection, event, this):
                    self._remove(connection, this)
                    return
            self._remove(connection, this)

    def _page(self, connection: Connection, after: int) -> list[Mapping[str, Any]]:
        with connection.begin():
            return [dict(row) for row in outbox.waiting(connection, self._webhook, after, _PAGE)]

    def _try(self, connection: Connection, event: Mapping[str, Any], this: _Round) -> bool:
        """Send an event if none before it of its entity waits; whether to go on with others."""
        key = (event["entity"], event["entity_id"])
        retry = self._single.get(event["id"])
        if key in this.held or (retry and not retry.is_due):
            this.held.add(key)
            return True
        try:
            self._sender.send(event)
        except RefusedError as error:
            this.held.add(key)
            return self._refused(event, error, this)
        with connection.begin():
            outbox.delivered(connection, self._webhook, event["id"])
        self._taken(event, this)
        return True

    def _taken(self, event: Mapping[str, Any], this: _Round) -> None:
        this.done.append(event["id"])
        this.strikes = 0
        self._single.pop(event["id"], None)
        if self._whole.failures:
            log.info("webhook %s takes events again", self._webhook.name)
            self._whole = _Retry()

    def _refused(self, event: Mapping[str, Any], error: RefusedError, this: _Round) -> bool:
        # Longer than the wait of the whole: then others have their turn first.
        retry = self._single.setdefault(event["id"], _Retry())
        wait = retry.failed(4 * self._pace.first_wait, self._pace.longest_wait)
        log.warning(
            "webhook %s did not take event %s (%s); it is sent again after %.0f s",
            self._webhook.name,
            event["uid"],
            error,
            wait,
        )
        this.strikes += 1
        if this.strikes < _STRIKES:
            return True
        wait = self._whole.failed(self._pace.first_wait, self._pace.longest_wait)
        log.warning(
            "webhook %s takes no events; it is tried again in %.0f s", self._webhook.name, wait
        )
        return False

    def _remove(self, connection: Connection, this: _Round) -> None:
        if this.done:
            with connection.begin():
                outbox.remove_known(connection, self._webhooks, this.done)
            this.done = []

    def _tidy(self, connection: Connection) -> None:
        """Remove what others know meanwhile too, and what is too much."""
        with connection.begin():
            outbox.remove_known(connection, self._webhooks)
        with connection.begin():
            given_up = outbox.give_up_oldest(connection, self._most_waiting)
        if given_up:
            log.error(
                "more than %d change events waited for webhooks: the oldest %d are given up",
                self._most_waiting,
                given_up,
            )
