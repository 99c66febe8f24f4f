"""What is refused, and that nothing is stored then (B6, B20, security 2, 4, 14, 22)."""

from __future__ import annotations

import threading

import pytest

from ijp.errors import (
    BadRequestError,
    ConflictError,
    NotAuthenticatedError,
    NotAuthorizedError,
    NotFoundError,
    PortalError,
    TooLargeError,
    ValidationFailedError,
)
from ijp.portal import PortalClient
from portal.planning import Request
from portal.sessions import User

pytestmark = pytest.mark.slow


def refused(portal, kind: type[PortalError], *arguments, user="ana", **given) -> PortalError:
    with pytest.raises(kind) as caught:
        portal.user(user).submit(*arguments, **given)
    assert portal.number_of_jobs() == 0
    return caught.value


def test_all_faults_of_a_form_are_told_at_once(idle):
    source = idle.dataset("grey", channels=1)
    options = {"Factor": 11, "Colours": True, "Then": "explode", "Nonsense": 1}
    error = refused(idle, ValidationFailedError, "work", dataset_ids=[source], options=options)
    assert set(error.fields) == {"Factor", "Colours", "Then", "Nonsense"}
    assert "10" in " ".join(error.fields["Factor"])


def test_hidden_option_is_refused_and_an_offered_one_is_not(idle):
    grey, colour = idle.dataset("grey", channels=1), idle.dataset("colour", channels=3)
    error = refused(
        idle, ValidationFailedError, "work", dataset_ids=[grey], options={"Colours": True}
    )
    assert list(error.fields) == ["Colours"]
    (job,) = idle.user().submit("work", dataset_ids=[colour], options={"Colours": True})
    assert "--colours" in job["command"]


@pytest.mark.parametrize("value", ["many", "1e999", "", None, True, [1], {"a": 1}])
def test_value_of_the_wrong_type_is_refused_or_not_given(idle, value):
    source = idle.dataset("one")
    if value in ("", None):
        (job,) = idle.user().submit("work", dataset_ids=[source], options={"Factor": value})
        assert "--factor" not in job["command"]
    else:
        options = {"Factor": value}
        error = refused(idle, BadRequestError, "work", dataset_ids=[source], options=options)
        assert "Factor" in str(error.fields)


def test_foreign_dataset_and_none_are_refused_alike(idle):
    foreign = idle.dataset("hidden", investigation="C")
    one = refused(idle, NotFoundError, "work", dataset_ids=[foreign])
    other = refused(idle, NotFoundError, "work", dataset_ids=[987654])
    assert str(one).replace(str(foreign), "N") == str(other).replace("987654", "N")


def test_dataset_of_a_type_that_is_not_accepted_is_refused(idle):
    other = idle.dataset("other", type="other")
    error = refused(idle, ValidationFailedError, "work", dataset_ids=[other])
    assert "other" in " ".join(error.fields["inputs"])


def test_data_for_a_job_without_data_are_refused(idle):
    source = idle.dataset("one")
    assert "inputs" in refused(idle, ValidationFailedError, "tool", dataset_ids=[source]).fields


def test_no_data_for_a_job_that_needs_them_are_refused(idle):
    assert "inputs" in refused(idle, ValidationFailedError, "work").fields


def test_family_decides_who_may_run(idle):
    refused(idle, NotAuthorizedError, "closed")


def test_unknown_job_type_is_refused(idle):
    assert "'nosuch'" in str(refused(idle, NotFoundError, "nosuch"))


def test_own_arguments_only_where_the_job_type_takes_them(idle):
    source = idle.dataset("one")
    error = refused(idle, ValidationFailedError, "work", dataset_ids=[source], arguments=["-x"])
    assert "arguments" in error.fields


def test_reserved_arguments_are_refused(idle):
    arguments = ["--sessionId=x", "--ijpJobId=7"]
    error = refused(idle, ValidationFailedError, "tool", arguments=arguments)
    assert "--sessionId" in str(error.fields)


def test_several_inputs_need_an_answer_first(idle):
    """req. 107, 108."""
    sources = [idle.dataset(name) for name in ("one", "two", "three")]
    error = refused(idle, ValidationFailedError, "work", dataset_ids=sources)
    assert "3" in " ".join(error.fields["oneJob"])
    many = idle.user().submit("work", dataset_ids=sources, one_job=False)
    one = idle.user().submit("work", dataset_ids=sources, one_job=True)
    assert (len(many), len(one)) == (3, 1)
    assert f"--datasetIds={','.join(map(str, sources))}" in one[0]["command"]


def test_one_job_on_several_investigations_must_be_told_where_results_go(idle):
    sources = [idle.dataset("one"), idle.dataset("two", investigation="B")]
    error = refused(idle, ValidationFailedError, "work", dataset_ids=sources, one_job=True)
    assert list(error.fields) == ["investigationId"]
    chosen = idle.investigation("A")
    (job,) = idle.user().submit("work", dataset_ids=sources, one_job=True, investigation_id=chosen)
    assert job["investigationId"] == chosen
    each = idle.user().submit("work", dataset_ids=sources, one_job=False)
    assert [one["investigationId"] for one in each] == [chosen, idle.investigation("B")]


def test_investigation_that_the_user_cannot_see_is_refused(idle):
    source = idle.dataset("one")
    foreign = idle.investigation("C")
    error = refused(
        idle, ValidationFailedError, "work", dataset_ids=[source], investigation_id=foreign
    )
    assert list(error.fields) == ["investigationId"]


def test_same_key_is_the_same_submission(idle):
    first = idle.user().submit("tool", arguments=["a"], key="k1")
    again = idle.user().submit("tool", arguments=["a"], key="k1")
    assert [one["id"] for one in first] == [one["id"] for one in again]
    with pytest.raises(ConflictError, match="other content"):
        idle.user().submit("tool", arguments=["b"], key="k1")
    (other,) = idle.user("ben").submit("tool", arguments=["a"], key="k1")
    assert other["id"] != first[0]["id"]
    assert idle.number_of_jobs() == 2


def test_same_key_at_the_same_moment_is_the_same_submission(database_url, make_portal):
    portal = make_portal(database_url, dispatcher=False)
    user = by(portal)
    found: list[int] = []
    barrier = threading.Barrier(6)

    def submit() -> None:
        barrier.wait()
        (job,) = portal.services.jobs.submit(user, Request("tool", arguments=("a",), key="k"))
        found.append(job.id)

    threads = [threading.Thread(target=submit) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1
    assert portal.number_of_jobs() == 1


def by(portal, name="ana") -> User:
    with portal.app.test_request_context():
        return portal.services.sessions.by_session_id(portal.user(name).session_id)


def test_changed_job_type_is_refused(idle):
    user = by(idle)
    version = idle.services.definitions.job_types["tool"].version
    idle.services.jobs.submit(user, Request("tool", version=version))
    with pytest.raises(ConflictError, match="has changed"):
        idle.services.jobs.submit(user, Request("tool", version="another"))


def test_quota_is_kept_and_told(make_portal):
    portal = make_portal(dispatcher=False)
    object.__setattr__(portal.services.settings, "jobs_per_user", 2)
    portal.user().submit("tool")
    portal.user().submit("tool")
    with pytest.raises(TooLargeError, match="2 unfinished jobs"):
        portal.user().submit("tool")
    portal.user("ben").submit("tool")


def test_unknown_fields_of_a_submission_are_refused(idle):
    """B20: an executable of the caller's own is not even looked at."""
    client = idle.user()
    with pytest.raises(BadRequestError) as caught:
        client._json("POST", "/jobs", json={"jobType": "tool", "executable": "/bin/sh"})
    assert caught.value.fields == {"executable": ["Unknown field."]}
    assert idle.number_of_jobs() == 0


def test_ended_session_submits_nothing(idle):
    client = PortalClient(idle.url)
    client.login("simple", {"username": "ana", "password": "ana's own words"})
    session_id = client.session_id
    client.logout()
    client.session_id = session_id
    with pytest.raises(NotAuthenticatedError):
        client.submit("tool")
    client.session_id = "no-such-session"
    with pytest.raises(NotAuthenticatedError):
        client.submit("tool")
    assert idle.number_of_jobs() == 0
    client._transport._http.close()


@pytest.mark.slow
def test_thousand_jobs_in_one_call_are_in_the_order_of_their_inputs(database_url, make_portal):
    portal = make_portal(database_url, dispatcher=False)
    one = portal.dataset("d", files={})
    kinds = portal.root.search(
        f"SELECT d.type.id, d.investigation.id FROM Dataset d WHERE d.id={one}"
    )
    values = {"type": {"id": kinds[0][0]}, "investigation": {"id": kinds[0][1]}, "complete": True}
    ids = portal.root.write([{"Dataset": {"name": f"d{n}", **values}} for n in range(1000)])
    user = by(portal)
    jobs = portal.services.jobs.submit(
        user, Request("work", dataset_ids=tuple(ids), one_job=False, options={"Factor": 2})
    )
    assert [one.command[1] for one in jobs] == [f"--datasetIds={id}" for id in ids]
    assert [one.id for one in jobs] == sorted(one.id for one in jobs)
