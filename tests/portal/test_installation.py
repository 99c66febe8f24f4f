"""``ijpd init`` (security 18)."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from portal import installation, settings
from portal.cli import init, jobs
from servicekit.settings import SettingsError


def run(command, *arguments):
    return CliRunner().invoke(command, [str(one) for one in arguments], catch_exceptions=False)


def test_new_installation_has_settings_and_private_secrets(tmp_path):
    done = run(init, tmp_path / "site", "--facility", "imaging", "--slots", "3")
    assert done.exit_code == 0
    found = settings.read(tmp_path / "site" / "ijp.toml")
    assert found.facility_folder == tmp_path / "site" / "facility"
    assert (found.facility_folder / "job_types" / "segment.xml").is_file()
    assert found.engine_settings == {"slots": 3}
    secrets = tmp_path / "site" / "secrets"
    assert secrets.stat().st_mode & 0o777 == 0o700
    for path in secrets.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_text().strip() not in done.output


def test_two_installations_have_different_secrets(tmp_path):
    for name in ("one", "two"):
        run(init, tmp_path / name)
    for path in (tmp_path / "one" / "secrets").iterdir():
        assert path.read_text() != (tmp_path / "two" / "secrets" / path.name).read_text()


def test_second_time_in_a_folder_changes_nothing(tmp_path):
    run(init, tmp_path / "site")
    before = {path: path.read_bytes() for path in (tmp_path / "site").rglob("*") if path.is_file()}
    with pytest.raises(SettingsError, match="already"):
        run(init, tmp_path / "site")
    assert before == {path: path.read_bytes() for path in before}


def test_own_facility_is_used_where_it_is(tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "facility.toml").write_text('[facility]\nname = "A \\"quoted\\" place"\n')
    made = installation.make(tmp_path / "site", facility=str(own))
    assert made.facility_folder == own
    assert settings.read(made.settings_file).facility == 'A "quoted" place'
    assert settings.read(made.settings_file).facility_folder == own


def test_unknown_facility_is_named(tmp_path):
    with pytest.raises(SettingsError, match="nosuch"):
        installation.make(tmp_path / "site", facility="nosuch")
    assert not (tmp_path / "site" / "ijp.toml").exists()


def test_wrong_setting_stops_with_its_name(tmp_path):
    made = installation.make(tmp_path / "site")
    text = made.settings_file.read_text().replace('engine = "local"', "jobs_per_user = 0")
    made.settings_file.write_text(text)
    with pytest.raises(SettingsError, match="jobs_per_user"):
        settings.read(made.settings_file)


def test_operator_lists_and_cancels_jobs(portal):
    (job,) = portal.user().submit("tool", arguments=["steps", "60"])
    portal.wait(job, "Executing")
    listed = run(jobs, "list", "--settings", portal.settings_file)
    assert "simple/ana" in listed.output
    assert "Executing" in listed.output
    run(jobs, "cancel", "--settings", portal.settings_file, job["id"], 4711)
    assert portal.wait(job)["state"] == "Cancelled"
    assert run(jobs, "list", "--settings", portal.settings_file).output == ""
