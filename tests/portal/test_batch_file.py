"""Batch files as they come, good and hostile."""

from __future__ import annotations

import pytest

from ijp.errors import TooLargeError, ValidationFailedError
from portal.batch_file import MOST_BYTES, Format, decoded, format_of, parse

HEADER = "datasets,Factor\n"


def rows(text: str, kind: Format | None = None) -> list[tuple[int, dict[str, object]]]:
    return [(row.line, dict(row.cells)) for row in parse(text, 100, kind).rows]


def faults(text: str, kind: Format | None = None) -> list[tuple[int, str]]:
    return [(one.line, one.message) for one in parse(text, 100, kind).faults]


def refusal(text: str, most_rows: int = 100) -> str:
    with pytest.raises((ValidationFailedError, TooLargeError)) as caught:
        parse(text, most_rows)
    return caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "datasets,Factor\n1,2\n",
        "datasets\tFactor\n1\t2\n",
        "datasets;Factor\r\n1;2\r\n",
        '\ufeff"datasets","Factor"\n"1"," 2 "\n',
        "\n\ndatasets,Factor,,\n1,2,,\n",
    ],
)
def test_table_is_read_however_it_is_separated(text):
    ((_, cells),) = rows(text)
    assert cells == {"datasets": "1", "Factor": "2"}


def test_json_lines_keep_their_types_and_null_is_nothing():
    text = (
        '{"datasets": [1, "x"], "Factor": 2.5, "Then": null, "Result": ""}\n\n{"Colours": true}\n'
    )
    assert rows(text) == [
        (1, {"datasets": [1, "x"], "Factor": 2.5}),
        (3, {"Colours": True}),
    ]


def test_empty_cells_and_lines_are_nothing_and_lines_are_counted():
    assert rows(HEADER + "\n1,\n,,\n\n2,3\n") == [
        (3, {"datasets": "1"}),
        (6, {"datasets": "2", "Factor": "3"}),
    ]


def test_quoted_cell_may_hold_separators_and_line_ends():
    assert rows('datasets,Result\n1,"a, ""b""\nc"\n2,d\n') == [
        (2, {"datasets": "1", "Result": 'a, "b"\nc'}),
        (4, {"datasets": "2", "Result": "d"}),
    ]


@pytest.mark.parametrize("cell", ["=1+2", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2", "$(id)", "`id`"])
def test_cell_that_looks_like_a_formula_is_text(cell):
    assert rows(f"Result\n{cell}\n") == [(2, {"Result": cell})]


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("1\n", (2, "it has 1 cell, and the header has 2 columns")),
        ("1,2,3\n", (2, "it has 3 cells, and the header has 2 columns")),
        ("1," + "x" * 10_001 + "\n", (2, "a cell is longer than 10,000 characters")),
        ('1,"2\n', (2, "this cannot be read: unexpected end of data")),
        ('1,"2"3\n', (2, "this cannot be read: ',' expected after '\"'")),
        (
            "1," + "x" * 140_000 + "\n",
            (2, "this cannot be read: field larger than field limit (131072)"),
        ),
    ],
)
def test_line_that_cannot_be_read_is_told_and_the_next_one_is_read(lines, fault):
    text = HEADER + lines + "7,8\n"
    assert fault in faults(text)
    if "unexpected" not in fault[1]:
        assert rows(text)[-1][1] == {"datasets": "7", "Factor": "8"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]", "a line has to be an object: {…}"),
        ('{"a": {}}', "'a' has an object as its value"),
        ('{"a": 1, "a": 2}', "'a' is there twice"),
        ('{"a": 1', "this is not JSON: Expecting ',' delimiter at character 8"),
        ('{"a": NaN}', "NaN is not a number that JSON knows"),
        ('{"a": ' + "[" * 100_000 + "}", "this is nested too deeply"),
    ],
)
def test_line_of_json_that_is_none_is_told(line, message):
    assert faults(f'{{"datasets": 1}}\n{line}\n') == [(2, message)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the batch file is empty"),
        ("\ufeff \n", "the batch file is empty"),
        (HEADER, "the batch file has a header and no rows"),
        ("a,a\n1,2\n", "line 1: the columns 1 and 2 are both called 'a'"),
        ("a,,b\n1,2,3\n", "line 1: column 2 of the header has no name"),
        ("a\n1\0\n", "line 2 has a NUL character: this is no text file"),
        (",".join(map(str, range(201))) + "\n1\n", "the header has 201 columns; there may be 200"),
    ],
)
def test_file_that_is_no_table_is_refused(text, message):
    assert refusal(text) == message


def test_too_many_rows_and_too_much_text_are_refused():
    assert "3 rows; at most 2 jobs" in refusal("a\n1\n2\n3\n", most_rows=2)
    assert "2 MiB" in refusal("x" * (MOST_BYTES + 1))
    with pytest.raises(TooLargeError, match="2 MiB"):
        decoded(b"x" * (MOST_BYTES + 1))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_is_decoded_by_its_mark(encoding):
    assert decoded("Größe\n\u4e16".encode(encoding)) == "Größe\n\u4e16"


def test_other_encodings_are_refused_with_their_line():
    with pytest.raises(ValidationFailedError, match=r"line 2 is not UTF-8: byte 0xf6"):
        decoded("a\nGröße\n".encode("latin-1"))
    with pytest.raises(ValidationFailedError, match="UTF-16"):
        decoded(b"\xff\xfea")


def test_format_is_that_of_the_name_or_as_it_looks():
    assert format_of("a,b", "x.tsv") is Format.TSV
    assert format_of("{}", "x.ndjson") is Format.JSONL
    assert format_of('{"a": 1}', "x.txt") is Format.JSONL
    assert format_of("a\tb,c") is Format.TSV
    assert format_of("a") is Format.CSV
