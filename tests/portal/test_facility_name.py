from __future__ import annotations

from portal import facility_name
from portal.facility_name import FacilityName


def test_the_full_name_is_the_facilitys_own(tmp_path):
    text = '[facility]\nname = "X"\nfull_name = "X-ray Facility"\nurl = "https://x.example/"\n'
    (tmp_path / "facility.toml").write_text(text)
    assert facility_name.of(tmp_path, "X") == FacilityName("X-ray Facility", "https://x.example/")


def test_an_address_that_is_not_a_web_page_is_not_shown(tmp_path):
    (tmp_path / "facility.toml").write_text('[facility]\nurl = "javascript:alert(1)"\n')
    assert facility_name.of(tmp_path, "X") == FacilityName("X", None)


def test_without_a_file_or_with_a_broken_one_the_short_name_is_used(tmp_path):
    assert facility_name.of(tmp_path, "X") == FacilityName("X", None)
    (tmp_path / "facility.toml").write_text("[[[")
    assert facility_name.of(tmp_path, "X") == FacilityName("X", None)
