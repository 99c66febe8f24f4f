"""Who is asking: cookies, headers, CSRF, forms sent too late (security 5, 15)."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ijp.errors import NotAuthenticatedError
from portal import secret_files
from portal.model import Audit, BrowserSessionRow, CatalogSessionRow
from portal.moments import now
from servicekit.settings import SettingsError


def token_of(browser) -> str:
    page = browser.get("/login?next=/jobs&authenticator=simple")
    if page.status_code != 200:
        page = browser.get("/jobs")
    found = re.search(r'name="csrf[-_]token" (?:content|value)="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def log_in(idle, name="ana", words="ana's own words"):
    browser = idle.app.test_client()
    form = {
        "csrf_token": token_of(browser),
        "authenticator": "simple",
        "credential.username": name,
        "credential.password": words,
    }
    return browser, browser.post("/login", data=form)


def session_cookie(answer) -> str:
    found = [one for one in answer.headers.getlist("Set-Cookie") if one.startswith("ijp_session=")]
    assert len(found) == 1
    return found[0]


def test_log_in_sets_a_cookie_that_is_not_the_session(idle):
    _, answer = log_in(idle)
    cookie = session_cookie(answer)
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    value = cookie.split("=", 1)[1].split(";")[0]
    with pytest.raises(NotAuthenticatedError):
        idle.services.catalog.session(value).user_name()
    with Session(idle.services.database) as transaction:
        (row,) = transaction.scalars(select(BrowserSessionRow))
        assert value not in (row.id_hash, str(row.catalog_session_id))
        kept = transaction.scalar(select(CatalogSessionRow))
        assert kept.user_name == "simple/ana"


def test_cookie_is_for_https_only_where_the_portal_is(idle):
    object.__setattr__(idle.services.settings, "public_url", "https://jobs.example.org")
    assert "Secure" in session_cookie(log_in(idle)[1])


def test_wrong_password_logs_nobody_in(idle):
    browser, answer = log_in(idle, words="wrong")
    assert answer.status_code == 401
    assert "ijp_session=" not in str(answer.headers)
    assert browser.get("/jobs").status_code in (302, 303)


def test_unsafe_call_of_a_browser_needs_a_token(idle):
    browser, _ = log_in(idle)
    assert browser.post("/api/v1/jobs", json={"jobType": "tool"}).status_code == 400
    assert browser.post("/logout").status_code == 400
    headers = {"X-CSRFToken": token_of(browser)}
    answer = browser.post("/api/v1/jobs", json={"jobType": "tool"}, headers=headers)
    assert answer.status_code == 201
    assert browser.get("/api/v1/session").json["userName"] == "simple/ana"


def test_program_needs_no_token_and_a_cookie_does_not_speak_for_it(idle):
    headers = {"Authorization": f"Bearer {idle.user('ben').session_id}"}
    browser, _ = log_in(idle)
    answer = browser.post("/api/v1/jobs", json={"jobType": "tool"}, headers=headers)
    assert answer.status_code == 201
    assert answer.json["jobs"][0]["user"] == "simple/ben"
    bad = browser.get("/api/v1/jobs", headers={"Authorization": "Bearer nonsense"})
    assert bad.status_code == 401


def test_form_that_was_sent_after_the_session_had_ended_is_kept(idle):
    """Nothing that was typed is lost."""
    browser, _ = log_in(idle)
    token = token_of(browser)
    with Session(idle.services.database) as transaction:
        row = transaction.scalar(select(CatalogSessionRow))
        idle.services.sessions.kept.open(row.secret).logout()
    idle.services.sessions._verified.clear()
    form = {"csrf_token": token, "Factor": "7", "many": ["a", "b"]}
    answer = browser.post("/run/work?datasets=1", data=form)
    assert answer.status_code == 303
    target = urlsplit(answer.location)
    assert target.path == "/login"
    (draft_id,) = parse_qs(target.query)["draft"]
    ana, ben = (_user(idle, name) for name in ("ana", "ben"))
    assert idle.services.sessions.load_draft(draft_id, ben) is None
    draft = idle.services.sessions.load_draft(draft_id, ana)
    assert draft.path == "/run/work?datasets=1"
    assert draft.form == {"Factor": ["7"], "many": ["a", "b"]}
    assert idle.services.sessions.load_draft(draft_id, ana) is None


def _user(idle, name):
    with idle.app.test_request_context():
        return idle.services.sessions.by_session_id(idle.user(name).session_id)


def test_page_asks_to_log_in_and_comes_back_and_a_program_gets_401(idle):
    browser = idle.app.test_client()
    answer = browser.get("/jobs?state=Failed")
    assert answer.status_code in (302, 303)
    target = urlsplit(answer.location)
    assert parse_qs(target.query)["next"] == ["/jobs?state=Failed"]
    answer = browser.get("/api/v1/jobs")
    assert answer.status_code == 401
    assert answer.json["code"] == "not-authenticated"
    assert "WWW-Authenticate" in answer.headers


def test_logged_out_browser_is_out_and_so_is_its_session(idle):
    browser, _ = log_in(idle)
    with Session(idle.services.database) as transaction:
        session = idle.services.sessions.kept.open(
            transaction.scalar(select(CatalogSessionRow.secret))
        )
    browser.post("/logout", data={"csrf_token": token_of(browser)})
    assert browser.get("/api/v1/session").status_code == 401
    with pytest.raises(NotAuthenticatedError):
        session.user_name()
    with Session(idle.services.database) as transaction:
        assert transaction.scalars(select(CatalogSessionRow)).all() == []
        actions = transaction.scalars(select(Audit.action).order_by(Audit.id)).all()
    assert actions == ["log in", "log out"]


def test_session_that_ends_soon_is_refreshed_for_its_job(idle):
    idle.user().submit("tool")
    user = _user(idle, "ana")
    kept = idle.services.sessions.kept
    lifetime = idle.services.catalog.properties().lifetime_minutes
    kept.refresh(now() - now())
    with Session(idle.services.database) as transaction:
        row = transaction.scalar(select(CatalogSessionRow))
        assert (row.expires_at - now()).total_seconds() / 60 == pytest.approx(lifetime, abs=1)
    assert user.catalog.remaining_minutes() == pytest.approx(lifetime, abs=1)


def test_stored_session_under_a_lost_key_is_an_ended_one(idle):
    idle.user().submit("tool")
    with Session(idle.services.database) as transaction, transaction.begin():
        transaction.execute(update(CatalogSessionRow).values(secret=b"gAAAA-nonsense"))
    with pytest.raises(NotAuthenticatedError):
        idle.services.sessions.kept.of_job(1)


def test_secret_that_others_can_read_stops_the_start(idle):
    path = idle.folder / "secrets" / secret_files.SESSION_KEY
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 0600"):
        secret_files.read(path.parent, path.name)
    with pytest.raises(SettingsError, match="ijpd init"):
        secret_files.read(path.parent, "nosuch")
