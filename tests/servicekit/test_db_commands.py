"""``ijpd db``: tables are made, and looked at."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from portal import installation
from servicekit import cli, database


@pytest.fixture
def settings_file(tmp_path: Path, database_url: str) -> Path:
    return installation.make(tmp_path / "site", database_url=database_url).settings_file


def _run(name: str, settings_file: Path) -> Result:
    command = [name, "--settings", str(settings_file)]
    return CliRunner().invoke(cli.db, command, catch_exceptions=False)


def test_upgraded_tables_are_as_they_should_be(settings_file):
    assert _run("upgrade", settings_file).exit_code == 0
    checked = _run("check", settings_file)
    assert checked.exit_code == 0
    assert checked.output.splitlines() == [
        f"{name}: as it should be" for name in ("catalog", "datastore", "portal")
    ]


def test_missing_tables_are_named_and_not_made(settings_file):
    for _ in range(2):
        checked = _run("check", settings_file)
        assert checked.exit_code == 1
        assert "catalog: the tables are of version none, and should be of 0" in checked.output
        assert "ijpd db upgrade brings tables to the newest version" in checked.output


def test_changed_table_is_named(settings_file, database_url):
    _run("upgrade", settings_file)
    engine = database.engine_for(database_url, "catalog")
    with database.writing(engine).begin() as connection:
        connection.execute(text("ALTER TABLE facility ADD COLUMN colour VARCHAR(10)"))
    engine.dispose()
    checked = _run("check", settings_file)
    assert checked.exit_code == 1
    assert "catalog: the tables are not those of version" in checked.output
    assert "colour" in checked.output
