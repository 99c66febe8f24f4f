"""Log-in at a real OpenID provider, by the pages of a portal and its catalog."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from bench.postgresql import free_port
from portal import installation, single_sign_on
from portal.model import Audit
from portal.settings import read
from servicekit.settings import SettingsError
from tests import openid
from tests.portal_site import Portal, copy, running

pytestmark = pytest.mark.slow

_START = "/login/single-sign-on"
_CATALOG = """
[catalog.authenticator_settings.oidc]
issuer = "{issuer}"
audiences = ["portal-client"]
friendly = "University account"
"""
_PORTAL = """
[portal.single_sign_on]
issuer = "{issuer}"
client_id = "portal-client"
client_secret_file = "oidc_client"
{more}
"""


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with openid.provider() as url:
        yield url


@pytest.fixture
def configure(tmp_path, installation_to_copy) -> Callable[..., Any]:
    """Makes an installation whose portal and catalog know a provider; gives its folder."""

    def configure(issuer: str, more: str = "") -> Any:
        folder = tmp_path / "portal"
        copy(installation_to_copy, folder)
        secret = folder / "secrets" / "oidc_client"
        secret.write_text("secret\n")
        secret.chmod(0o600)
        path = folder / installation.SETTINGS_FILE
        text = path.read_text().replace('["simple", "db"]', '["simple", "db", "oidc"]')
        path.write_text(text + (_CATALOG + _PORTAL).format(issuer=issuer, more=more))
        return folder

    return configure


@pytest.fixture
def portal(configure, issuer) -> Iterator[Portal]:
    with running(configure(issuer), dispatcher=False) as made:
        yield made


def _come_back(browser: FlaskClient, issuer: str, user: str = "ana", start: str = _START) -> Any:
    there = browser.get(start)
    assert there.status_code == 302, there.text
    place = urlsplit(openid.answer_of(issuer, there.location, user))
    return browser.get(f"{place.path}?{place.query}")


def test_a_browser_logs_in_and_goes_where_it_wanted_to(portal, issuer):
    browser = portal.app.test_client()
    answer = _come_back(browser, issuer, start=f"{_START}?next=/jobs%3Fstate=failed")
    assert (answer.status_code, answer.location) == (303, "/jobs?state=failed")
    assert browser.get("/api/v1/session").json["userName"] == "oidc/ana"
    with Session(portal.services.database) as transaction:
        assert transaction.scalar(select(Audit.action)) == "log in"


def test_the_page_leads_there_and_asks_for_no_password(portal):
    page = portal.app.test_client().get("/login?authenticator=oidc&next=/jobs").text
    assert "University account" in page
    assert re.search(rf'href="{_START}\?next=/jobs', page)
    assert "credential.token" not in page


def test_the_provider_is_told_a_challenge_a_state_and_a_nonce_once_each(portal, issuer):
    asked = []
    for _ in range(2):
        there = urlsplit(portal.app.test_client().get(_START).location)
        asked.append({name: value for name, (value,) in parse_qs(there.query).items()})
    first, second = asked
    assert first["code_challenge_method"] == "S256"
    assert first["redirect_uri"] == portal.url + single_sign_on.CALLBACK
    assert first["scope"] == "openid profile email"
    for name in ("code_challenge", "state", "nonce"):
        assert len(first[name]) >= 20
        assert first[name] != second[name]


def test_next_never_leads_elsewhere(portal, issuer):
    start = f"{_START}?next=https://evil.example/"
    assert _come_back(portal.app.test_client(), issuer, start=start).location == "/"


def test_an_answer_that_another_browser_began_logs_nobody_in(portal, issuer):
    """Nobody is made to work in somebody else's account."""
    there = portal.app.test_client().get(_START).location
    place = urlsplit(openid.answer_of(issuer, there, "mallory"))
    victim = portal.app.test_client()
    victim.get(_START)
    answer = victim.get(f"{place.path}?{place.query}")
    assert answer.status_code == 401
    assert "not one to a log-in that this browser has just begun" in answer.text
    assert victim.get("/api/v1/session").status_code == 401


def test_an_answer_counts_once(portal, issuer):
    browser = portal.app.test_client()
    there = browser.get(_START).location
    place = urlsplit(openid.answer_of(issuer, there, "ana"))
    assert browser.get(f"{place.path}?{place.query}").status_code == 303
    assert browser.get(f"{place.path}?{place.query}").status_code == 401


def test_a_token_with_another_nonce_is_refused(portal, issuer):
    browser = portal.app.test_client()
    there = browser.get(_START).location
    replaced = re.sub(r"nonce=[^&]+", "nonce=replayed", there)
    place = urlsplit(openid.answer_of(issuer, replaced, "ana"))
    assert browser.get(f"{place.path}?{place.query}").status_code == 401


@pytest.mark.parametrize(
    "query", ["", "?code=x", "?state=x", "?code=x&state=y", "?error=access_denied", "?error=<b>"]
)
def test_what_is_no_answer_is_told_and_the_page_offers_to_begin_again(portal, query):
    answer = portal.app.test_client().get(single_sign_on.CALLBACK + query)
    assert answer.status_code == 401
    assert "That did not work" in answer.text
    assert _START in answer.text
    assert "<b>" not in answer.text


def test_beginning_often_does_not_fill_the_cookie(portal):
    browser = portal.app.test_client()
    for _ in range(20):
        answer = browser.get(_START)
    (cookie,) = (one for one in answer.headers.getlist("Set-Cookie") if "ijp_form" in one)
    assert len(cookie) < 2000


def test_a_provider_that_does_not_answer_is_told(configure):
    with running(configure(f"http://localhost:{free_port()}"), dispatcher=False) as made:
        answer = made.app.test_client().get(_START)
        assert answer.status_code == 503
        assert "provider of the log-in does not answer now" in answer.text


def test_without_a_provider_there_is_no_such_page(make_portal):
    browser = make_portal(dispatcher=False).app.test_client()
    assert browser.get(_START).status_code == 404
    assert browser.get(single_sign_on.CALLBACK).status_code == 404


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ('colour = "red"', "single_sign_on: colour: Unknown field"),
        ('token = "refresh_token"', "single_sign_on: token: Must be one of"),
    ],
)
def test_wrong_settings_stop_the_start(configure, more, fault):
    folder = configure("https://id.example.org", more)
    with pytest.raises(SettingsError, match=fault):
        read(folder / installation.SETTINGS_FILE)
