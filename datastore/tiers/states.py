"""What is asked for of data on two levels, and how requests combine: tables without a database.

A request stands in the queue until a worker takes it up; a second one for the same data does not
stand behind it but changes it, by the tables below.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Unit(StrEnum):
    """What is moved as a whole: a dataset, as one zip in the archive, or each file by itself."""

    DATASET = "dataset"
    DATAFILE = "datafile"


class Operation(StrEnum):
    """What a worker does."""

    WRITE = "WRITE"
    ARCHIVE = "ARCHIVE"
    RESTORE = "RESTORE"
    DELETE = "DELETE"


class Request(StrEnum):
    """What stands in the queue: an operation, or one after which another one follows."""

    WRITE = "WRITE"
    ARCHIVE = "ARCHIVE"
    RESTORE = "RESTORE"
    DELETE = "DELETE"
    WRITE_THEN_ARCHIVE = "WRITE_THEN_ARCHIVE"
    RESTORE_THEN_WRITE = "RESTORE_THEN_WRITE"

    @property
    def first(self) -> Operation:
        """What is done now."""
        return Operation(self.partition("_THEN_")[0])

    @property
    def rest(self) -> Request | None:
        """What is left in the queue when the first operation has been taken up."""
        then = self.partition("_THEN_")[2]
        return Request(then) if then else None


_R = Request
_Row = Mapping[Operation, Request | None]
"""By operation asked for, what is then queued; what is not here changes nothing."""

_DATASET: Mapping[Request | None, _Row] = {
    None: {one: _R(one) for one in Operation},
    _R.ARCHIVE: {Operation.WRITE: _R.WRITE_THEN_ARCHIVE, Operation.RESTORE: _R.RESTORE},
    _R.RESTORE: {Operation.WRITE: _R.RESTORE_THEN_WRITE, Operation.ARCHIVE: _R.ARCHIVE},
    _R.WRITE: {Operation.ARCHIVE: _R.WRITE_THEN_ARCHIVE},
    _R.WRITE_THEN_ARCHIVE: {Operation.RESTORE: _R.WRITE},
    _R.RESTORE_THEN_WRITE: {},
    _R.DELETE: {},
}
_DATAFILE: Mapping[Request | None, _Row] = {
    None: {one: _R(one) for one in Operation},
    _R.ARCHIVE: {Operation.RESTORE: None, Operation.DELETE: _R.DELETE},
    _R.RESTORE: {Operation.ARCHIVE: _R.ARCHIVE, Operation.DELETE: _R.DELETE},
    _R.WRITE: {Operation.ARCHIVE: _R.WRITE_THEN_ARCHIVE, Operation.DELETE: None},
    _R.WRITE_THEN_ARCHIVE: {Operation.RESTORE: _R.WRITE, Operation.DELETE: None},
    _R.RESTORE_THEN_WRITE: {Operation.DELETE: _R.DELETE},
    _R.DELETE: {},
}
_TABLES = {Unit.DATASET: _DATASET, Unit.DATAFILE: _DATAFILE}


def combined(unit: Unit, queued: Request | None, asked: Operation) -> Request | None:
    """What is queued after an operation was asked for."""
    return _TABLES[unit][queued].get(asked, queued)


def restarts_delay(unit: Unit, queued: Request | None, asked: Operation) -> bool:
    """Whether the wait before a write begins anew, so that several changes become one write."""
    waits = (None, Request.ARCHIVE, Request.WRITE, Request.WRITE_THEN_ARCHIVE)
    return unit is Unit.DATASET and asked is Operation.WRITE and queued in waits


def resumed(running: Operation, queued: Request | None) -> Request:
    """What to queue for an operation that did not come to its end, with what stood behind it.

    An archiving that began, and after which a restore was asked for, is the restore alone, which
    brings back whatever is missing.
    """
    if queued is None:
        return Request(running)
    joined = {
        (Operation.WRITE, Request.ARCHIVE): Request.WRITE_THEN_ARCHIVE,
        (Operation.WRITE, Request.RESTORE): Request.WRITE,
        (Operation.RESTORE, Request.WRITE): Request.RESTORE_THEN_WRITE,
        (Operation.DELETE, Request.ARCHIVE): Request.DELETE,
        (Operation.DELETE, Request.RESTORE): Request.DELETE,
    }
    return joined.get((running, queued), queued)
