"""The catalog keeps to its OpenAPI document, whatever is sent."""

from __future__ import annotations

import os
import re

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from catalog.rest import openapi
from servicekit.embedded import Process

pytestmark = pytest.mark.slow

CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]

_SETTINGS = settings(
    max_examples=int(os.environ.get("IJP_EXAMPLES", "20")),
    suppress_health_check=list(HealthCheck),
)
_OPERATIONS = {
    one.ok().label: one.ok()
    for one in schemathesis.openapi.from_dict(openapi.document()).get_all_operations()
}
_WAITING = {"GET /sleep/{seconds}", "POST /waitMillis"}


@pytest.fixture
def http(settings_file):
    process = Process(settings_file)
    yield process.http
    process.app("catalog").extensions["catalog"].transactions.engine.dispose()


@pytest.mark.parametrize("label", sorted(_OPERATIONS.keys() - _WAITING))
def test_answers_are_as_documented(http, root, label):
    headers = {"Authorization": f"Bearer {root.session_id}"}

    @_SETTINGS
    @given(case=_OPERATIONS[label].as_strategy())
    def try_it(case):
        answer = case.call_and_validate(
            "http://catalog.embedded/icat", session=http, headers=headers, checks=CHECKS
        )
        assert answer.status_code < 500 or answer.status_code == 501

    try_it()


def test_every_route_is_in_the_document(app):
    documented = {
        ("/icat" + path, method.upper())
        for path, methods in openapi.document()["paths"].items()
        for method in methods
    }
    routes = {
        (re.sub("<(path:)?(.*?)>", r"{\2}", str(rule)).replace("session_id", "sessionId"), method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint.startswith("icat") and rule.endpoint != "icat_openapi.show"
    }
    assert routes == documented


def test_the_document_is_served(rest):
    assert rest.call("GET", "/openapi.json").json == openapi.document()
