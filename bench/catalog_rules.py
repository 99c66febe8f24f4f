"""Whether searches get slower the more rules there are."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, text

from bench.catalog_data import STAMP_COLUMNS, STAMPS
from bench.catalog_search import NARROW, ROUNDS, USER, WARM, Run, by_rest, timed
from bench.measure import Result
from bench.site import Site

FEW, MANY = 10, 1_000
ALLOWED = 1.2

_FIRST = (
    "Facility",
    "DatasetType",
    "ParameterType",
    "InvestigationType",
    "DatafileFormat",
    "SELECT u FROM User u WHERE u.name = :user",
    *(
        f"SELECT x FROM {entity} x JOIN x.{way}investigationUsers iu WHERE iu.user.name = :user"
        for entity, way in (
            ("Investigation", ""),
            ("Sample", "investigation."),
            ("Dataset", "investigation."),
            ("DatasetParameter", "dataset.investigation."),
        )
    ),
)
"""The first ten: what everybody may know, and the own investigations."""

_BEAMLINES = (
    "SELECT ds FROM Dataset ds JOIN ds.investigation.investigationInstruments ii "
    "WHERE ii.instrument.name = 'beamline {n}'",
    "SELECT df FROM Datafile df JOIN df.dataset.investigation.investigationInstruments ii "
    "WHERE ii.instrument.name = 'beamline {n}'",
    "SELECT i FROM Investigation i JOIN i.investigationInstruments ii "
    "WHERE ii.instrument.name = 'beamline {n}'",
)
"""What the scientists of a beamline may read."""

_GROUPS = 50
_OWN_GROUPS = 5
_TURNS = 5
_ASIDE = "rules_put_aside"

Rules = list[tuple[str, int | None]]
"""Texts, with the id of a group or None for everyone."""


def measure(site: Site) -> list[Result]:
    """The first page with ten rules, and with a thousand for some groups or for everyone."""
    engine = site.tables("catalog")
    with _put_aside(engine), by_rest(site, site.catalog(USER)) as rest:
        first: Rules = [(what, None) for what in _FIRST]
        more = [_BEAMLINES[n % 3].format(n=n) for n in range(MANY - FEW)]
        groups = _make_groups(engine)
        tables = (
            first,
            [*first, *((what, groups[n % _GROUPS]) for n, what in enumerate(more))],
            [*first, *((what, None) for what in more)],
        )
        times: tuple[list[float], ...] = ([], [], [])
        # In turn, for other work on the machine comes and goes.
        for _ in range(_TURNS):
            for rules, found in zip(tables, times, strict=True):
                _set(engine, rules)
                found += _pages(rest)
    engine.dispose()
    few, of_groups, of_all = map(statistics.median, times)
    return [
        _result(f"first page, {MANY:,} rules, most of other groups", few, of_groups),
        _result(f"first page, {MANY:,} rules for everyone, 330 of datasets", few, of_all),
    ]


def _result(name: str, few: float, many: float) -> Result:
    return Result(
        name,
        f"{1000 * many:.1f} ms",
        f"with {FEW} rules {1000 * few:.1f} ms",
        f"≤ {ALLOWED} times = {ALLOWED * 1000 * few:.1f} ms",
        many <= ALLOWED * few,
    )


def _pages(rest: Run) -> list[float]:
    query = NARROW.query(count=False)
    found = [
        timed(rest, query.format(low=NARROW.low + n / 1000, high=NARROW.high + n / 1000))[1]
        for n in range(WARM + ROUNDS // _TURNS)
    ]
    return found[WARM:]


@contextmanager
def _put_aside(engine: Engine) -> Iterator[None]:
    """Take away all rules, and bring them back."""
    with engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE IF NOT EXISTS {_ASIDE} AS SELECT * FROM rule_"))
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM rule_"))
            connection.execute(text("DELETE FROM grouping WHERE name LIKE 'bench %'"))
            connection.execute(text(f"INSERT INTO rule_ SELECT * FROM {_ASIDE}"))
            connection.execute(text(f"DROP TABLE {_ASIDE}"))


def _set(engine: Engine, rules: Rules) -> None:
    statement = text(
        f"INSERT INTO rule_ (what, crud_flags, grouping_id, {STAMP_COLUMNS}) "
        f"VALUES (:what, 'R', :group, {STAMPS})"
    )
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM rule_"))
        connection.execute(statement, [{"what": what, "group": group} for what, group in rules])
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE rule_"))


def _make_groups(engine: Engine) -> list[int]:
    """The ids of groups; the user is in a few of them."""
    groups = text(
        f"INSERT INTO grouping (name, {STAMP_COLUMNS}) SELECT 'bench ' || n, {STAMPS} "
        f"FROM generate_series(1, {_GROUPS}) n RETURNING id"
    )
    member = text(
        f"INSERT INTO user_group (user_id, grouping_id, {STAMP_COLUMNS}) "
        f"SELECT id, :group, {STAMPS} FROM user_ WHERE name = 'simple/{USER}'"
    )
    with engine.begin() as connection:
        found = list(connection.execute(groups).scalars())
        connection.execute(member, [{"group": one} for one in found[:_OWN_GROUPS]])
    return found
