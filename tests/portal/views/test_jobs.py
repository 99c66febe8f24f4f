from __future__ import annotations

from datetime import timedelta

import pytest

from portal.job_list import life_of
from portal.job_record import JobRecord
from portal.moments import now
from portal.states import State

pytestmark = pytest.mark.slow


def _record(**values: object) -> JobRecord:
    fields = {
        "id": 1,
        "public_id": "0" * 26,
        "name": "x",
        "job_type": "x",
        "job_type_version": "v",
        "user_name": "simple/ana",
        "state": State.COMPLETED,
        "reason": "",
        "submitted_at": now() - timedelta(seconds=100),
        "command": (),
        "arguments": (),
        "options": {},
    }
    return JobRecord(**{**fields, **values})  # type: ignore[arg-type]


def test_a_life_is_waiting_and_running():
    submitted = now() - timedelta(seconds=100)
    job = _record(
        submitted_at=submitted,
        started_at=submitted + timedelta(seconds=25),
        ended_at=submitted + timedelta(seconds=100),
    )
    life = life_of(job)
    assert [(part.kind, part.start, part.width) for part in life.parts] == [
        ("waiting", 0, 25),
        ("good", 25, 75),
    ]
    assert life.text == "waited 25 s, ran 1 min 15 s"


def test_a_life_without_a_start_is_waiting_only():
    assert life_of(_record(state=State.QUEUED)).text == "waited 1 min 40 s"


def test_unchanged_rows_are_not_sent_again(portal):
    browser = portal.browser()
    first = browser.get("/jobs/rows")
    again = browser.get("/jobs/rows", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_a_script_without_a_session_is_told_so_and_not_led_away(portal):
    browser = portal.app.test_client()
    answer = browser.get("/jobs/rows", headers={"X-Fragment": "1"})
    assert (answer.status_code, answer.json["code"]) == (401, "not-authenticated")
    assert browser.get("/jobs").headers["Location"] == "/login?next=%2Fjobs"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/jobs?state=strange", "strange"),
        ("/jobs/x?tab=strange", "no job x"),
        ("/jobs/9999999999999999999999", "no job"),
        ("/nothing", "There is nothing here"),
    ],
)
def test_error_pages_name_the_thing_and_the_number(portal, path, words):
    answer = portal.browser().get(path)
    assert answer.status_code in (400, 404)
    assert words in answer.text
    assert answer.headers["X-Request-Id"] in answer.text
    assert "Traceback" not in answer.text


def test_a_hostile_name_stays_text(portal):
    answer = portal.browser().get("/jobs?text=%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;" in answer.text
