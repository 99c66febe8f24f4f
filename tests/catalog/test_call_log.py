"""The log of calls: off by default, by category, and without anything that lets somebody in."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from catalog import app as catalog_app
from catalog import settings
from servicekit.settings import SettingsError
from tests.catalog.conftest import Rest
from tests.catalog.soap.conftest import Soap, bean

PAGE = Path(__file__).parents[2] / "docs" / "catalog.md"


class Log:
    """A catalog with a log of calls."""

    def __init__(self, settings_file: Path, table: str) -> None:
        settings_file.write_text(settings_file.read_text() + table)
        self.path = settings_file.parent / "calls.jsonl"
        self.app = catalog_app.app_for(settings.read(settings_file))
        self.http = self.app.test_client()

    def close(self) -> None:
        self.app.extensions["catalog"].transactions.engine.dispose()

    def root(self) -> Rest:
        return Rest(self.http).login("simple", username="root", password="root-pass")

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def operations(self) -> list[str]:
        return [line["operation"] for line in self.lines()]


@pytest.fixture
def log(settings_file, request):
    categories = getattr(request, "param", '["READ", "WRITE", "SESSION", "INFO"]')
    table = f'[catalog.call_log]\nfile = "calls.jsonl"\ncategories = {categories}\n'
    made = Log(settings_file, table)
    yield made
    made.close()


def test_nothing_is_logged_by_default(root, settings_file):
    root.create("Study", name="s")
    assert settings.read(settings_file).call_log is None
    assert list(settings_file.parent.glob("*.jsonl")) == []


def test_calls_by_rest_are_logged_with_what_they_are_about(log):
    root = log.root()
    study = root.create("Study", name="s")
    root.search("SELECT s.name FROM Study s")
    root.get("Study", study)
    root.delete([{"Study": {"id": study}}])
    assert [
        {key: value for key, value in line.items() if key not in ("start", "millis", "ip")}
        for line in log.lines()
    ] == [
        {"operation": "login", "userName": "simple/root"},
        {
            "operation": "write",
            "userName": "simple/root",
            "entityName": "Study",
            "entityId": study,
        },
        {"operation": "search", "userName": "simple/root", "query": "SELECT s.name FROM Study s"},
        {"operation": "get", "userName": "simple/root", "query": "Study", "entityId": study},
        {
            "operation": "delete",
            "userName": "simple/root",
            "entityName": "Study",
            "entityId": study,
        },
    ]
    line = log.lines()[0]
    assert line["ip"] == "127.0.0.1"
    assert datetime.fromisoformat(line["start"]).utcoffset() is not None
    assert line["millis"] >= 0


def test_calls_by_soap_are_logged(log):
    soap = Soap(log.http).login("simple", username="root", password="root-pass")
    study = soap.create("study", "<name>s</name>")
    soap.returns("update", bean("study", f"<id>{study}</id><name>t</name>"))
    soap.search("SELECT s FROM Study s")
    soap.returns("delete", bean("study", f"<id>{study}</id>"))
    soap.returns("logout")
    assert log.operations() == ["login", "create", "update", "search", "delete", "logout"]
    assert [line.get("entityId") for line in log.lines()] == [
        None, study, study, None, study, None
    ]  # fmt: skip


@pytest.mark.parametrize("log", ['["SESSION"]'], indirect=True)
def test_only_the_categories_that_are_set_are_logged(log):
    root = log.root()
    root.create("Study", name="s")
    root.call("DELETE", f"/session/{root.session_id}")
    assert log.operations() == ["login", "logout"]


def test_what_fails_or_says_nothing_is_not_logged(log):
    root = log.root()
    assert root.post([{"Study": {"name": None}}]).status_code >= 400
    assert root.call("GET", "/version").status_code == 200
    soap = Soap(log.http, root.session_id)
    soap.returns("getProperties")
    assert log.operations() == ["login"]


def test_neither_session_ids_nor_passwords_are_logged(log):
    root = log.root()
    root.call("GET", f"/session/{root.session_id}")
    root.call("PUT", f"/session/{root.session_id}")
    root.search(f"SELECT s FROM Study s WHERE s.name = 'sessionId={root.session_id}'")
    text = log.path.read_text()
    assert log.operations() == ["login", "getSession", "refresh", "search"]
    assert root.session_id not in text
    assert "root-pass" not in text
    assert log.path.stat().st_mode & 0o077 == 0


def test_hostile_text_stays_on_one_line(log):
    root = log.root()
    query = 'SELECT s FROM Study s WHERE s.name = \'\n{"operation": "forged"}\u2028\''
    root.search(query)
    assert [line.get("query") for line in log.lines()] == [None, query]


def test_the_file_may_be_moved_away(log):
    root = log.root()
    log.path.rename(log.path.with_suffix(".1"))
    root.create("Study", name="s")
    assert log.operations() == ["write"]


def test_a_file_that_cannot_be_written_stops_the_start(settings_file):
    with pytest.raises(SettingsError, match=r"gone/calls.jsonl: cannot be written"):
        Log(settings_file, '[catalog.call_log]\nfile = "gone/calls.jsonl"\n')


def test_a_category_that_is_none_is_named(settings_file):
    with pytest.raises(SettingsError, match="Must be one of: READ, WRITE, SESSION, INFO"):
        Log(settings_file, '[catalog.call_log]\nfile = "a"\ncategories = ["ALL"]\n')


def test_the_example_of_the_documentation_is_loaded(settings_file):
    (example,) = re.findall(
        r"^```toml\n(\[catalog\.call_log\].*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    (settings_file.parent / "log").mkdir()
    log = Log(settings_file, example)
    log.root().create("Study", name="s")
    log.close()
    lines = (settings_file.parent / "log" / "calls.jsonl").read_text().splitlines()
    assert [json.loads(line)["operation"] for line in lines] == ["login", "write"]
