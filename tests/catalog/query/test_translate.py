"""Queries give what they should, on both databases."""

from __future__ import annotations

import pytest

D = "SELECT ds.name FROM Dataset ds "


def _all(*numbers: int) -> list[str]:
    return [f"d{number}" for number in numbers]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        # Comparisons and logic
        ("WHERE ds.fileSize = 300", _all(3)),
        ("WHERE ds.fileSize <> 300", _all(0, 1, 2, 4, 5)),
        ("WHERE ds.fileSize != 300 AND ds.fileSize >= 200", _all(2, 4, 5)),
        ("WHERE ds.fileSize < 100 OR ds.fileSize > 400", _all(0, 5)),
        ("WHERE NOT (ds.fileSize <= 300)", _all(4, 5)),
        ("WHERE NOT ds.fileSize <= 300 AND ds.complete = TRUE", _all(5)),
        ("WHERE ds.complete = false", _all(0, 2, 4)),
        ("WHERE ds.complete", _all(1, 3, 5)),
        ("WHERE 100 = ds.fileSize", _all(1)),
        ("WHERE ds.fileSize BETWEEN 100 AND 300", _all(1, 2, 3)),
        ("WHERE ds.fileSize NOT BETWEEN 100 AND 300", _all(0, 4, 5)),
        ("WHERE ds.fileSize IN (100, 300, 1000)", _all(1, 3)),
        ("WHERE ds.fileSize NOT IN (100, 300)", _all(0, 2, 4, 5)),
        ("WHERE ds.fileSize IN(\n100 ,300)", _all(1, 3)),
        ("WHERE ds.fileSize IN (300)", _all(3)),
        ("WHERE ds.fileSize IN (-1, 300)", _all(3)),
        ("WHERE ds.fileSize IN (300, NULL)", _all(3)),
        ("WHERE ds.fileSize NOT IN (100, 9223372036854775807)", _all(0, 2, 3, 4, 5)),
        ("WHERE ds.name IN (1, 2)", []),
        ("WHERE ds.name IN ('d1')", _all(1)),
        ("WHERE ds.fileSize = -5 + 105", _all(1)),
        ("WHERE ds.fileSize / 2 = 50 AND ds.fileSize * 1.5 = 150", _all(1)),
        ("WHERE ds.fileSize / 0 = 1", []),
        ("WHERE (ds.fileSize + 100) * 2 = 400", _all(1)),
        ("WHERE -ds.fileSize = -100", _all(1)),
        # NULL
        ("WHERE ds.description IS NULL", _all(0, 1, 3, 4, 5)),
        ("WHERE ds.description IS NOT NULL", _all(2)),
        ("WHERE ds.description <> 'x'", _all(2)),
        ("WHERE ds.sample IS NULL", _all(1, 2, 3, 4, 5)),
        ("WHERE ds.sample IS NOT NULL", _all(0)),
        ("WHERE ds.sample.id IS NULL", _all(1, 2, 3, 4, 5)),
        ("WHERE ds.description = NULL", _all(0, 1, 3, 4, 5)),
        # LIKE
        ("WHERE ds.name LIKE 'd_'", _all(0, 1, 2, 3, 4, 5)),
        ("WHERE ds.name LIKE 'D1'", []),
        ("WHERE ds.name NOT LIKE '%1'", _all(0, 2, 3, 4, 5)),
        ("WHERE ds.description LIKE '50$%$_off' ESCAPE '$'", _all(2)),
        ("WHERE ds.description LIKE '50\\%'", []),
        ("WHERE ds.name LIKE '%$'", []),
        # Lenient literals
        ("WHERE ds.id = '1'", _all(0)),
        ("WHERE ds.name <> 12 AND ds.fileSize = '100.0'", _all(1)),
        ("WHERE ds.startDate < '2026-01-02'", _all(0)),
        ("WHERE ds.startDate = '2026-01-02 14:00:00+02:00'", _all(1)),
        ("WHERE ds.startDate = '2026-01-02T12:00:00Z'", _all(1)),
        ("WHERE ds.startDate = {ts 2026-01-02 12:00:00}", _all(1)),
        ("WHERE ds.startDate > {TS  2026-01-05  12:00:00 }", _all(5)),
        ("WHERE ds.complete = 1", _all(1, 3, 5)),
        ("WHERE ds.investigation.releaseDate > CURRENT_TIMESTAMP", _all(0, 1, 2, 3)),
        ("WHERE ds.createTime < CURRENT_DATE OR ds.id = 1", _all(0, 1, 2, 3, 4, 5)),
        # Paths and joins
        ("WHERE ds.investigation.name = 'inv2'", _all(2, 3)),
        ("WHERE ds.investigation.facility.name = 'F' AND ds.type.name = 'derived'", _all(4, 5)),
        ("WHERE ds.sample.name = 'Gold' OR ds.fileSize = 500", _all(0)),
        ("LEFT JOIN ds.sample s WHERE s.name = 'Gold' OR ds.fileSize = 500", _all(0, 5)),
        ("JOIN ds.sample s", _all(0)),
        ("LEFT OUTER JOIN ds.sample AS s JOIN s.investigation i", _all(0)),
        (
            "INNER JOIN ds.parameters AS p WHERE p.type.name='size' AND p.numericValue>2",
            _all(2, 3, 5),
        ),
        ("JOIN ds.parameters p JOIN p.type t WHERE t.valueType = 'STRING'", _all(2, 3)),
        (
            ", ds.parameters p1, ds.parameters p2 WHERE p1.id < p2.id AND p2.stringValue='K3'",
            _all(3),
        ),
        (", IN (ds.parameters) p WHERE p.stringValue = 'K2'", _all(2)),
        (", Investigation i WHERE ds.investigation = i AND i.name = 'inv1'", _all(0, 1)),
        (", Investigation i WHERE ds.investigation.id = i.id AND i.name = 'inv1'", _all(0, 1)),
        (
            "JOIN ds.parameters p WHERE "
            "p.type.valueType=org.icatproject.ParameterValueType.DATE_AND_TIME",
            _all(3),
        ),
        ("JOIN ds.datafiles f WHERE f.datafileFormat.name = 'tiff'", _all(2, 5)),
        ("WHERE DS.name = 'd1'", _all(1)),
        # Subselects
        ("WHERE ds.id IN (SELECT f.dataset.id FROM Datafile f WHERE f.name = 'f1')", _all(2, 5)),
        ("WHERE ds NOT IN (SELECT f.dataset FROM Datafile f)", _all(0, 3)),
        ("WHERE EXISTS (SELECT f FROM ds.datafiles f WHERE f.fileSize = 20)", _all(2, 5)),
        ("WHERE NOT EXISTS (SELECT f FROM Datafile f WHERE f.dataset = ds)", _all(0, 3)),
        ("WHERE (SELECT COUNT(f) FROM ds.datafiles f) = 2", _all(2, 5)),
        ("WHERE ds.datafiles IS EMPTY", _all(0, 3)),
        ("WHERE ds.datafiles IS NOT EMPTY", _all(1, 2, 4, 5)),
        ("WHERE SIZE(ds.datafiles) = 1", _all(1, 4)),
        ("WHERE ds.fileSize = (SELECT MAX(o.fileSize) FROM Dataset o)", _all(5)),
        ("WHERE ds.fileSize >= ALL (SELECT o.fileSize FROM Dataset o)", _all(5)),
        (
            "WHERE ds.fileSize > ANY (SELECT o.fileSize FROM Dataset o WHERE o.complete = TRUE)",
            _all(2, 3, 4, 5),
        ),
        (
            "WHERE EXISTS (SELECT i FROM Investigation i WHERE i = "
            "ds.investigation AND ds.type.name = 'raw' AND i.name = 'inv1')",
            _all(0, 1),
        ),
        (
            "WHERE EXISTS (SELECT i FROM ds.investigation i LEFT JOIN i.samples s "
            "WHERE s.id IS NULL)",
            _all(2, 3, 4, 5),
        ),
        ("WHERE (SELECT COUNT(s) FROM ds.sample s) = 1", _all(0)),
        ("WHERE (SELECT MAX(ds.fileSize) FROM ds.datafiles f) = 200", _all(2)),
        ("WHERE (SELECT COUNT(DISTINCT i.id) FROM ds.investigation i) = 0", []),
        (
            "WHERE EXISTS (SELECT i FROM ds.investigation i GROUP BY ds.name "
            "HAVING COUNT(i) > 0) AND ds.name = 'd1'",
            _all(1),
        ),
        (
            "WHERE ds.id = ANY (SELECT i.id FROM ds.investigation i GROUP BY i.id "
            "HAVING COUNT(i) > 0) OR ds.id = 6",
            _all(0, 5),
        ),
        # Functions
        ("WHERE UPPER(ds.name) = 'D1'", _all(1)),
        ("WHERE LOWER('D1') = ds.name", _all(1)),
        ("WHERE LENGTH(ds.description) = 7", _all(2)),
        ("WHERE CONCAT(ds.name, '-', ds.type.name) = 'd1-raw'", _all(1)),
        ("WHERE SUBSTRING(ds.name, 2, 1) = '1'", _all(1)),
        ("WHERE SUBSTRING(ds.description, 4) = '_off' AND SUBSTRING(ds.name, 1, -1) = ''", _all(2)),
        ("WHERE TRIM('  d1 ') = ds.name", _all(1)),
        ("WHERE TRIM(LEADING 'd' FROM ds.name) = '1'", _all(1)),
        ("WHERE TRIM(TRAILING '1' FROM ds.name) = 'd' AND TRIM(BOTH FROM ds.name) = 'd1'", _all(1)),
        ("WHERE LOCATE('_', ds.description) = 4 AND LOCATE('f', ds.description, 7) = 7", _all(2)),
        ("WHERE LOCATE('5', ds.description, 2) = 0", _all(2)),
        ("WHERE ABS(ds.fileSize - 300) = 200", _all(1, 5)),
        ("WHERE SQRT(ds.fileSize) = 10", _all(1)),
        ("WHERE MOD(ds.fileSize, 300) = 100", _all(1, 4)),
        ("WHERE SUBSTRING(ds.name, 2.7, 1.7) = '1' AND SUBSTRING(ds.name, 0, 1) = 'd'", _all(1)),
        ("WHERE SUBSTRING(ds.name, -1) = 'd1'", _all(1)),
        ("WHERE LOCATE('5', ds.name, 0) = 2 AND LOCATE('5', ds.name, -3) = 2", _all(5)),
        ("WHERE MOD(ds.fileSize / 200, 2) = 1 AND MOD(2.7, 2) = 0", _all(2, 3)),
        # Order and paging
        ("ORDER BY ds.fileSize DESC", _all(5, 4, 3, 2, 1, 0)),
        ("ORDER BY ds.createTime", _all(0, 3, 1, 4, 2, 5)),
        ("ORDER BY ds.createTime DESC", _all(5, 2, 4, 1, 3, 0)),
        ("ORDER BY ds.type.name, ds.fileSize DESC", _all(5, 4, 3, 2, 1, 0)),
        ("ORDER BY LENGTH(ds.name), ds.name DESC LIMIT 0, 2", _all(5, 4)),
        ("ORDER BY ds.description", _all(0, 1, 3, 4, 5, 2)),
        ("ORDER BY ds.description DESC", _all(2, 5, 4, 3, 1, 0)),
        ("ORDER BY 1, -2, 0.5, :user, ds.fileSize DESC", _all(5, 4, 3, 2, 1, 0)),
        ("LIMIT 4, 10", _all(4, 5)),
        ("LIMIT 4, *", _all(4, 5)),
        ("LIMIT 0, 0", []),
        ("LIMIT 9, 1", []),
    ],
)
def test_datasets_are_found(searched, query, rows):
    assert searched(D + query) == rows


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT f FROM Facility f", ["F"]),
        ("select F from Facility as f", ["F"]),
        ("SELECT ds, ds.fileSize, ds.type FROM Dataset ds WHERE ds.id = 2", [["d1", 100, "raw"]]),
        ("SELECT ds.sample FROM Dataset ds", ["Gold"]),
        (
            "SELECT ds, s FROM Dataset ds LEFT JOIN ds.sample s WHERE ds.id < 3",
            [["d0", "Gold"], ["d1", None]],
        ),
        ("SELECT f.investigations FROM Facility f", ["inv1", "inv2", "inv3"]),
        ("SELECT f.url FROM Facility f", [None]),
        ("SELECT NULL FROM Facility f", [None]),
        ("SELECT ds.name, NULL, 3 FROM Dataset ds WHERE ds.id = 1", [["d0", None, 3]]),
        ("SELECT ds.startDate FROM Dataset ds WHERE ds.id = 1", ["2026-01-01T12:00:00.000Z"]),
        (
            "SELECT t.valueType FROM ParameterType t ORDER BY t.id",
            ["NUMERIC", "STRING", "DATE_AND_TIME"],
        ),
        ("SELECT ds.complete FROM Dataset ds WHERE ds.id < 3", [False, True]),
        ("SELECT ds.fileSize + 1, LENGTH(ds.name) FROM Dataset ds WHERE ds.id = 1", [[1, 2]]),
        ("SELECT DISTINCT ds.type.name FROM Dataset ds", ["derived", "raw"]),
        ("SELECT DISTINCT ds.type FROM Dataset ds", ["raw", "derived"]),
        ("SELECT DISTINCT ds FROM Dataset ds JOIN ds.parameters p", ["d1", "d2", "d3", "d5"]),
        (
            "SELECT DISTINCT ds FROM Dataset ds JOIN ds.datafiles f ORDER BY "
            "ds.investigation.name DESC, ds.name",
            ["d4", "d5", "d2", "d1"],
        ),
        ("SELECT u.name FROM User u WHERE u.fullName = 'Ana Åström'", ["db/ana"]),
        ("SELECT u.name FROM User u WHERE LOWER(u.fullName) LIKE 'ana å%'", ["db/ana"]),
        ("SELECT u.name FROM User u WHERE u.fullName LIKE 'Bo O''H%'", ["db/bo"]),
        ("SELECT u.name FROM User u WHERE u.name = :user", []),
        ("SELECT DISTINCT 0.5 FROM Dataset ds", [0.5]),
        # Aggregates
        ("SELECT COUNT(ds) FROM Dataset ds", [6]),
        ("SELECT COUNT(ds) FROM Dataset ds LIMIT 0, 1", [6]),
        ("SELECT COUNT(ds) FROM Dataset ds WHERE ds.id = 99", [0]),
        ("SELECT COUNT(DISTINCT ds.type) FROM Dataset ds", [2]),
        ("SELECT COUNT(ds.sample) FROM Dataset ds", [1]),
        ("SELECT COUNT(ds) + 1, MAX(ds.id) - MIN(ds.id) FROM Dataset ds", [[7, 5]]),
        ("SELECT COUNT(f.investigations) FROM Facility f", [3]),
        (
            "SELECT MIN(ds.name), MAX(ds.startDate) FROM Dataset ds",
            [["d0", "2026-01-06T12:00:00.000Z"]],
        ),
        (
            "SELECT SUM(ds.fileSize), AVG(ds.fileSize), SUM(DISTINCT ds.fileSize) FROM Dataset ds",
            [[1500, 250.0, 1500]],
        ),
        ("SELECT SUM(p.numericValue) FROM DatasetParameter p", [13.0]),
        ("SELECT MAX(ds.fileSize) FROM Dataset ds WHERE ds.id = 99", [None]),
        ("SELECT AVG(ds.fileSize), COUNT(ds) FROM Dataset ds WHERE ds.id = 99", [[None, 0]]),
        (
            "SELECT ds.type.name, COUNT(ds) FROM Dataset ds GROUP BY ds.type.name",
            [["derived", 2], ["raw", 4]],
        ),
        (
            "SELECT ds.type, COUNT(ds) FROM Dataset ds GROUP BY ds.type",
            [["raw", 4], ["derived", 2]],
        ),
        (
            "SELECT f.dataset, SUM(f.fileSize) FROM Datafile f GROUP BY f.dataset "
            "HAVING COUNT(f) > 1",
            [["d2", 30], ["d5", 30]],
        ),
        (
            "SELECT ds.type.name FROM Dataset ds GROUP BY ds.type.name ORDER BY COUNT(ds) DESC",
            ["raw", "derived"],
        ),
        # Concise style
        ("Facility", ["F"]),
        ("0,2 Dataset", ["d0", "d1"]),
        ("4, Dataset", ["d4", "d5"]),
        (",1 Dataset", ["d0"]),
        ("Dataset.name [fileSize > 300]", ["d4", "d5"]),
        ("DISTINCT Dataset.type.name", ["derived", "raw"]),
        ("Dataset.name ORDER BY type.name, name DESC", ["d5", "d4", "d3", "d2", "d1", "d0"]),
        ("COUNT(Dataset) [complete = TRUE]", [3]),
        ("MAX(Dataset.fileSize)", [500]),
        ("Dataset [name = 'd1' OR name = 'd2' AND complete = FALSE]", ["d1", "d2"]),
        ("Dataset [NOT name LIKE 'd%']", []),
        ("Dataset [fileSize BETWEEN 100 AND 200]", ["d1", "d2"]),
        ("Dataset [300 = fileSize]", ["d3"]),
        ("ParameterType [valueType = NUMERIC]", ["size"]),
        ("ParameterType [STRING = valueType]", ["kind"]),
        ("Dataset <-> Investigation [name = 'inv2']", ["d2", "d3"]),
        (
            "Dataset.name <-> Investigation <-> InvestigationUser <-> User [name = 'db/ana']",
            ["d0", "d1"],
        ),
        (
            "User <-> UserGroup <-> Grouping <-> InvestigationGroup [role='read'] "
            "<-> Investigation [name='inv3']",
            ["db/ana"],
        ),
        (
            "COUNT(Datafile) <-> Dataset [id=3] <-> Datafile [datafileFormat.name IN ('tiff','b')]",
            [1],
        ),
        (
            "DatasetParameter.numericValue <-> Dataset [id=4] <-> DatasetParameter "
            "[type.name='size']",
            [3.5],
        ),
        ("DatasetParameter.stringValue <-> Dataset [id=4] <-> ParameterType [name='kind']", ["K3"]),
    ],
)
def test_rows(searched, query, rows):
    assert searched(query) == rows
