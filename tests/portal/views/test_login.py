from __future__ import annotations

import pytest

from portal.views.login import safe_path


@pytest.mark.parametrize("path", ["/", "/jobs?state=failed&days=7", "/find?text=a//b", "/jobs#x"])
def test_paths_of_the_portal_are_gone_to(path):
    assert safe_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "javascript:alert(1)",
        "evil.example",
        "",
        "/login?next=/login",
        "/logout",
    ],
)
def test_anything_else_leads_to_the_first_page(path):
    """No open redirect."""
    assert safe_path(path) == "/"
