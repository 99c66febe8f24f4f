"""The worker: takes up what is queued and does it, in threads of its own, in any process."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from datastore.tiers.locks import Hold, Locks
from datastore.tiers.moving import Mover, Written, digest_of
from datastore.tiers.outcomes import Taken
from datastore.tiers.queue import MOST_TRIES, Queue, pause_after
from datastore.tiers.states import Operation, Unit
from ijp.errors import DataNotOnlineError, NotFoundError, PortalError, UnavailableError

log = logging.getLogger(__name__)

_FILES_AT_ONCE = 200
_AFTER_TROUBLE_SECONDS = 2.0
_REQUEUE_SECONDS = 3600.0
_LOOK_AFTER_SECONDS = 5.0


class PostponedError(Exception):
    """Not now: what is in the way goes away by itself."""


@dataclass(frozen=True)
class Worker:
    """Does what is queued, in the caller's thread."""

    queue: Queue
    locks: Locks
    mover: Mover

    def work(self) -> bool:
        """Take up what is due and do it; gives whether there was anything."""
        at_most = 1 if self.queue.unit is Unit.DATASET else _FILES_AT_ONCE
        self.locks.keep_alive()
        taken = self.queue.take(self.locks.owner, self.locks.lease, at_most)
        by_dataset: dict[int, list[Taken]] = {}
        for one in taken:
            by_dataset.setdefault(one.thing.dataset_id, []).append(one)
        held: list[Hold] = []
        ready: list[Taken] = []
        try:
            for dataset_id, some in by_dataset.items():
                try:
                    held.append(self._lock(some[0].operation, dataset_id))
                    ready += some
                except DataNotOnlineError:
                    self._put_back(some)
            if ready:
                self._do(ready)
        finally:
            self.queue.let_go(taken)
            for hold in held:
                hold.release()
        return bool(ready)

    def _lock(self, operation: Operation, dataset_id: int) -> Hold:
        if operation is Operation.WRITE:
            return self.locks.shared([dataset_id])
        return self.locks.exclusive([dataset_id])

    def _put_back(self, some: list[Taken]) -> None:
        for one in some:
            self.queue.put_back(self.locks.owner, one, pause=pause_after(0) / 4)

    def _do(self, some: list[Taken]) -> None:
        operation = some[0].operation
        if self.queue.unit is Unit.DATAFILE and operation is Operation.RESTORE:
            self._restore_files(some)
            return
        for one in some:
            self._attempt(one)

    def _attempt(self, taken: Taken) -> None:
        """Do something; what fails is done again later, or given up with its reason."""
        owner, thing = self.locks.owner, taken.thing
        try:
            self._move(taken)
        except PostponedError as error:
            log.info("%s of %s is put off: %s", taken.operation, thing.key, error)
            self.queue.put_back(owner, taken, pause=pause_after(1))
        except UnavailableError as error:
            self._again(taken, error.message)
        except PortalError as error:
            if taken.operation is Operation.RESTORE:
                self._give_up(taken, error.message)
            else:
                self._again(taken, error.message)
        except SQLAlchemyError:
            raise
        except Exception:
            log.exception("%s of %s failed", taken.operation, thing.key)
            self._give_up(taken, "an error of the data service; its log says more")

    def _again(self, taken: Taken, why: str) -> None:
        if taken.tries + 1 >= MOST_TRIES:
            self._give_up(taken, why)
            return
        log.warning("%s of %s: %s; it is tried again", taken.operation, taken.thing.key, why)
        pause = pause_after(taken.tries)
        self.queue.put_back(self.locks.owner, taken, pause=pause, is_try=True)

    def _give_up(self, taken: Taken, why: str) -> None:
        log.error("%s of %s is given up: %s", taken.operation, taken.thing.key, why)
        is_partly_there = taken.operation is Operation.RESTORE and not taken.in_main
        if is_partly_there and self.queue.holds(self.locks.owner, taken):
            with suppress(PortalError):
                self._drop(taken)
        self.queue.failed(self.locks.owner, taken, why)

    def _move(self, taken: Taken) -> None:
        if taken.operation is Operation.WRITE:
            self._write(taken)
        elif taken.operation is Operation.ARCHIVE:
            self._archive(taken)
        elif taken.operation is Operation.RESTORE:
            self._restore_dataset(taken)
        else:
            # a restore that was running meanwhile may have brought it back
            self.mover.storage.delete(taken.thing.key)
            self.mover.archive.delete(taken.thing.key)
            self.queue.forget(self.locks.owner, taken)

    def _write(self, taken: Taken) -> None:
        owner, thing = self.locks.owner, taken.thing
        if not taken.in_main:
            # nothing can have changed in what is not there
            self.queue.done(owner, taken)
            return
        if self.queue.unit is Unit.DATASET:
            written = self.mover.write_dataset(thing.dataset_id)
        else:
            written = self._written_file(taken)
        if written is None:
            self.queue.forget(owner, taken)
        else:
            self.queue.written(owner, taken, written.size, written.files)
            log.info("%s written to the archive, %d bytes", thing.key, written.size)

    def _written_file(self, taken: Taken) -> Written | None:
        try:
            return Written(self.mover.write_file(taken.thing.key), "")
        except NotFoundError:
            if taken.in_archive:
                raise
            # it was deleted again before it was ever written
            return None

    def _archive(self, taken: Taken) -> None:
        owner, thing = self.locks.owner, taken.thing
        is_dataset = self.queue.unit is Unit.DATASET
        files = self.mover.files_of(thing.dataset_id) if is_dataset else []
        if taken.in_main:
            self._require_kept(taken, digest_of(files) if is_dataset else "")
            if self.queue.is_unsettled(taken.thing.dataset_id):
                raise PostponedError("an upload or removal in the dataset has not ended")
            if not self.queue.go_offline(owner, taken):
                self._write_first(taken)
                return
        if is_dataset:
            self.mover.drop(files)
        else:
            self.mover.storage.delete(thing.key)
        self.queue.done(owner, taken)
        log.info("%s is in the archive only", thing.key)

    def _require_kept(self, taken: Taken, files: str) -> None:
        """See that the archive really has what it is said to have, and all that is there now."""
        if not taken.is_kept:
            return
        key = taken.thing.key
        if self.mover.archive.size(key) != taken.archive_bytes:
            log.error("the archive has lost %s; it is written again", key)
            self.queue.lost(key)
        elif taken.archive_files != files:
            log.warning("the catalog has other files of %s now; it is written again", key)
            self.queue.lost(key)

    def _write_first(self, taken: Taken) -> None:
        """What the archive has not, all of it, stays in the main storage until it has."""
        self.queue.request([taken.thing], Operation.WRITE)
        self.queue.request([taken.thing], Operation.ARCHIVE)
        self.queue.done(self.locks.owner, taken)

    def _drop(self, taken: Taken) -> None:
        if self.queue.unit is Unit.DATASET:
            self.mover.drop(self.mover.files_of(taken.thing.dataset_id))
        else:
            self.mover.storage.delete(taken.thing.key)

    def _restore_dataset(self, taken: Taken) -> None:
        if not taken.in_main or taken.is_kept:
            self.mover.restore_dataset(taken.thing.dataset_id)
            log.info("dataset %s is back from the archive", taken.thing.key)
        self.queue.restored(self.locks.owner, taken)

    def _restore_files(self, some: list[Taken]) -> None:
        wanted = {
            one.thing.key: one.archive_bytes for one in some if not one.in_main or one.is_kept
        }
        failed: dict[str, str] = {}
        try:
            failed = self.mover.restore_files(wanted)
        except UnavailableError as error:
            for one in some:
                self._again(one, error.message)
            return
        except PortalError as error:
            failed = dict.fromkeys(wanted, error.message)
        except Exception:
            log.exception("%d files could not be restored", len(wanted))
            failed = dict.fromkeys(wanted, "an error of the data service; its log says more")
        for one in some:
            if one.thing.key in failed:
                self._give_up(one, failed[one.thing.key])
            else:
                self.queue.restored(self.locks.owner, one)


class Workers:
    """Threads that work until they are stopped."""

    def __init__(self, worker: Worker, count: int, poll_seconds: float) -> None:
        self._worker = worker
        self._poll_seconds = poll_seconds
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=target, name=f"tier-{name}", daemon=True)
            for name, target in (
                ("keeper", self._look_after),
                *((str(number), self._run) for number in range(count)),
            )
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin nothing more; gives back when what is being done has ended."""
        self._ended.set()
        for thread in self._threads:
            thread.join()
        self._worker.locks.stop()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                busy = self._worker.work()
            except Exception:
                log.exception("moving data had to leave something; it is tried again")
                busy = False
                self._ended.wait(_AFTER_TROUBLE_SECONDS)
            if not busy:
                self._ended.wait(self._poll_seconds)

    def _look_after(self) -> None:
        """Take back what killed processes had; write what a failure has left unwritten."""
        queue = self._worker.queue
        pause = min(self._worker.locks.lease.total_seconds() / 2, _LOOK_AFTER_SECONDS)
        since_requeued = _REQUEUE_SECONDS
        while not self._ended.is_set():
            try:
                queue.recover()
                self._worker.locks.drop_ended()
                if since_requeued >= _REQUEUE_SECONDS:
                    queue.write_again()
                    since_requeued = 0.0
            except Exception:
                log.exception("what killed processes had could not be taken back")
            since_requeued += pause
            self._ended.wait(pause)
