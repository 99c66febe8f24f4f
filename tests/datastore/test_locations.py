"""Locations with digests, in the old form and in ours."""

from __future__ import annotations

import pytest

from datastore.locations import Locations, old_digest
from ijp.datastore import Selection
from ijp.errors import NotAuthorizedError

KEYED = Locations(b"secret")


def test_the_old_digest_is_that_of_ids_server():
    """ids-api §9: check vectors."""
    first, second = (old_digest(id, "here", b"secret") for id in (42, 43))
    assert (first[:8], first[-4:]) == ("20D7BD6C", "C2A5")
    assert (second[:8], second[-4:]) == ("DD70E6ED", "A4D1")
    assert KEYED.plain(42, f"here {first}") == "here"


def test_what_was_signed_is_read():
    signed = KEYED.signed(42, "a place with blanks")
    assert signed.startswith("a place with blanks v2-")
    assert KEYED.plain(42, signed) == "a place with blanks"


@pytest.mark.parametrize(
    ("id", "told", "message"),
    [
        (42, "here", "does not contain hash"),
        (42, "here ", "does not contain a valid hash"),
        (43, KEYED.signed(42, "here"), "does not contain a valid hash"),
        (42, KEYED.signed(42, "here").replace("here", "there"), "valid hash"),
        (42, f"here {old_digest(43, 'here', b'secret')}", "valid hash"),
        (42, f"here {old_digest(42, 'here', b'secret').lower()}", "valid hash"),
        (42, "here v2-\u00e4", "valid hash"),
        (42, Locations(b"other").signed(42, "here"), "valid hash"),
    ],
)
def test_what_was_not_signed_for_it_is_refused(id, told, message):
    with pytest.raises(NotAuthorizedError, match=message):
        KEYED.plain(id, told)


def test_parts_do_not_run_into_each_other():
    """Quirk Q11: id 1 with "2/x" is not id 12 with "/x"."""
    assert old_digest(1, "2/x", b"k") == old_digest(12, "/x", b"k")
    assert KEYED.signed(1, "2/x").split()[1] != KEYED.signed(12, "/x").split()[1]


def test_without_a_key_locations_stay_as_they_are():
    assert Locations().signed(42, "here") == "here"
    assert Locations().plain(42, "here v2-00") == "here v2-00"


class TestService:
    """A data service with a key."""

    @pytest.fixture
    def site(self, facility_site):
        made = facility_site(more='location_key_file = "secrets/location_key"')
        (made.folder / "secrets" / "location_key").write_text("a long secret\n")
        return made

    def test_a_file_comes_back_and_goes(self, site, put):
        stored = put("a", b"abc")
        told = site.catalog().get("Datafile", stored.id)["location"]
        assert told.startswith(f"{stored.location} v2-")
        chosen = Selection(datafile_ids=[stored.id])
        with site.datastore().get_data(chosen) as download:
            assert b"".join(download.blocks()) == b"abc"
        site.datastore().delete(chosen)
        assert site.stored_files() == []

    def test_a_location_that_was_copied_is_refused(self, site, put):
        """Who can write Datafiles does not get at what other Datafiles have."""
        stored, other = put("a", b"abc"), put("b", b"x")
        told = site.catalog().get("Datafile", stored.id)["location"]
        site.catalog().update("Datafile", other.id, location=told)
        with pytest.raises(NotAuthorizedError, match="valid hash"):
            site.datastore().get_data(Selection(datafile_ids=[other.id]))
        assert len(site.stored_files()) == 2
