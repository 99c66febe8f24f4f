"""``ijpd init`` (security 18)."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from portal import installation, settings
from portal.cli import init, jobs
from portal.engine_options import engine_options
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


def test_settings_name_the_engine_and_what_it_is_told(tmp_path):
    table = {"command_folder": "/usr/bin", "environment": {"SLURM_CONF": '/a b/"c"'}}
    made = installation.make(tmp_path / "one", engine="slurm", engine_settings=table)
    found = settings.read(made.settings_file)
    assert (found.engine, found.engine_settings) == ("slurm", table)


def test_unknown_engine_is_refused_with_those_that_there_are(tmp_path):
    with pytest.raises(SettingsError, match=r"no batch engine 'slurn'; there are .*local.*slurm"):
        installation.make(tmp_path / "one", engine="slurn")
    assert not (tmp_path / "one").exists()


@pytest.mark.parametrize(
    ("given", "table"),
    [
        ([], {}),
        (["slots=2", "a.b=x", "a.c=[1, 2]"], {"slots": 2, "a": {"b": "x", "c": [1, 2]}}),
        (["command_folder=/usr/bin"], {"command_folder": "/usr/bin"}),
        (["x=y=z"], {"x": "y=z"}),
    ],
)
def test_engine_settings_are_taken_from_the_command_line(given, table):
    @click.command()
    @engine_options
    def show(engine, engine_settings):
        click.echo(repr((engine, engine_settings)))

    words = [word for one in given for word in ("--engine-setting", one)]
    assert CliRunner().invoke(show, words).output == repr(("local", table)) + "\n"
    for wrong in ("slots", "=2", "a..b=1"):
        assert CliRunner().invoke(show, ["--engine-setting", wrong]).exit_code == 2
