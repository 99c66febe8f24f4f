"""How requests combine, against the tables as they are written down for the interface."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datastore.tiers.states import Operation, Request, Unit, combined, restarts_delay, resumed

_DATASET = """
-                  | WRITE              | ARCHIVE            | RESTORE
ARCHIVE            | WRITE_THEN_ARCHIVE | ARCHIVE            | RESTORE
RESTORE            | RESTORE_THEN_WRITE | ARCHIVE            | RESTORE
WRITE              | WRITE              | WRITE_THEN_ARCHIVE | WRITE
WRITE_THEN_ARCHIVE | WRITE_THEN_ARCHIVE | WRITE_THEN_ARCHIVE | WRITE
RESTORE_THEN_WRITE | RESTORE_THEN_WRITE | RESTORE_THEN_WRITE | RESTORE_THEN_WRITE
"""
_DATAFILE = """
-                  | WRITE              | ARCHIVE            | RESTORE | DELETE
ARCHIVE            | ARCHIVE            | ARCHIVE            | -       | DELETE
RESTORE            | RESTORE            | ARCHIVE            | RESTORE | DELETE
WRITE              | WRITE              | WRITE_THEN_ARCHIVE | WRITE   | -
WRITE_THEN_ARCHIVE | WRITE_THEN_ARCHIVE | WRITE_THEN_ARCHIVE | WRITE   | -
DELETE             | DELETE             | DELETE             | DELETE  | DELETE
"""


def cases() -> list[tuple[Unit, str, str, str]]:
    found = []
    for unit, table in ((Unit.DATASET, _DATASET), (Unit.DATAFILE, _DATAFILE)):
        lines = [[cell.strip() for cell in line.split("|")] for line in table.split("\n")[1:-1]]
        asked = lines[0][1:]
        lines[0] = ["-", *asked]
        for queued, *row in lines:
            found += [(unit, queued, one, then) for one, then in zip(asked, row, strict=True)]
    return found


def request_of(text: str) -> Request | None:
    return None if text == "-" else Request(text)


@pytest.mark.parametrize(("unit", "queued", "asked", "then"), cases())
def test_a_second_request_changes_the_first(unit, queued, asked, then):
    assert combined(unit, request_of(queued), Operation(asked)) == request_of(then)


def test_several_changes_of_a_dataset_become_one_write():
    asked = [one for one in (None, *Request) if restarts_delay(Unit.DATASET, one, Operation.WRITE)]
    assert asked == [None, Request.WRITE, Request.ARCHIVE, Request.WRITE_THEN_ARCHIVE]
    assert not any(restarts_delay(Unit.DATASET, None, one) for one in list(Operation)[1:])
    assert not restarts_delay(Unit.DATAFILE, None, Operation.WRITE)


@given(
    unit=st.sampled_from(Unit),
    asked=st.lists(st.sampled_from(Operation), min_size=1),
    taken_after=st.integers(0, 5),
)
def test_no_write_is_forgotten(unit, asked, taken_after):
    """Whatever is asked for, and wherever a worker is killed, a write that was asked for stays."""
    queued: Request | None = None
    owed = False
    for number, one in enumerate(asked):
        before, queued = queued, combined(unit, queued, one)
        owed |= one is Operation.WRITE and (unit is Unit.DATASET or before is None)
        if one is Operation.DELETE or queued is Request.DELETE:
            return
        if number == taken_after and queued is not None:
            queued = resumed(queued.first, queued.rest)
        if owed:
            assert queued is not None
            assert "WRITE" in queued
