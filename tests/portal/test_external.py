"""Jobs that were submitted outside of the portal are shown to whom they belong, and only shown."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from marshmallow import ValidationError

from batch.engine import Capability, EngineState, ForeignJob, JobStatus
from ijp.errors import NotAuthorizedError
from portal.external import External, ExternalSchema, ExternalSettings, of_user
from portal.states import State

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SETTINGS = ExternalSettings({"aschmidt": "simple/ana", "aschmi2": "simple/ana"}, most=3)


class Listed:
    """What a batch system lists anyway."""

    def __init__(self, *jobs):
        self.jobs, self.capabilities = jobs, frozenset({Capability.OTHERS})

    def others(self):
        return list(self.jobs)


def foreign(number, state=EngineState.RUNNING, name="by hand", owner="aschmidt"):
    status = JobStatus(state=state, started=AT, node="n1")
    return ForeignJob(
        native_id=number, name=name, owner=owner, queue="short", status=status, submitted=AT
    )


def look(engine, *jobs, settings=SETTINGS, name="slurm"):
    External(engine, name, Listed(*jobs), settings).look()


def seen(engine, user="simple/ana", *, everybody=False):
    return [one.native_id for one in of_user(engine, SETTINGS, user, everybody=everybody)]


def test_users_see_those_of_their_accounts_and_administrators_all(engine_of):
    engine = engine_of("portal")
    look(engine, foreign("1"), foreign("2", owner="aschmi2"), foreign("3", owner="root"))
    assert seen(engine) == ["2", "1"]
    assert seen(engine, "simple/ben") == []
    assert seen(engine, "simple/ben", everybody=True) == ["3", "2", "1"]
    (one,) = (
        x for x in of_user(engine, SETTINGS, "simple/ana", everybody=False) if x.native_id == "1"
    )
    assert (one.name, one.state, one.queue, one.account) == (
        "by hand",
        State.EXECUTING,
        "short",
        "aschmidt",
    )
    assert (one.submitted_at, one.started_at, one.node) == (AT, AT, "n1")


def test_what_is_gone_or_has_ended_is_not_shown_any_more(engine_of):
    engine = engine_of("portal")
    look(engine, foreign("1"), foreign("2", EngineState.QUEUED), foreign("9"))
    look(engine, foreign("1"), name="other")
    look(engine, foreign("1", EngineState.ENDED), foreign("2", EngineState.HELD))
    found = of_user(engine, SETTINGS, "simple/ana", everybody=False)
    assert [(one.engine, one.native_id, one.state) for one in found] == [
        ("other", "1", State.EXECUTING),
        ("slurm", "2", State.HELD),
    ]


def test_number_that_is_kept_is_bounded(engine_of):
    engine = engine_of("portal")
    look(engine, *(foreign(str(number)) for number in range(10)))
    assert seen(engine) == ["2", "1", "0"]


def test_hostile_names_are_text_in_one_line(engine_of):
    engine = engine_of("portal")
    name = "<script>\x1b[2J\n" + "x" * 1000 + "\u202e"
    look(engine, foreign("1", name=name), foreign("2", name="\x00"))
    names = {
        one.native_id: one.name for one in of_user(engine, SETTINGS, "simple/ana", everybody=False)
    }
    assert names["1"].startswith("<script> [2J xxx")
    assert len(names["1"]) == 255
    assert names["2"] == ""


def test_without_settings_nothing_is_asked_or_kept(engine_of, monkeypatch):
    engine = engine_of("portal")
    monkeypatch.setattr(Listed, "others", lambda self: pytest.fail("it is asked"))
    look(engine, foreign("1"), settings=None)
    assert of_user(engine, None, "simple/ana", everybody=True) == []


@pytest.mark.parametrize("wrong", [{"most": 0}, {"accounts": {"a": ""}}, {"acounts": {}}])
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValidationError):
        ExternalSchema().load(wrong)


@pytest.mark.slow
def test_list_and_interface_show_them_as_external(idle):
    object.__setattr__(idle.services.settings, "external_jobs", SETTINGS)
    look(idle.services.database, foreign("17", name="<b>bold</b>"), foreign("18", owner="root"))
    page = idle.browser().get("/jobs").text
    assert "External" in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert "<b>bold</b>" not in page
    assert "External" not in idle.browser("ben").get("/jobs").text
    (one,) = idle.user().external_jobs()
    assert (one["nativeId"], one["user"], one["state"]) == ("17", "simple/ana", "Executing")
    with pytest.raises(NotAuthorizedError):
        idle.user().external_jobs(everybody=True)
