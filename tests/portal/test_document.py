"""The interface's document and its pages (req. 81)."""

from __future__ import annotations

import re

import pytest


@pytest.fixture
def browser(make_portal):
    return make_portal(dispatcher=False).app.test_client()


def test_document_has_every_call_with_its_words(make_portal):
    app = make_portal(dispatcher=False).app
    document = app.test_client().get("/api/v1/openapi.json").json
    routes = {
        re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/") and not rule.rule.endswith("openapi.json")
    }
    assert routes == set(document["paths"])
    for path, calls in document["paths"].items():
        for verb, call in calls.items():
            if verb != "parameters":
                assert call.get("summary"), (path, verb)
                assert call["responses"], (path, verb)
    assert "/api/v1/jobs" in routes
    assert "/api/v1/capsule" in routes


def test_pages_of_the_document_load_nothing_from_elsewhere(browser):
    page = browser.get("/api/docs")
    assert page.status_code == 200
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) >= 3
    for path in loaded:
        assert path.startswith("/")
        assert not path.startswith("//")
        with browser.get(path) as answer:
            assert answer.status_code == 200
    assert "<script>" not in page.text
    assert "script-src" not in page.headers["Content-Security-Policy"]
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]


def test_fault_of_a_request_names_its_field(browser):
    answer = browser.get("/api/v1/jobs?limit=many&nosuch=1")
    assert answer.status_code == 400
    assert answer.json["code"] == "validation"
    assert set(answer.json["fields"]) == {"limit", "nosuch"}


def test_no_call_answers_with_inner_things(browser):
    """Security 23."""
    answer = browser.post("/api/v1/session", data=b"{not json", content_type="application/json")
    assert answer.status_code == 400
    assert "Traceback" not in answer.text
    assert "/portal/" not in answer.text
    assert browser.get("/api/v1/nosuch").json["code"] == "not-found"
