"""Reading dumps: keys, labels, duplicates, stamps, and errors with their lines."""

from __future__ import annotations

import pytest

from catalog.authz.caller import Caller
from catalog.port import export, importing
from catalog.port.options import Attributes, Duplicate
from ijp.errors import (
    BadRequestError,
    ConflictError,
    NotAuthorizedError,
    NotFoundError,
    PortalError,
    ValidationFailedError,
)

pytestmark = pytest.mark.slow

ANA = Caller("simple/ana")
ROOT = Caller("simple/root", is_root=True)
FACILITY = ["Facility(name:0)", '"F"', ""]
TYPES = [*FACILITY, "DatasetType(facility(name:0),name:1)", '"F","raw"', '"F","other"', ""]
INVESTIGATIONS = [
    *TYPES,
    "InvestigationType(facility(name:0),name:1)",
    '"F","t"',
    "",
    "Investigation(facility(name:0),name:1,visitId:2,title:3,type(facility(name:0),name:4))",
    '"F","I","1","title","t"',
    "",
]
DATASET = (
    "Dataset(investigation(facility(name:0),name:1,visitId:2),name:3,type(facility(name:0),name:4)"
)
ROW = '"F","I","1"'


def _refused(kind: type[PortalError], message: str, line: int, load, *lines: str, **options):
    """Check an error; lines are counted from the version on."""
    with pytest.raises(kind) as refused:
        load(*lines, **options)
    assert refused.value.message == f"{message} at line {line}"
    assert str(refused.value) == refused.value.message
    assert refused.value.offset == line


def test_columns_may_be_used_for_several_fields(load, dump):
    rows = load(*INVESTIGATIONS, DATASET + ",complete:5)", f'{ROW},"a","raw",true')
    assert rows == {
        "Facility": 1,
        "DatasetType": 2,
        "InvestigationType": 1,
        "Investigation": 1,
        "Dataset": 1,
    }
    assert dump("Dataset [name='a']") == [
        "Dataset(complete:0,description:1,doi:2,endDate:3,fileCount:4,fileSize:5,"
        "investigation(facility(name:6),name:7,visitId:8),location:9,name:10,"
        "sample(investigation(facility(name:11),name:12,visitId:13),name:14),startDate:15,"
        "type(facility(name:16),name:17))",
        'true,NULL,NULL,NULL,0,0,"F","I","1",NULL,"a",NULL,NA,NA,NA,NULL,"F","raw"',
    ]


def test_comments_blank_lines_and_ends_of_lines_are_no_matter(transactions, column):
    text = '\ufeff# a comment\r\n\r\n1.0\r\n#\n\n\nFacility(name:0)\r\n# another\r\n"F"\r\n\n\n'
    importing.load(transactions, ROOT, [text.encode() + b'Grouping(name:0)\n"G"'])
    assert column("Facility", "name") == ["F"]
    assert column("Grouping", "name") == ["G"]


def test_objects_without_key_are_known_by_labels(load, column):
    load(
        *INVESTIGATIONS,
        DATASET + ")",
        f'{ROW},"a","raw"',
        "",
        "DataCollection(?:0,doi:1)",
        '"17",NULL',
        '"b\\"","x"',
        "",
        "DataCollectionDataset(dataCollection(?:0),dataset(name:1))",
        '"b\\"","a"',
        "",
        "Application(facility(name:0),name:0,version:0)",
        '"F"',
        "",
        "Job(?:0,application(name:1),inputDataCollection(?:2),outputDataCollection(?:3))",
        '1,"F","17",NULL',
    )
    assert column("DataCollection", "doi") == [None, "x"]


def test_a_label_must_be_there_and_only_once(load, column):
    header = "DataCollection(?:0)"
    message = "the label '1' of a DataCollection is there twice"
    _refused(BadRequestError, message, 5, load, header, '"1"', '"1"', '"3"')
    assert len(column("DataCollection", "id")) == 1
    message = "no DataCollection before this is labelled 'x'"
    _refused(NotFoundError, message, 4, load, "Job(?:0,inputDataCollection(?:1))", '"1","x"')
    message = "a label is a string, not True"
    _refused(BadRequestError, message, 4, load, header, "true")
    message = "a label is a string, not None"
    _refused(BadRequestError, message, 4, load, header, "NULL")


def test_a_null_among_the_values_of_a_key_is_no_relation(load, column):
    header = "Sample(investigation(facility(name:0),name:1,visitId:2),name:3,type(facility(name:4),"
    load(*INVESTIGATIONS, header + "name:5,molecularFormula:6))", f'{ROW},"s","F",NULL,NA')
    assert column("Sample", "name") == ["s"]


def test_what_is_related_must_be_there_and_only_once(load):
    load(
        "Facility(name:0)",
        '"F"',
        '"G"',
        "",
        *TYPES[3:],
        "DatasetType(facility(name:0),name:1)",
        '"G","raw"',
    )
    message = "there is no Facility with name = 'H'"
    _refused(NotFoundError, message, 4, load, "Instrument(facility(name:0),name:1)", '"H","i"')
    message = "there is no InvestigationType with facility (name = 'F'), name = 'x'"
    header = "Investigation(name:1,type(facility(name:0),name:2))"
    _refused(NotFoundError, message, 4, load, header, '"F","i","x"')
    message = "there is more than one DatasetType with name = 'raw'"
    _refused(BadRequestError, message, 4, load, "Dataset(type(name:0))", '"raw"')


def test_rows_before_a_wrong_one_are_stored(load, column):
    lines = ["Facility(name:0,daysUntilRelease:1)", '"a",1', '"b",2', '"c",x', '"d",4']
    message = "Field daysUntilRelease must be an integer of at most 32 bits in Facility, not 'x'"
    _refused(BadRequestError, message, 6, load, *lines)
    assert column("Facility", "name") == ["a", "b"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('"F",1', "the row has 2 values, but Facility has 3 columns"),
        ('"F",1,NULL,NULL', "the row has 4 values, but Facility has 3 columns"),
        ('"F",1,"unfinished', 'unterminated string "unfinished in column 2'),
        ("F,1,NULL", "Field name must be a string in Facility, not F"),
        ("7,1,NULL", "Field name must be a string in Facility, not 7"),
        (
            "2014-05-16T16:58:26Z,1,NULL",
            "Field name must be a string in Facility, not 2014-05-16T16:58:26Z",
        ),
        (
            '"F",2147483648,NULL',
            "Field daysUntilRelease must be an integer of at most 32 bits in Facility,"
            " not 2147483648",
        ),
        (
            '"F",1.5,NULL',
            "Field daysUntilRelease must be an integer of at most 32 bits in Facility, not 1.5",
        ),
        (
            '"F\0",1,NULL',
            "Field name must be a string without NUL and half characters in Facility, not 'F\\x00'",
        ),
    ],
)
def test_a_wrong_row_is_told_with_its_line(load, column, row, message):
    header = "Facility(name:0,daysUntilRelease:1,description:2)"
    _refused(BadRequestError, message, 4, load, header, row)
    assert column("Facility", "name") == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("NaN", "Field numericValue must be a number in DatasetParameter, not 'NaN'"),
        ("1e999", "Field numericValue must be a finite number in DatasetParameter, not inf"),
        ('"1"', "Field numericValue must be a number in DatasetParameter, not '1'"),
    ],
)
def test_numbers_must_be_numbers(load, value, message):
    _refused(BadRequestError, message, 4, load, "DatasetParameter(numericValue:0)", value)


@pytest.mark.parametrize(
    "value", ["2014-02-30T00:00:00Z", "0001-01-01T00:00:00+01:00", "NA", '"x"', "5"]
)
def test_dates_must_be_dates(load, value):
    lines = ["DatasetParameter(dateTimeValue:0)", value]
    message = f"Badly formatted date {value.strip(chr(34))}"
    _refused(BadRequestError, message, 4, load, *lines)


def test_dates_have_zones_or_are_utc(load, column):
    header = "FacilityCycle(facility(name:0),name:1,startDate:2)"
    moments = ["16T04:28:26.12+12:30", "15T15:58:26.120Z", "15T15:58:26.12", "15T15:58:26.12-00:00"]
    rows = [f'"F","{number}",2014-05-{one}' for number, one in enumerate(moments)]
    load(*FACILITY, header, *rows)
    assert len(set(column("FacilityCycle", "startDate"))) == 1


def test_what_is_missing_or_too_long_is_told(load):
    message = "Facility: name cannot be null."
    _refused(ValidationFailedError, message, 4, load, "Facility(name:0)", "NULL")
    _refused(ValidationFailedError, message, 4, load, "Facility(url:0)", '"x"')
    message = "Facility: name cannot have length > 255"
    _refused(ValidationFailedError, message, 4, load, "Facility(name:0)", f'"{"x" * 256}"')


@pytest.mark.parametrize("version", ["1.1", "2", '"1.0"', "Facility(name:0)"])
def test_another_version_is_refused(transactions, version):
    with pytest.raises(BadRequestError) as refused:
        importing.load(transactions, ANA, [f"# x\n{version}\n".encode()])
    assert refused.value.message == f"this is version {version!r} and not 1.0 at line 2"


@pytest.mark.parametrize("text", [b"", b"\n\n", b"# only a comment"])
def test_a_file_without_a_version_is_refused(transactions, text):
    with pytest.raises(BadRequestError, match=r"the file has no version; 1.0 was expected at line"):
        importing.load(transactions, ANA, [text] if text else [])


def test_bytes_that_are_no_text_are_refused(transactions):
    with pytest.raises(BadRequestError, match=r"^byte 1 is not UTF-8 at line 3$"):
        importing.load(transactions, ANA, [b"1.0\n\n", b'"\xff"'])


def test_endless_lines_are_refused(transactions):
    with pytest.raises(BadRequestError, match=r"^this is longer than 1048576 bytes at line 2$"):
        importing.load(transactions, ANA, [b"1.0\n", *[b"x" * 65536] * 100])


def test_unknown_entities_and_fields_are_told_with_the_line(load):
    _refused(BadRequestError, "Car is not an ICAT entity", 3, load, "Car(name:0)", '"x"')
    message = "Field colour not found in Facility"
    _refused(BadRequestError, message, 6, load, *FACILITY, "Facility(colour:0)")


def test_a_dump_of_ours_that_was_cut_is_noticed(load, dump, transactions):
    load(*INVESTIGATIONS)
    whole = b"".join(
        export.dump(
            transactions,
            ROOT,
            query=None,
            attributes=Attributes.USER,
            max_entities=1,
        )
    )
    for length in range(1, len(whole) - 1):
        with pytest.raises(PortalError):
            importing.load(
                transactions,
                ROOT,
                [whole[:length]],
                duplicate=Duplicate.IGNORE,
            )


# Duplicates


def test_a_duplicate_is_refused_unless_chosen_otherwise(load):
    message = "Facility exists with name = 'F'"
    _refused(ConflictError, message, 5, load, "Facility(name:0)", '"F"', '"F"')


def test_duplicates_can_be_passed_over(load, column):
    load("Facility(name:0,url:1)", '"F","a"')
    load("Facility(name:0,url:1)", '"E","e"', '"F","b"', '"G","c"', duplicate=Duplicate.IGNORE)
    assert column("Facility", "name") == ["F", "E", "G"]
    assert column("Facility", "url") == ["a", "e", "c"]


def test_duplicates_can_replace_what_is_given_of_them(load, column):
    load("Facility(name:0,url:1,description:2)", '"F","a","d"')
    load("Facility(name:0,url:1)", '"F","b"', duplicate=Duplicate.OVERWRITE)
    assert column("Facility", "url") == ["b"]
    assert column("Facility", "description") == ["d"]


def test_duplicates_can_be_compared(load):
    load("Facility(name:0,url:1,daysUntilRelease:2)", '"F","a",5')
    check = {"duplicate": Duplicate.CHECK}
    load("Facility(name:0,url:1,daysUntilRelease:2)", '"F","a",5', **check)
    message = "Facility: url is 'a' in the catalog and not 'b'"
    header = "Facility(name:0,url:1,daysUntilRelease:2)"
    _refused(ValidationFailedError, message, 4, load, header, '"F","b",5', **check)
    message = "Facility: daysUntilRelease is 5 in the catalog and not None"
    _refused(ValidationFailedError, message, 4, load, "Facility(name:0,url:1)", '"F","a"', **check)


def test_dates_of_duplicates_may_differ_by_a_second(load):
    header = "FacilityCycle(facility(name:0),name:1,startDate:2)"
    load(*FACILITY, header, '"F","c",2026-01-02T03:04:05.000Z')
    check = {"duplicate": Duplicate.CHECK}
    load(header, '"F","c",2026-01-02T03:04:06.000Z', **check)
    with pytest.raises(ValidationFailedError, match="startDate is 2026-01-02T03:04:05"):
        load(header, '"F","c",2026-01-02T03:04:06.001Z', **check)


# Stamps and rights

STAMPED = "Facility(name:0,createId:1,createTime:2,modId:3,modTime:4)"
STAMPS = '"db/x",2001-01-01T00:00:00Z,"db/y",2002-01-01T00:00:00Z'


def test_who_made_what_is_kept_only_if_asked(load, column):
    load(STAMPED, f'"F",{STAMPS}')
    load(STAMPED, f'"G",{STAMPS}', attributes=Attributes.ALL)
    load(STAMPED, '"H",NULL,NULL,NULL,NULL', attributes=Attributes.ALL)
    assert column("Facility", "createId") == ["simple/root", "db/x", "simple/root"]
    assert column("Facility", "modId") == ["simple/root", "db/y", "simple/root"]
    assert [one.year for one in column("Facility", "createTime")][1] == 2001
    assert [one.year for one in column("Facility", "modTime")][1] == 2002


def test_stamps_are_replaced_and_compared_too(load, column):
    load("Facility(name:0)", '"F"')
    options = {"attributes": Attributes.ALL}
    message = "Facility: createId is 'simple/root' in the catalog and not 'db/x'"
    check = {**options, "duplicate": Duplicate.CHECK}
    _refused(ValidationFailedError, message, 4, load, STAMPED, f'"F",{STAMPS}', **check)
    load(STAMPED, f'"F",{STAMPS}', **options, duplicate=Duplicate.OVERWRITE)
    assert column("Facility", "createId") + column("Facility", "modId") == ["db/x", "db/y"]
    load(STAMPED, f'"F",{STAMPS}', **check)


def test_stamps_are_checked(load):
    options = {"attributes": Attributes.ALL}
    row = '"F","' + "x" * 256 + '",NULL,NULL,NULL'
    message = "Facility: createId cannot have length > 255"
    _refused(ValidationFailedError, message, 4, load, STAMPED, row, **options)


def test_only_root_users_choose_who_made_what(load):
    with pytest.raises(NotAuthorizedError, match="user must be in rootUserNames"):
        load(STAMPED, f'"F",{STAMPS}', attributes=Attributes.ALL, caller=ANA)


def test_each_row_is_judged_by_the_rules(load, column):
    load("Rule(crudFlags:0,what:1)", '"C","Facility [name LIKE \'a%\']"')
    message = "CREATE access to this Facility is not allowed."
    lines = ["Facility(name:0)", '"a1"', '"a2"', '"b1"', '"a3"']
    _refused(NotAuthorizedError, message, 6, load, *lines, caller=ANA)
    assert column("Facility", "name") == ["a1", "a2"]


def test_comparing_needs_the_right_to_read_and_replacing_to_update(load):
    load("Facility(name:0)", '"F"')
    lines = ["Facility(name:0)", '"F"']
    message = "READ access to this Facility is not allowed."
    check, overwrite = {"duplicate": Duplicate.CHECK}, {"duplicate": Duplicate.OVERWRITE}
    _refused(NotAuthorizedError, message, 4, load, *lines, caller=ANA, **check)
    message = "UPDATE access to this Facility is not allowed."
    _refused(NotAuthorizedError, message, 4, load, *lines, caller=ANA, **overwrite)


def test_rules_and_public_steps_are_checked(load):
    message = "Invalid value in crudFlags: X is not one of CRUD"
    header = "Rule(crudFlags:0,what:1)"
    _refused(BadRequestError, message, 4, load, header, '"X","Facility"')
    message = "Car is not an ICAT entity"
    _refused(BadRequestError, message, 4, load, "PublicStep(field:0,origin:1)", '"x","Car"')
