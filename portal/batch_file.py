"""A batch file as it comes: CSV, TSV or JSON lines, one job a row; read here, judged elsewhere.

Every cell is text, whatever it looks like. What cannot be read is told with its line.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ijp.errors import TooLargeError, ValidationFailedError
from ijp.portal import MOST_BATCH_BYTES

MOST_BYTES = MOST_BATCH_BYTES
MOST_COLUMNS = 200
MOST_FAULTS = 100
_LONGEST_CELL = 10_000
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

Cell = str | int | float | bool | None | list[object]


class Format(StrEnum):
    """How a batch file is written."""

    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"


@dataclass(frozen=True)
class Fault:
    """Something wrong at a place of a file.

    Attributes:
        line: From 1; 0 is the file as a whole.
        column: As the file has it; "" for the line as a whole.
        value: What was found there, shortened.
    """

    line: int
    message: str
    column: str = ""
    value: str = ""

    @property
    def text(self) -> str:
        """In one sentence: ``line 3, column Factor: …``."""
        place = f"line {self.line}" if self.line else "the file"
        return f"{place}{f', column {self.column}' if self.column else ''}: {self.message}"


@dataclass(frozen=True)
class Row:
    """One line, by column; an empty cell is not there."""

    line: int
    cells: Mapping[str, Cell]


@dataclass(frozen=True)
class Table:
    """What was read.

    Attributes:
        faults: Of lines that could not be read; they are not among the rows.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    faults: tuple[Fault, ...] = field(default=())


def decoded(content: bytes) -> str:
    """The text of an uploaded file: UTF-8, or UTF-16 if it says so by its first bytes.

    Raises:
        TooLargeError: It is larger than batch files may be.
        ValidationFailedError: It is not text; the line is named.
    """
    if len(content) > MOST_BYTES:
        raise TooLargeError(f"a batch file may have {MOST_BYTES >> 20} MiB; this one has more")
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        return content.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unreadable(
            f"line {line} is not {encoding.upper()}: byte 0x{content[error.start]:02x}; "
            "save the file as UTF-8"
        ) from error


def parse(text: str, most_rows: int, kind: Format | None = None) -> Table:
    """Read a batch file's text.

    Args:
        most_rows: More are refused.
        kind: How it is written; None: as it looks.

    Raises:
        TooLargeError: It is too large, or has too many rows.
        ValidationFailedError: It has no header, or one that cannot be used.
    """
    if len(text) > MOST_BYTES:
        raise TooLargeError(f"a batch file may have {MOST_BYTES >> 20} MiB; this one has more")
    text = text.removeprefix("\ufeff")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise _unreadable(f"line {line} has a NUL character: this is no text file")
    if not text.strip():
        raise _unreadable("the batch file is empty")
    kind = kind or format_of(text)
    table = _lines(text) if kind is Format.JSONL else _separated(text, kind)
    if len(table.rows) > most_rows:
        raise TooLargeError(
            f"the batch file has {len(table.rows):,} rows; at most {most_rows:,} jobs can be "
            "submitted at once"
        )
    if not table.rows and not table.faults:
        raise _unreadable("the batch file has a header and no rows")
    return table


def format_of(text: str, file_name: str = "") -> Format:
    """How a file is written, by its name or else by its first line."""
    ending = file_name.rpartition(".")[2].lower()
    if ending in ("jsonl", "ndjson"):
        return Format.JSONL
    if ending in ("csv", "tsv"):
        return Format(ending)
    first = text.lstrip().partition("\n")[0]
    if first.startswith("{"):
        return Format.JSONL
    return Format.TSV if "\t" in first else Format.CSV


def _unreadable(message: str) -> ValidationFailedError:
    return ValidationFailedError(message, fields={"file": [message]})


def _separated(text: str, kind: Format) -> Table:
    first = text.lstrip("\r\n").partition("\n")[0]
    separator = "\t" if kind is Format.TSV else ","
    if kind is Format.CSV and "," not in first and ";" in first:
        separator = ";"  # as spreadsheets write it where the comma is the decimal sign
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    records = _records(reader)
    columns: tuple[str, ...] = ()
    rows: list[Row] = []
    faults: list[Fault] = []
    for line, cells in records:
        if isinstance(cells, str):
            faults.append(Fault(line, cells))
        elif not any(cell.strip() for cell in cells):
            continue
        elif not columns:
            columns = _header(line, cells)
        elif fault := _misfit(cells, columns):
            faults.append(Fault(line, fault))
        else:
            pairs = zip(columns, (cell.strip() for cell in cells), strict=True)
            rows.append(Row(line, {name: cell for name, cell in pairs if cell}))
    if not columns:
        raise _unreadable(faults[0].text if faults else "the batch file has no header")
    return Table(columns, tuple(rows), tuple(faults))


def _records(reader: Any) -> Iterator[tuple[int, list[str] | str]]:
    """Each record with the line where it begins, or what is wrong with it."""
    while True:
        line = reader.line_num + 1
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, f"this cannot be read: {error}"
            if "unexpected end" in str(error):
                return


def _header(line: int, cells: Sequence[str]) -> tuple[str, ...]:
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    if len(names) > MOST_COLUMNS:
        raise _unreadable(f"the header has {len(names)} columns; there may be {MOST_COLUMNS}")
    if "" in names:
        raise _unreadable(f"line {line}: column {names.index('') + 1} of the header has no name")
    seen: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if name in seen:
            raise _unreadable(
                f"line {line}: the columns {seen[name]} and {number} are both called {name[:60]!r}"
            )
        seen[name] = number
    return tuple(names)


def _misfit(cells: list[str], columns: Sequence[str]) -> str:
    """What is wrong with the number or length of a row's cells; it loses empty ones at its end."""
    while len(cells) > len(columns) and not cells[-1].strip():
        cells.pop()
    if len(cells) != len(columns):
        many = "cell" if len(cells) == 1 else "cells"
        return f"it has {len(cells)} {many}, and the header has {len(columns)} columns"
    if any(len(cell) > _LONGEST_CELL for cell in cells):
        return f"a cell is longer than {_LONGEST_CELL:,} characters"
    return ""


def _lines(text: str) -> Table:
    columns: dict[str, None] = {}
    rows: list[Row] = []
    faults: list[Fault] = []
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            cells = _object(content)
        except ValueError as error:
            faults.append(Fault(line, str(error)))
            continue
        columns.update(dict.fromkeys(cells))
        if len(columns) > MOST_COLUMNS:
            raise _unreadable(f"line {line}: with it there are more than {MOST_COLUMNS} names")
        given = {name: cell for name, cell in cells.items() if cell not in (None, "")}
        rows.append(Row(line, given))
    return Table(tuple(columns), tuple(rows), tuple(faults))


def _object(content: str) -> dict[str, Cell]:
    try:
        found = json.loads(content, object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("this is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"this is not JSON: {error.msg} at character {error.colno}") from None
    if not isinstance(found, dict):
        raise ValueError("a line has to be an object: {…}")
    for name, value in found.items():
        if isinstance(value, dict):
            raise ValueError(f"{name[:60]!r} has an object as its value")
        if isinstance(value, str) and len(value) > _LONGEST_CELL:
            raise ValueError(f"{name[:60]!r} is longer than {_LONGEST_CELL:,} characters")
    return found


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is not a number that JSON knows")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name[:60]!r} is there twice")
        found[name] = value
    return found
