"""Whatever is sent as a query is answered or refused, and nothing else happens."""

from __future__ import annotations

import contextlib
import os

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ijp.errors import QueryError, ValidationFailedError

_SETTINGS = settings(
    max_examples=int(os.environ.get("IJP_EXAMPLES", "40")),
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
    ],
)
_WORDS = [
    *("SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "IN", "IS", "NULL", "EMPTY", "LIKE", "AS"),
    *("BETWEEN", "EXISTS", "JOIN", "LEFT", "DISTINCT", "INCLUDE", "LIMIT", "ORDER", "BY", "GROUP"),
    *("(", ")", ",", "[", "]", "<->", "=", "<>", "<", "+", "-", "*", "/", ".", "'", "{", ":", "#"),
    *("COUNT(", "LENGTH(", "SIZE(", "TRIM(", "1", "0", "2.5", "'x'", "TRUE", ":user", "ds", "id"),
    *("{ts 2026-01-01 00:00:00}", "ds.name", "ds.type", "Dataset", "Investigation", "User", "name"),
]


@_SETTINGS
@given(text=st.one_of(st.text(max_size=60), st.lists(st.sampled_from(_WORDS)).map(" ".join)))
@example(text="Dataset\t\n[ id = 1 ]")
def test_any_text_is_answered_or_refused(searched, text):
    with contextlib.suppress(QueryError, ValidationFailedError):
        searched(text)


def _of(*formats: str, **parts: st.SearchStrategy[str]) -> list[st.SearchStrategy[str]]:
    """Each format with every ``{name}`` replaced by what its strategy gives."""
    return [_filled(one, parts) for one in formats]


def _filled(text: str, parts: dict[str, st.SearchStrategy[str]]) -> st.SearchStrategy[str]:
    pieces = text.split("{")
    built = [st.just(pieces[0])]
    for piece in pieces[1:]:
        name, _, rest = piece.partition("}")
        built += [parts[name], st.just(rest)]
    return st.tuples(*built).map("".join)


def _expressions(depth: int) -> dict[str, st.SearchStrategy[str]]:
    """Numbers, texts, moments and conditions that are right by their kinds."""
    number = ["ds.fileSize", "ds.id", "2", "0.5", "-3", "s.id", "SIZE(ds.datafiles)"]
    text = ["ds.name", "ds.type.name", "'d1'", "''", ":user", "s.name", "ds.description"]
    found = {
        "n": st.sampled_from(number),
        "t": st.sampled_from(text),
        "m": st.sampled_from(["ds.startDate", "CURRENT_TIMESTAMP", "'2026-01-02'"]),
        "a": st.sampled_from(["ds.startDate", "ds.createTime", "ds.endDate"]),
        "c": st.sampled_from(["ds.complete = TRUE", "ds.sample IS NULL", "1 = 1"]),
        "v": st.sampled_from(["ds.fileSize * 2", "ABS(ds.id - 3) / 7", "LENGTH(ds.name) + 0.5"]),
    }
    for _ in range(depth):
        of = found
        numbers = _of(
            *("{n} + {n}", "({n} - {n})", "({n} * {n})", "{n} / {n}", "-({n})", "ABS({n})"),
            *("LENGTH({t})", "LOCATE({t}, {t})", "MOD({n}, {n})", "LOCATE({t}, {t}, 2)"),
            "(SELECT MAX(f.fileSize) FROM ds.datafiles f WHERE {c})",
            "(SELECT COUNT(p) FROM DatasetParameter p WHERE p.dataset = ds AND p.id > {n})",
            **of,
        )
        texts = _of(
            *("LOWER({t})", "UPPER({t})", "CONCAT({t}, {t})", "TRIM({t})"),
            *("SUBSTRING({t}, 1)", "SUBSTRING({t}, 2, 1)", "TRIM(LEADING 'd' FROM {t})"),
            **of,
        )
        conditions = _of(
            *("{n} = {n}", "{n} < {n}", "{t} <> {t}", "{t} >= {t}", "{a} <= {m}", "{t} LIKE {t}"),
            *("{n} BETWEEN {n} AND {n}", "{n} IN ({n}, {n})", "{t} NOT IN ({t}, {t})", "NOT {c}"),
            *("({c} AND {c})", "({c} OR {c})", "{t} IS NULL", "{a} IS NOT NULL"),
            "EXISTS (SELECT f FROM ds.datafiles f WHERE f.fileSize > {n} AND {c})",
            "ds.id IN (SELECT p.dataset.id FROM DatasetParameter p WHERE {c})",
            "{n} > ALL (SELECT f.fileSize FROM ds.datafiles f)",
            "{t} = ANY (SELECT f.name FROM Datafile f WHERE f.dataset = ds)",
            **of,
        )
        found = {
            **of,
            "n": st.one_of(of["n"], *numbers),
            "t": st.one_of(of["t"], *texts),
            "c": st.one_of(of["c"], *conditions),
        }
    return found


_RIGHT = st.one_of(
    *_of(
        "SELECT ds FROM Dataset ds LEFT JOIN ds.sample s WHERE {c} ORDER BY {n}",
        "SELECT DISTINCT ds FROM Dataset ds LEFT JOIN ds.sample s WHERE {c} ORDER BY ds.type.name",
        "SELECT ds.id, {v}, UPPER(ds.name) FROM Dataset ds LEFT JOIN ds.sample s WHERE {c}",
        "SELECT COUNT(ds), MAX({v}), MIN(ds.name), SUM({v}) FROM Dataset ds "
        "LEFT JOIN ds.sample s WHERE {c}",
        "SELECT ds.type.name, AVG({v}) FROM Dataset ds LEFT JOIN ds.sample s WHERE {c} "
        "GROUP BY ds.type.name HAVING COUNT({v}) > 1 ORDER BY MIN({v}) DESC",
        **_expressions(2),
    )
)


@_SETTINGS
@given(text=_RIGHT)
def test_what_is_right_runs_on_every_database(searched, text):
    try:
        searched(text)
    except QueryError as refusal:
        if "out of range" not in refusal.message:
            raise
