"""What the settings may say of limits, and whose counts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from marshmallow import ValidationError

from portal.limits import Limits, LimitsSchema, Period, SharedLimits, UserLimits


def test_nothing_said_is_no_limit():
    found = LimitsSchema().load({})
    assert found == Limits()
    said = (found.limit_running, found.limit_waiting, found.has_core_hours, found.govern_starts)
    assert not any(said)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"running_per_user": -1}, "running_per_user"),
        ({"running_per_user": "many"}, "running_per_user"),
        ({"runing": 3}, "runing"),
        ({"users": {"simple/ana": {"runing": 3}}}, "simple/ana"),
        ({"users": {"simple/ana": {"running_per_user": 3}}}, "running_per_user"),
        ({"groups": {"students": 3}}, "students"),
        ({"groups": {"": {"running": 3}}}, "groups"),
        ({"job_types": {"blur": {"running": 2.5}}}, "blur"),
        ({"investigations": {"X": {}}}, "core_hours"),
        ({"core_hours_per_investigation": float("nan")}, "core_hours_per_investigation"),
        ({"period": "fortnight"}, "period"),
        ({"aging_minutes": 0}, "aging_minutes"),
    ],
)
def test_what_means_nothing_is_refused_and_named(given, named):
    with pytest.raises(ValidationError) as caught:
        LimitsSchema().load(given)
    assert named in str(caught.value)


def test_users_own_goes_before_the_groups_and_these_before_everybodys():
    limits = Limits(
        running_per_user=3,
        users={"ana": UserLimits(running=1, priority=-1)},
        groups={
            "staff": SharedLimits(running_per_user=8, priority=2),
            "students": SharedLimits(running_per_user=2, priority=1),
            "guests": SharedLimits(running=1),
        },
    )
    assert limits.for_user("running", "ana", ("staff",)) == 1
    assert limits.for_user("running", "ben", ("staff", "students")) == 8
    assert limits.for_user("running", "ben", ("guests",)) == 3
    assert limits.for_user("priority", "ana", ("staff",)) == -1
    assert limits.for_user("priority", "ben", ("staff", "students")) == 2
    assert limits.for_user("priority", "ben", ()) == 0
    assert limits.for_user("waiting", "ben", ("staff",)) is None


@pytest.mark.parametrize(
    ("unit", "start", "end"),
    [
        ("day", (2026, 12, 31), (2027, 1, 1)),
        ("week", (2026, 12, 28), (2027, 1, 4)),
        ("month", (2026, 12, 1), (2027, 1, 1)),
        ("year", (2026, 1, 1), (2027, 1, 1)),
    ],
)
def test_periods_are_those_of_the_calendar(unit, start, end):
    period = Period.at(datetime(2026, 12, 31, 23, 30, tzinfo=UTC), unit)
    assert (period.start, period.end) == (datetime(*start, tzinfo=UTC), datetime(*end, tzinfo=UTC))
