"""File names: nothing leads out of its place, nothing ends a header."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from datastore import naming
from datastore.storage import DatasetInfo
from ijp.errors import BadRequestError


@pytest.mark.parametrize("name", ["a.nxs", "raw/a b.nxs", "…ü.tif", "..a", "a..", "a/.hidden"])
def test_ordinary_names_may_be_stored(name):
    assert naming.checked(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "..",
        ".",
        "../a",
        "a/../../b",
        "a/..",
        "/etc/passwd",
        "a//b",
        "a/",
        " ",
        "a/ .. /b",
        "C:\\x",
        "c:x",
        "a\\..\\b",
        "a\nb",
        "a\x00b",
        "a\u202egnp.exe",
        "x" * 256,
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(name):
    """Bad input: a file name with ``..``; security 21."""
    with pytest.raises(BadRequestError, match="Illegal filename or dataset"):
        naming.checked(name)


@given(folder=st.just("ids/F/I/V/D"), name=st.text(max_size=80))
def test_an_entry_always_stands_below_its_dataset(folder, name):
    """Security 21: no absolute entry names, none with ``..``, drive letters or controls."""
    entry = naming.entry_name(folder, name, 7)
    assert entry.startswith(folder + "/")
    rest = entry.removeprefix(folder + "/").split("/")
    assert not {"", ".", ".."} & {part.strip() for part in rest}
    assert "\\" not in entry
    assert not any(ord(character) < 32 for character in entry)


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("a.nxs", "d/a.nxs"),
        ("sub/a.nxs", "d/sub/a.nxs"),
        ("../../a", "d/a"),
        ("/etc/passwd", "d/etc/passwd"),
        ("C:\\Windows\\x", "d/C_/Windows/x"),
        ("..", "d/datafile-7"),
        ("a/../b-1.nxs", "d/a/b-1.nxs"),
        (".hidden/a b", "d/.hidden/a b"),
        ("a.nxs\n", "d/a.nxs_"),
    ],
)
def test_entry_names(name, entry):
    assert naming.entry_name("d", name, 7) == entry


def test_the_folder_of_a_dataset_is_encoded_as_in_a_form():
    """ids-api §10: blank → +, / → %2F, ~ → %7E, * kept."""
    dataset = DatasetInfo(1, "a b~*", 2, "..", "N/A", 3, "F")
    assert naming.zip_folder(dataset) == "ids/F/%2E%2E/N%2FA/a+b%7E*"


@given(st.text(max_size=60))
def test_no_name_ends_the_header(name):
    """Quirk Q4, security 21: RFC 6266, no header injection."""
    header = naming.content_disposition(name)
    assert header.isascii()
    assert header.isprintable()
    kind, options = parse_options_header(header)
    assert kind == "attachment"
    assert set(options) == {"filename"}


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a b.nxs", 'attachment; filename="a b.nxs"'),
        ("sub/a.nxs", 'attachment; filename="a.nxs"'),
        ("ü.nxs", "attachment; filename=\"_.nxs\"; filename*=UTF-8''%C3%BC.nxs"),
        ('a"b', "attachment; filename=\"a_b\"; filename*=UTF-8''a%22b"),
        ("a\r\nSet-Cookie: x", 'attachment; filename="aSet-Cookie: x"'),
    ],
)
def test_content_disposition(name, header):
    assert naming.content_disposition(name) == header


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("", "2026-11-20_19-07-01.zip"),
        ("x", "x.zip"),
        ("x.zip", "x.zip"),
        ("x.tar", "x.tar.zip"),
    ],
)
def test_zip_names(asked, name):
    assert naming.zip_name(asked, datetime(2026, 11, 20, 19, 7, 1)) == name  # noqa: DTZ001
