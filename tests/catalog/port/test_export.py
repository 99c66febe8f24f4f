"""What is in a dump: all of it, what a query gives, and nothing that may not be read."""

from __future__ import annotations

import pytest

from catalog.authz.caller import Caller
from catalog.port import export
from catalog.port.options import Attributes
from ijp.errors import QueryError, ValidationFailedError

ROOT = Caller("simple/root", is_root=True)
ANA = Caller("simple/ana")

ROWS = [
    "Facility(name:0)",
    '"F"',
    '"G"',
    "",
    "DatasetType(facility(name:0),name:1)",
    '"F","raw"',
    '"G","raw"',
    "",
    "InvestigationType(facility(name:0),name:1)",
    '"F","t"',
    "",
    "Investigation(facility(name:0),name:1,visitId:2,title:3,type(facility(name:0),name:4))",
    '"F","I","1","title","t"',
    '"F","J","1","title","t"',
    "",
    "Dataset(investigation(name:0),name:1,type(facility(name:2),name:3))",
    '"I","a","F","raw"',
    '"J","b","G","raw"',
    "",
    "DataCollection(?:0)",
    "1",
    "2",
    "",
    "DataCollectionDataset(dataCollection(?:0),dataset(name:1))",
    '1,"a"',
    '2,"b"',
]


def _tables(lines: list[str]) -> dict[str, int]:
    """The number of rows of each table."""
    found: dict[str, int] = {}
    for line in lines:
        name, parenthesis, _ = line.partition("(")
        if parenthesis and name.isalpha():
            last = name
            found[last] = 0
        else:
            found[last] += 1
    return found


def test_an_empty_catalog_is_a_file_without_tables(dump):
    assert dump() == []


def test_tables_stand_after_what_they_refer_to_and_empty_ones_not_at_all(load, dump):
    load(*ROWS)
    assert list(_tables(dump()).items()) == [
        ("Facility", 2),
        ("InvestigationType", 1),
        ("DatasetType", 2),
        ("Investigation", 2),
        ("Dataset", 2),
        ("DataCollection", 2),
        ("DataCollectionDataset", 2),
    ]


def test_a_query_gives_its_rows_and_what_it_includes_each_once(load, dump):
    load(*ROWS)
    query = "SELECT d FROM Dataset d INCLUDE d.investigation.facility.datasetTypes, d.type"
    lines = dump(query)
    assert _tables(lines) == {"Facility": 1, "DatasetType": 2, "Investigation": 2, "Dataset": 2}
    assert _tables(dump("Dataset [name='a']")) == {"Dataset": 1}
    assert dump("SELECT d.name FROM Dataset d") == []
    assert dump("SELECT COUNT(d) FROM Dataset d") == []


def test_a_query_that_is_wrong_or_gives_too_much_is_refused(load, dump):
    load(*ROWS)
    with pytest.raises(QueryError, match="Car is not an ICAT entity"):
        dump("SELECT c FROM Car c")
    with pytest.raises(ValidationFailedError, match="attempt to return more than 1 entities"):
        dump("Dataset", max_entities=1)


def test_only_what_may_be_read_is_written(load, dump):
    load(*ROWS)
    assert dump(caller=ANA) == []
    rule = "Rule(crudFlags:0,what:1)"
    load(rule, '"R","Dataset [name=\'a\']"')
    _, row = dump(caller=ANA)
    assert row == 'false,NULL,NULL,NULL,0,0,NULL,NA,NA,NULL,"a",NULL,NA,NA,NA,NULL,NULL,NA'
    load(rule, '"R","Investigation"', '"R","Facility [name=\'F\']"')
    lines = dump(caller=ANA)
    assert _tables(lines) == {"Facility": 1, "Investigation": 2, "Dataset": 1}
    assert '"F","I","1"' in lines[-1]
    assert "raw" not in "".join(lines)


def test_a_public_step_may_be_followed_for_a_key(load, dump):
    load(*ROWS)
    load("Rule(crudFlags:0,what:1)", '"R","DatasetType [name=\'raw\']"')
    assert [line for line in dump(caller=ANA) if "raw" in line] == ['NULL,NULL,"raw"'] * 2
    load("PublicStep(origin:0,field:1)", '"DatasetType","facility"')
    assert [line for line in dump(caller=ANA) if "raw" in line] == [
        'NULL,"F","raw"',
        'NULL,"G","raw"',
    ]


def test_who_made_what_is_written_if_asked(load, dump):
    load("Facility(name:0)", '"F"')
    header, row = dump(attributes=Attributes.ALL)
    assert header.startswith("Facility(createId:0,createTime:1,modId:2,modTime:3,daysUntil")
    assert row.startswith('"simple/root",20')
    assert row.endswith(',NULL,NULL,NULL,"F",NULL')


def test_a_dump_is_of_one_moment(load, transactions):
    load("Facility(name:0)", '"F"')
    pieces = export.dump(transactions, ROOT, query=None, attributes=Attributes.USER, max_entities=1)
    begun = next(pieces) + next(pieces)
    load("Instrument(facility(name:0),name:1)", '"F","late"')
    assert b"late" not in begun + b"".join(pieces)
