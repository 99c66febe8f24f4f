from __future__ import annotations

import pytest

from ijp.errors import ValidationFailedError
from portal import uploads

KNOWN = [
    {"id": 1, "name": "PNG", "type": "image/png"},
    {"id": 2, "name": "NeXus", "type": "application/x-hdf5"},
    {"id": 3, "name": "photograph", "type": "image/jpeg"},
]


@pytest.mark.parametrize(
    ("name", "format_id"),
    [("a.png", 1), ("a.PNG", 1), ("b.jpg", 3), ("run.nxs", 2), ("c.csv", None), ("png", None)],
)
def test_the_format_follows_from_the_names_ending(name, format_id):
    assert uploads.format_for(KNOWN, name) == format_id


@pytest.mark.parametrize("name", ["a.png", "sub/folder/a.png", "ä ö.png", "..."])
def test_names_may_have_folders(name):
    uploads.check_name(name)


@pytest.mark.parametrize(
    "name", ["", "../a", "a/../b", "/a", "a//b", "a\\b", "a\nb", "a\x00", "x" * 256, "a/", "."]
)
def test_names_that_would_escape_or_hide_are_refused(name):
    with pytest.raises(ValidationFailedError):
        uploads.check_name(name)
