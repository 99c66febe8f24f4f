"""``docs/requirements.md`` is complete, and what it says is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
TABLE = TESTS.parent / "docs" / "requirements.md"
NUMBERS = {
    *range(1, 27),
    30,
    35,
    36,
    *range(39, 52),
    *range(78, 84),
    *range(88, 124),
}
ACCIDENTS = 16


def rows(heading: str) -> list[list[str]]:
    """The cells of the table whose head begins with this."""
    text = TABLE.read_text(encoding="utf-8")
    lines = text[text.index(f"| {heading} |") :].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def named(cell: str) -> list[tuple[Path, str]]:
    """The tests that a cell names, as file and function."""
    found = []
    for text in re.findall(r"`([^`]+\.py)::(\w+)`", cell):
        folder = TESTS if "/" in text[0] else TESTS / "e2e" / "requirements"
        found.append((folder / text[0], text[1]))
    return found


@cache
def docstrings(path: Path) -> dict[str, str]:
    """The functions of a file, with what they say of themselves."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)]
    return {one.name: ast.get_docstring(one) or "" for one in functions}


def cited(docstring: str) -> set[int]:
    """The numbers of requirements that a test names."""
    found = re.search(r"req\. ((?:\d+(?:, )?)+)", docstring)
    return {int(one) for one in re.findall(r"\d+", found[1])} if found else set()


def test_every_number_stands_once_in_the_table() -> None:
    numbers = [int(row[0]) for row in rows("#")]
    assert sorted(numbers) == sorted(NUMBERS)


@pytest.mark.parametrize("row", rows("#"), ids=lambda row: f"req-{row[0]}")
def test_requirement_has_an_end_to_end_test_that_cites_it(row: list[str]) -> None:
    number, tests = int(row[0]), named(row[2])
    assert tests
    for path, name in tests:
        assert name in docstrings(path), f"{path.name} has no {name}"
        assert path.is_relative_to(TESTS / "e2e")
        assert number in cited(docstrings(path)[name]), f"{name} does not cite {number}"


def test_no_end_to_end_test_is_left_out_of_the_table() -> None:
    listed = {pair for row in rows("#") for pair in named(row[2])}
    for path in (TESTS / "e2e" / "requirements").glob("test_*.py"):
        for name, docstring in docstrings(path).items():
            if name.startswith("test_") and cited(docstring):
                assert (path, name) in listed, f"{path.name}::{name}"


def test_every_accident_has_its_tests() -> None:
    found = rows("what")
    assert len(found) == ACCIDENTS
    for row in found:
        tests = named(row[1])
        assert tests, row
        for path, name in tests:
            assert name in docstrings(path), f"{path.name} has no {name}"


def test_every_test_that_remarks_name_is_there() -> None:
    for row in rows("#"):
        for path, name in named(row[3] if len(row) > 3 else ""):
            assert name in docstrings(path), f"{path.name} has no {name}"
