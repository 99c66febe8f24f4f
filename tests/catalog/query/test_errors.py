"""Queries that are refused, with ICAT's words and the place in the text."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from catalog.query.parse import MAX_LENGTH, parse, parse_get
from ijp.errors import QueryError, ValidationFailedError

W = "SELECT ds FROM Dataset ds WHERE "
REFUSED = "An exception occurred while creating a query in EntityManager: "


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "",
            "Expected token from types [AGGREGATE, COMMA, DISTINCT, INTEGER, NAME] at token "
            "end of query in < end of query >  (at character 0)",
        ),
        (
            "SELECT ds FROM Dataset",
            "Expected token from types [AS, NAME] at token end of query in "
            "FROM Dataset < end of query >  (at character 22)",
        ),
        (
            "SELECT ds FRM Dataset ds",
            "Expected token from types [AND, BETWEEN, COMMA, COMPARISON, FROM, IN, IS, LIKE, LPAR, "
            "MINUS, NOT, OR, PLUS, SLASH, STAR] at token FRM in SELECT ds < FRM > Dataset ds "
            " (at character 10)",
        ),
        (
            "SELECT ds FROM Dataset ds LIMIT 0, 1 LIMIT",
            "No more input expected at token LIMIT (at character 37)",
        ),
        (W + "ds.name = 'x", "unterminated string (at character 42)"),
        (
            W + "ds.id IN (1, 9223372036854775808)",
            "9223372036854775808 is too large (at character 45)",
        ),
        (W + "ds.startDate IN (1, 2)", "1 cannot be compared with a date (at character 49)"),
        (W + "ds.name = #", "unexpected character '#' (at character 42)"),
        (
            W + "ds.startDate = {ts 2026-13-01 00:00:00}",
            "{ts 2026-13-01 00:00:00} is not a timestamp such as {ts 2026-01-31 12:00:00}"
            " (at character 47)",
        ),
        (W + "ds.colour = 3", "Dataset has no field colour (at character 35)"),
        (W + "ds.type.colour = 3", "DatasetType has no field colour (at character 40)"),
        (W + "ds.kind.name = 3", "Dataset has no relationship field kind (at character 35)"),
        (W + "ds.Name = 3", "Dataset has no field Name (at character 35)"),
        (
            W + "x.name = 3",
            REFUSED + "The identification variable 'x' is not defined (at character 32)",
        ),
        (
            "SELECT x FROM Dataset ds",
            "idVar 'x' referenced in the SELECT clause is not defined in the FROM clause."
            " (at character 7)",
        ),
        ("SELECT ds FROM Data ds", "Data is not an ICAT entity (at character 15)"),
        ("SELECT ds FROM dataset ds", "dataset is not an ICAT entity (at character 15)"),
        ("SELECT d FROM Dataset d, Dataset D", "Variable D is defined twice (at character 25)"),
        (
            "SELECT d FROM Dataset d JOIN d.name n",
            "Dataset has no relationship field name (at character 31)",
        ),
        (
            "SELECT d FROM Dataset d JOIN FETCH d.type",
            "JOIN FETCH is not allowed (at character 29)",
        ),
        (
            W + "ds.datafiles.name = 'x'",
            REFUSED + "'ds.datafiles' goes through to-many relation datafiles (at character 35)",
        ),
        (
            W + "ds.datafiles = 'x'",
            REFUSED + "'ds.datafiles' ends in to-many relation datafiles (at character 32)",
        ),
        (W + "ds.name", REFUSED + "a string is not a condition (at character 32)"),
        (W + "ds.name + 1 = 2", REFUSED + "a string is not a number (at character 32)"),
        (W + "ds.fileSize = 'x'", "'x' cannot be compared with a number (at character 46)"),
        (W + "ds.startDate > 'soon'", "'soon' cannot be compared with a date (at character 47)"),
        (W + "ds.complete = 2", "2 cannot be compared with a boolean (at character 46)"),
        (W + "ds.complete > FALSE", REFUSED + "a boolean has no order (at character 32)"),
        (
            W + "ds.name = ds.fileSize",
            "a string cannot be compared with a number (at character 32)",
        ),
        (W + "ds.type = 3", "3 cannot be compared with an entity (at character 42)"),
        (W + "ds.name = :me", REFUSED + "parameter :me is not defined (at character 42)"),
        (W + "ds.name = :id", REFUSED + "parameter :id is not defined (at character 42)"),
        (W + "SLEEP(3) = 1", REFUSED + "there is no function SLEEP (at character 32)"),
        (W + "LOWER(3) = 'x'", REFUSED + "LOWER takes a string, not a number (at character 38)"),
        (W + "MOD(3) = 1", REFUSED + "MOD does not take 1 arguments (at character 32)"),
        (W + "COUNT(ds) = 1", REFUSED + "COUNT cannot stand here (at character 32)"),
        (
            W + "ds.fileSize LIKE 'x'",
            REFUSED + "LIKE takes strings, not a number (at character 32)",
        ),
        (W + "ds.name IS EMPTY", REFUSED + "IS EMPTY needs a to-many relation, not ds.name"),
        (W + "ds.fileSize = 99999999999999999999", "99999999999999999999 is too large"),
        (W + "ds.fileSize = 1e999", "1e999 is too large (at character 46)"),
        (W + "ds.fileSize = NULL + 1", REFUSED + "NULL is not a number (at character 46)"),
        (W + "ds.fileSize < NULL", REFUSED + "NULL has no order (at character 46)"),
        (
            "SELECT t FROM ParameterType t WHERE t.valueType = 'SOUND'",
            "'SOUND' cannot be compared with an enumeration (at character 50)",
        ),
        (
            "SELECT t FROM ParameterType t WHERE t.valueType = org.icatproject.StudyStatus.OLD",
            "org.icatproject.StudyStatus has no constant OLD (at character 50)",
        ),
        ("SELECT ds.name, COUNT(ds) FROM Dataset ds", REFUSED + "'ds.name' needs a GROUP BY"),
        (
            "SELECT (SELECT COUNT(f) FROM Datafile f) FROM Dataset ds",
            "a subselect cannot be selected (at character 8)",
        ),
        ("SELECT SUM(ds.name) FROM Dataset ds", REFUSED + "SUM of a string (at character 7)"),
        # INCLUDE
        (
            "SELECT ds, ds.id FROM Dataset ds INCLUDE ds.type",
            "INCLUDE is not allowed where several are selected (at character 33)",
        ),
        (
            "SELECT ds FROM Dataset ds INCLUDE 1, ds.type",
            '"INCLUDE 1" must not be followed by other things to include. (at character 37)',
        ),
        (
            "SELECT ds FROM Dataset ds INCLUDE x.type",
            "variable x mentioned in INCLUDE clause is not defined (at character 34)",
        ),
        (
            "SELECT ds FROM Dataset ds INCLUDE ds.colour",
            "Problem with INCLUDE clause: Dataset has no relationship field colour"
            " (at character 37)",
        ),
        (
            "SELECT ds FROM Dataset ds INCLUDE ds.type t, ds.type",
            "INCLUDE clause contains redundant path to type (at character 48)",
        ),
        (
            "SELECT ds FROM Dataset ds INCLUDE ds",
            "Problem with INCLUDE clause: path ds has no dot (at character 34)",
        ),
        (
            "SELECT ds FROM Dataset ds INCLUDE ds.type t, ds.investigation t",
            "variable t is defined twice in INCLUDE clause (at character 45)",
        ),
        # Concise style
        ("Data", "Data is not an ICAT entity (at character 0)"),
        ("Dataset <-> Data", "Data is not an ICAT entity (at character 12)"),
        ("Dataset <-> User", "Unable to reach User (at character 12)"),
        (
            "Dataset <-> Sample <-> Investigation",
            "Can't have loop in graph of entities. Investigation and Sample are related twice"
            " (at character 12)",
        ),
        (
            "DataCollection <-> Job",
            "Can't have loop in graph of entities. DataCollection and Job are related twice"
            " (at character 19)",
        ),
        (
            "Dataset [name = description]",
            "Attribute comparisons require one attribute name and one value (at character 9)",
        ),
        ("Dataset [3 = 3]", "Attribute comparisons require one attribute name and one value"),
        ("Dataset [colour = 3]", "Dataset has no field colour (at character 9)"),
        ("Dataset [type.colour = 3]", "DatasetType has no field colour (at character 14)"),
        ("Dataset [type.name = BLUE]", "Dataset has no field BLUE (at character 21)"),
        ("Dataset.colour", "Dataset has no field colour (at character 8)"),
        ("Dataset ORDER BY colour", "Dataset has no field colour (at character 17)"),
        (
            "Dataset INCLUDE User",
            "Unable to reach User in list of INCLUDES. (at character 16)",
        ),
        ("Dataset [COUNT(id) = 3]", "Attribute comparisons require one attribute name"),
    ],
)
def test_a_wrong_query_is_refused(searched, query, message):
    with pytest.raises(QueryError) as refusal:
        searched(query)
    assert refusal.value.message.startswith(message)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("Dataset ds x", "Trailing tokens at end of query x... (at character 11)"),
        ("Dataset ds WHERE", "Trailing tokens at end of query WHERE... (at character 11)"),
        ("Dataset INCLUDE ds.type", "ds.type is not an entity to include (at character 16)"),
        ("Dataset INCLUDE User", "Unable to reach User in list of INCLUDES. (at character 16)"),
    ],
)
def test_a_wrong_get_is_refused(query, message):
    with pytest.raises(QueryError) as refusal:
        parse_get(query)
    assert refusal.value.message == message


@pytest.mark.parametrize(
    "condition",
    [
        "NOT " * 5000 + "ds.id = 1",
        "- " * 5000 + "ds.id = 1",
        "ds.id = 1" + " + 1" * 5000,
        "ds.id = " + "ABS(" * 5000 + "1" + ")" * 5000,
        "EXISTS (SELECT a FROM Dataset a WHERE " * 8 + "1 = 1" + ")" * 8,
    ],
)
def test_deep_nesting_is_refused_and_not_a_crash(condition):
    with pytest.raises(QueryError, match="nested too deep"):
        parse(W + condition)


DEEP = {
    "not": ("NOT ", "ds.id = 1", "", 20),
    "parentheses": ("(", "ds.id = 1", ")", 3000),
    "exists": ("EXISTS (SELECT a FROM Dataset a WHERE ", "1 = 1", ")", 7),
    "in": ("ds.id IN (SELECT a.id FROM Dataset a WHERE ", "1 = 1", ")", 7),
    "value": ("ds.id = (SELECT MAX(a.id) FROM Dataset a WHERE ", "1 = 1", ")", 5),
    "logic": ("(ds.id = 1 AND (ds.id = 2 OR ", "ds.id = 3", "))", 10),
}


@pytest.mark.parametrize(("start", "middle", "end", "times"), DEEP.values(), ids=DEEP)
def test_what_is_as_deep_as_allowed_runs(searched, start, middle, end, times):
    searched(W + start * times + middle + end * times)


@pytest.mark.parametrize(
    ("start", "end"),
    [("1 + (", ")"), ("1.5 * (", ")"), ("ABS(", ")"), ("- ", ""), ("MOD(7, ", ")")],
)
def test_values_as_deep_as_allowed_run(searched, start, end):
    searched(W + "1 = " + start * 12 + "1" + end * 12)


@pytest.mark.parametrize(
    ("start", "end"),
    [("CONCAT('a', ", ")"), ("LOWER(", ")"), ("SUBSTRING(", ", 1, 2)"), ("TRIM(", ")")],
)
def test_strings_as_deep_as_allowed_run(searched, start, end):
    searched(W + "'x' = " + start * 20 + "'b'" + end * 20)


def test_functions_do_not_grow_with_each_level(searched):
    number = "LENGTH(SUBSTRING('abc', 1, " * 5 + "2" + "))" * 5
    assert len(searched(f"{W}{number} = 2")) == 6
    with pytest.raises(QueryError, match="LOCATE starts at a number or an attribute"):
        searched(W + "LOCATE('a', 'b', LOCATE('a', 'b')) = 1")


@pytest.mark.parametrize("join", ["JOIN ds.parameters p{} ", ", Dataset p{} "])
def test_too_many_joins_are_refused_or_run(searched, facility_engine, join):
    dialect = facility_engine.dialect.name
    joins = "".join(join.format(number) for number in range(70))
    query = f"SELECT COUNT(ds) FROM Dataset ds {joins} WHERE ds.id = 0"
    refused = pytest.raises(QueryError, match="at most 64 tables")
    with refused if dialect == "sqlite" else nullcontext():
        assert searched(query) == [0]


def test_long_lists_run(searched):
    many = " OR ".join(f"ds.id = {number}" for number in range(500))
    assert len(searched(W + many)) == 6
    listed = ", ".join(str(number) for number in range(9000))
    assert len(searched(f"{W} ds.id IN ({listed})")) == 6


@pytest.mark.parametrize("text", ["x\0y", "x\ud800y", "x" * (MAX_LENGTH + 1)])
def test_odd_and_long_texts_are_refused(text):
    with pytest.raises(QueryError):
        parse(f"{W}ds.name = '{text}'")


def test_more_rows_than_allowed_are_refused(searched):
    assert len(searched("Dataset", max_entities=6)) == 6
    with pytest.raises(ValidationFailedError, match="attempt to return more than 5 entities"):
        searched("Dataset", max_entities=5)
    assert len(searched("0,5 Dataset", max_entities=5)) == 5
    assert searched("COUNT(Dataset)", max_entities=1) == [6]


def test_included_entities_count_too(searched):
    assert len(searched("Dataset INCLUDE DatasetType", max_entities=12)) == 6
    with pytest.raises(ValidationFailedError, match="attempt to return more than 11 entities"):
        searched("Dataset INCLUDE DatasetType", max_entities=11)
