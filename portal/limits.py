"""What ``[portal.limits]`` says: how many jobs whom, how much computing, and who goes first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from marshmallow import RAISE, Schema, fields, post_load, validate

PERIODS = ("day", "week", "month", "year")


@dataclass(frozen=True)
class UserLimits:
    """Those of one user, instead of what users have otherwise; None leaves it as it is."""

    running: int | None = None
    waiting: int | None = None
    priority: int | None = None


@dataclass(frozen=True)
class SharedLimits:
    """Those of a group of the catalog, or of a job type; None is no limit.

    Attributes:
        running: All together; ``running_per_user`` is each one's.
        priority: Of a group, that of its members; of a job type, added to that of the user.
    """

    running: int | None = None
    waiting: int | None = None
    running_per_user: int | None = None
    waiting_per_user: int | None = None
    priority: int | None = None


@dataclass(frozen=True)
class InvestigationLimits:
    """Those of the investigations of one name."""

    core_hours: float


@dataclass(frozen=True)
class Limits:
    """What ``[portal.limits]`` says; None is no limit.

    A job is *running* from when it is given to the batch system until it has ended, and *waiting*
    until its program starts.

    Attributes:
        running: All users together.
        core_hours_per_investigation: In a period, which begins by the calendar, in UTC.
        aging_minutes: After so long a waiting job counts as one priority higher, up to the highest.
    """

    running: int | None = None
    running_per_user: int | None = None
    waiting_per_user: int | None = None
    core_hours_per_investigation: float | None = None
    period: str = "month"
    aging_minutes: int = 60
    users: Mapping[str, UserLimits] = field(default_factory=dict)
    groups: Mapping[str, SharedLimits] = field(default_factory=dict)
    job_types: Mapping[str, SharedLimits] = field(default_factory=dict)
    investigations: Mapping[str, InvestigationLimits] = field(default_factory=dict)

    @property
    def has_core_hours(self) -> bool:
        """Whether computing time is limited at all."""
        return self.core_hours_per_investigation is not None or bool(self.investigations)

    @property
    def has_priorities(self) -> bool:
        """Whether some go before others."""
        return any(value for found in self._everywhere("priority") for value in found.values())

    @property
    def govern_starts(self) -> bool:
        """Whether it depends on them which jobs start next."""
        return self.has_priorities or self.limit_running

    @property
    def limit_running(self) -> bool:
        """Whether the number of running jobs is limited for anybody."""
        ours = (self.running, self.running_per_user)
        named = (*self._everywhere("running"), *self._everywhere("running_per_user"))
        return any(named) or any(one is not None for one in ours)

    @property
    def limit_waiting(self) -> bool:
        """Whether the number of waiting jobs is limited for anybody."""
        named = (*self._everywhere("waiting"), *self._everywhere("waiting_per_user"))
        return any(named) or self.waiting_per_user is not None

    @property
    def highest_priority(self) -> int:
        """What no job's priority is above."""
        users, groups, types = self._everywhere("priority")
        return max([0, *users.values(), *groups.values()]) + max([0, *types.values()])

    def _everywhere(self, name: str) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
        return self.of_users(name), self.of_groups(name), self.of_types(name)

    def of_types(self, name: str) -> dict[str, int]:
        """One of the limits by job type, where it is set."""
        return _set(self.job_types, name)

    def of_groups(self, name: str) -> dict[str, int]:
        """One of the limits by group, where it is set."""
        return _set(self.groups, name)

    def of_users(self, name: str) -> dict[str, int]:
        """One of the limits by user, where it is set."""
        return _set(self.users, name)

    def for_user(self, name: str, user: str, groups: tuple[str, ...]) -> int | None:
        """A user's own ``running``, ``waiting`` or ``priority``.

        The user's own goes before that of the groups, of which the most generous counts; that
        before what everybody has.
        """
        if (own := self.of_users(name).get(user)) is not None:
            return own
        by_group = self.of_groups("priority" if name == "priority" else f"{name}_per_user")
        if found := [by_group[one] for one in groups if one in by_group]:
            return max(found)
        if name == "priority":
            return 0
        return self.running_per_user if name == "running" else self.waiting_per_user

    def core_hours_of(self, investigation: str | None) -> float | None:
        """What an investigation of this name may use in a period."""
        own = self.investigations.get(investigation or "")
        return own.core_hours if own else self.core_hours_per_investigation


def _set(table: Mapping[str, UserLimits] | Mapping[str, SharedLimits], name: str) -> dict[str, int]:
    found = {key: getattr(one, name, None) for key, one in table.items()}
    return {key: value for key, value in found.items() if value is not None}


@dataclass(frozen=True)
class Period:
    """A time of the calendar, in UTC, with the moment after it."""

    start: datetime
    end: datetime
    unit: str

    @staticmethod
    def at(moment: datetime, unit: str) -> Period:
        """The day, week (from Monday), month or year that a moment is in."""
        day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if unit == "day":
            return Period(day, day + timedelta(days=1), unit)
        if unit == "week":
            monday = day - timedelta(days=day.weekday())
            return Period(monday, monday + timedelta(days=7), unit)
        if unit == "month":
            first = day.replace(day=1)
            return Period(first, (first + timedelta(days=32)).replace(day=1), unit)
        first = day.replace(month=1, day=1)
        return Period(first, first.replace(year=first.year + 1), unit)


_MOST = 10**9


def _number(least: int = 0) -> fields.Integer:
    check = validate.Range(least, _MOST)
    return fields.Integer(strict=True, allow_none=True, load_default=None, validate=check)


class _Strict(Schema):
    class Meta:
        unknown = RAISE


class _UserSchema(_Strict):
    running = _number()
    waiting = _number()
    priority = _number(-1000)

    @post_load
    def _made(self, values: dict[str, Any], **_: Any) -> UserLimits | SharedLimits:
        return UserLimits(**values)


class _SharedSchema(_UserSchema):
    running_per_user = _number()
    waiting_per_user = _number()

    @post_load
    def _made(self, values: dict[str, Any], **_: Any) -> SharedLimits:
        return SharedLimits(**values)


class _InvestigationSchema(_Strict):
    core_hours = fields.Float(required=True, validate=validate.Range(0, _MOST))

    @post_load
    def _made(self, values: dict[str, Any], **_: Any) -> InvestigationLimits:
        return InvestigationLimits(**values)


def _by_name(kind: type[Schema]) -> fields.Dict:
    names = fields.String(validate=validate.Length(1, 255))
    return fields.Dict(keys=names, values=fields.Nested(kind), load_default=dict)


class LimitsSchema(_Strict):
    """The keys of ``[portal.limits]``."""

    running = _number()
    running_per_user = _number()
    waiting_per_user = _number()
    core_hours_per_investigation = fields.Float(
        load_default=None, validate=validate.Range(0, _MOST)
    )
    period = fields.String(load_default="month", validate=validate.OneOf(PERIODS))
    aging_minutes = fields.Integer(
        strict=True, load_default=60, validate=validate.Range(1, 60 * 24 * 365)
    )
    users = _by_name(_UserSchema)
    groups = _by_name(_SharedSchema)
    job_types = _by_name(_SharedSchema)
    investigations = _by_name(_InvestigationSchema)

    @post_load
    def _made(self, values: dict[str, Any], **_: Any) -> Limits:
        return Limits(**values)
