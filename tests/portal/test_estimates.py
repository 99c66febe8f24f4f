"""Where jobs would go and when they would be done: told by the form, the interface and the job."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from batch.engine import Node
from ijp.cli.main import ijp
from ijp.errors import ValidationFailedError
from portal import engine_facts, estimates, following
from portal.model import JobRow, NodeRow, NodeSourceRow
from portal.moments import now
from portal.states import State
from servicekit.database import writing
from tests.portal.test_batches import form_of
from tests.portal.test_several_engines import with_second
from tests.portal_site import running, with_own_facility

pytestmark = pytest.mark.slow

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def nothing_remembered():
    """Let no answer be as old as the test before."""
    estimates._facts.forget()
    estimates._runs.forget()


@pytest.fixture
def two(installation_to_copy, tmp_path):
    """A portal with two engines and no dispatcher."""
    with running(with_second(installation_to_copy, tmp_path / "two"), dispatcher=False) as portal:
        yield portal


def remember(portal, engine, *nodes):
    """Keep hosts as the dispatcher would."""
    with Session(writing(portal.services.database)) as transaction, transaction.begin():
        for node in nodes:
            told = asdict(node)
            transaction.merge(
                NodeRow(engine=engine, name=node.name, told=told, told_at=now(), measured={})
            )
    estimates._facts.forget()


def node(name="n", slots=16, used=0, memory_mib=64_000, online=True):
    bytes = memory_mib * MIB
    return Node(name=name, online=online, slots=slots, slots_used=used, memory_bytes=bytes)


def change(portal, **values):
    with Session(writing(portal.services.database)) as transaction, transaction.begin():
        transaction.execute(update(JobRow).values(**values))
    estimates._facts.forget()
    estimates._runs.forget()


def ran(portal, *seconds, engine="local", sizes=()):
    """Have jobs of the type ``tool`` completed that ran so long."""
    jobs = [portal.user().submit("tool")[0] for _ in seconds]
    for place, (job, length) in enumerate(zip(jobs, seconds, strict=True)):
        with Session(writing(portal.services.database)) as transaction, transaction.begin():
            row = transaction.get_one(JobRow, job["id"])
            row.state, row.engine = State.COMPLETED, engine
            row.started_at, row.ended_at = now() - timedelta(seconds=length), now()
            row.input_bytes = sizes[place] if sizes else None
    estimates._runs.forget()


def estimate(portal, job_type="tool", **asked):
    answer = portal.user()._json("POST", f"/job-types/{job_type}/estimate", json=asked)
    return dict(answer)


def test_no_earlier_runs_are_told_as_such(idle):
    found = estimate(idle)
    assert (found["words"], found["runs"]) == ("no earlier runs", 0)
    assert found["minutes"] is found["runMinutes"] is None
    assert (found["engine"], found["reason"], found["fault"]) == ("local", "", "")


def test_measured_runs_of_the_type_tell_how_long_it_takes(idle):
    ran(idle, 120, 180, 600)
    found = estimate(idle)
    assert found["words"] == "about 3 min (median of 3 earlier runs, 2 min to 10 min)"
    assert found["runMinutes"] == pytest.approx(3, rel=0.01)
    assert found["minutes"] is None, "nothing was heard of the engine"
    remember(idle, "local", node(slots=1, used=1))
    assert estimate(idle)["minutes"] == pytest.approx(4.5, rel=0.01)
    assert estimate(idle, "told")["words"] == "no earlier runs"


def test_size_of_the_inputs_counts_where_it_explains_the_runs(idle):
    first = idle.dataset("small", files={"a.bin": b"x" * 1000, "b.bin": b"y" * 500})
    (job,) = idle.user().submit("work", dataset_ids=[first])
    with Session(idle.services.database) as transaction:
        assert transaction.get_one(JobRow, job["id"]).input_bytes == 1500
    (other,) = idle.user().submit("tool")
    with Session(idle.services.database) as transaction:
        assert transaction.get_one(JobRow, other["id"]).input_bytes is None
    sizes = [100, 200, 400, 800, 1600, 3200]
    ran(idle, *(60 + one for one in sizes), sizes=sizes)
    change(idle, job_type="work")
    found = estimate(idle, "work", datasetIds=[first])
    assert found["words"].startswith("about 26 min (by the size of the data and 6 earlier runs")


def test_jobs_go_to_the_better_engine_and_say_why(two):
    remember(two, "local", node(slots=4, used=4))
    remember(two, "second", node(slots=8, used=2))
    form = two.user().form("tool")["estimate"]
    assert form["engine"] == "second"
    assert form["reason"] == "6 of 8 cores free; local: 0 of 4 cores free"
    assert [one["name"] for one in form["engines"]] == ["second", "local"]
    (job,) = two.user().submit("tool")
    assert (job["engine"], job["engineReason"]) == ("second", form["reason"])
    page = two.browser().get(f"/jobs/{job['id']}").get_data(as_text=True)
    assert "second (6 of 8 cores free; local: 0 of 4 cores free)" in page


def test_engine_can_be_chosen_and_only_one_that_is_there(two):
    remember(two, "second", node(slots=8))
    (job,) = two.user().submit("tool", engine="local")
    assert (job["engine"], job["engineReason"]) == ("local", "as you chose")
    (best,) = two.user().submit("tool", engine="best")
    assert best["engine"] in ("local", "second")
    with pytest.raises(ValidationFailedError, match="no engine 'third'") as refusal:
        two.user().submit("tool", engine="third")
    assert list(refusal.value.fields) == ["engine"]
    faults = two.user().form("tool", engine="third")["faults"]
    assert "no engine 'third'" in faults["engine"][0]


def test_same_key_with_another_engine_is_another_request(two):
    (job,) = two.user().submit("tool", engine="local", key="one")
    assert two.user().submit("tool", engine="local", key="one")[0]["id"] == job["id"]
    with pytest.raises(Exception, match="other content"):
        two.user().submit("tool", engine="second", key="one")


def test_jobs_of_a_batch_file_go_to_one_engine_that_is_told_before(two):
    remember(two, "local", node(slots=4, used=4))
    remember(two, "second", node(slots=8))
    content = b"arguments\nsteps 0\nsteps 1\n"
    browser = two.browser()
    form = {**form_of(browser, "/batch/tool"), "text": content.decode(), "intent": "look"}
    page = browser.post("/batch/tool", data=form).get_data(as_text=True)
    assert "<b>second</b>: 8 of 8 cores free; local: 0 of 4 cores free" in page
    for asked, engine in ((None, "second"), ("local", "local")):
        made = two.user().submit_batch("tool", content, engine=asked)
        jobs = [two.user().job(id) for id in made["jobIds"]]
        assert [one["engine"] for one in jobs] == [engine] * 2
    with pytest.raises(ValidationFailedError, match="no engine 'third'"):
        two.user().submit_batch("tool", content, engine="third")


def test_job_that_fits_nowhere_is_refused_with_all_reasons(two):
    for name in ("local", "second"):
        remember(two, name, node(memory_mib=10))
    with pytest.raises(ValidationFailedError, match="no batch engine can run this") as refusal:
        two.user().submit("hungry")
    assert "second: no node has 1 core and" in refusal.value.message


def test_form_offers_engines_only_where_there_are_several(two, idle):
    remember(two, "second", node())
    page = two.browser().get("/run/tool").get_data(as_text=True)
    assert '<option value="second">' in page
    assert '<option value="best" selected>' in page
    assert "16 of 16 cores free" in page
    plain = idle.browser().get("/run/tool").get_data(as_text=True)
    assert 'name="engine"' not in plain
    assert "no earlier runs" in plain


def test_what_is_known_of_engines_is_from_the_database(two):
    remember(two, "second", node("a", 8, 3), node("b", 4, 0, online=False), node("c", 2, 2))
    two.user().submit("tool", engine="second")
    facts = engine_facts.read(two.services.database, two.services.engines)
    assert facts["local"] == engine_facts.facts_of([], answers=True, running=0, waiting=0)
    second = facts["second"]
    assert (second.slots, second.slots_used, second.waiting) == (10, 5, 1)
    assert [one.cores for one in second.shapes] == [2, 4, 8]
    remember(two, "second", node("a", 8), node("c", 2))
    change(two, state=State.EXECUTING)
    facts = engine_facts.read(two.services.database, two.services.engines)
    assert (facts["second"].waiting, facts["second"].running) == (0, 1)
    assert facts["second"].slots_used == 1, "hosts were looked at before it began"


def test_engine_that_does_not_answer_is_known_by_its_jobs_and_by_who_asks_for_hosts(two):
    found = two.services
    two.user().submit("tool", engine="second")
    change(two, state=State.UNKNOWN, reason=following.silence_of(found.engines, "second"))
    facts = engine_facts.read(found.database, found.engines)
    assert (facts["local"].answers, facts["second"].answers) == (True, False)
    with Session(writing(found.database)) as transaction, transaction.begin():
        transaction.execute(insert(NodeSourceRow).values(name="batch system local", fault="x"))
    facts = engine_facts.read(found.database, found.engines)
    assert not facts["local"].answers


def test_old_news_count_for_nothing(two):
    remember(two, "second", node())
    with Session(writing(two.services.database)) as transaction, transaction.begin():
        transaction.execute(update(NodeRow).values(told_at=now() - timedelta(hours=1)))
    facts = engine_facts.read(two.services.database, two.services.engines)
    assert facts["second"].slots is None


def test_job_type_has_its_wish(installation_to_copy, tmp_path):
    folder = with_second(installation_to_copy, tmp_path / "two")
    with_own_facility(folder)
    file = folder / "facility" / "job_types" / "hungry.xml"
    file.write_text(file.read_text().replace("<resources ", '<resources engine="second" '))
    with running(folder, dispatcher=False) as portal:
        remember(portal, "local", node())
        found = portal.user().form("hungry")["estimate"]
        assert found["engine"] == "second"
        assert found["reason"] == "as the job type wishes; local: 16 of 16 cores free"
        assert portal.user().job_type("hungry")["resources"]["engine"] == "second"
        remember(portal, "second", node(memory_mib=10))
        found = portal.user().form("hungry")["estimate"]
        assert found["engine"] == "local"
        assert found["reason"].startswith("not second as the job type wishes: no node has 1 core")


def test_command_chooses_an_engine_and_tells_where_jobs_go(two, tmp_path):
    remember(two, "local", node(slots=4))
    remember(two, "second", node())
    two.user().submit("tool", engine="local")
    environment = {"IJP_CONFIG": str(tmp_path), "IJP_PORTAL": two.url}
    environment["IJP_SESSION"] = two.user().session_id

    def run(*words):
        done = CliRunner().invoke(ijp, [str(one) for one in words], env=environment)
        assert done.exit_code == 0, (done.stdout, done.stderr)
        return done

    dry = run("submit", "tool", "--dry-run")
    assert dry.stderr == (
        "each runs: no earlier runs\n"
        "goes to second: 16 of 16 cores free; local: 4 of 4 cores free, 1 job waits\n"
    )
    number = run("submit", "tool", "--engine", "local").stdout.strip()
    assert "  engine     local: as you chose: 4 of 4 cores free" in run("status", number).stdout
    rows = tmp_path / "rows.csv"
    rows.write_text("arguments\nsteps 0\nsteps 1\n")
    run("submit", "tool", "--array", rows, "--engine", "local")
    assert two.user().jobs()["jobs"][0]["engineReason"].startswith("as you chose")
    refused = CliRunner().invoke(ijp, ["submit", "tool", "--engine", "third"], env=environment)
    assert "there is no engine 'third' (there is: local, second)" in refused.stderr


def test_jobs_go_where_their_files_lie(installation_to_copy, tmp_path):
    folder = with_second(installation_to_copy, tmp_path / "two")
    settings_file = folder / "ijp.toml"
    with running(folder, dispatcher=False) as portal:
        dataset = portal.dataset("one", files={"a.bin": b"x", "b.bin": b"y"})
        query = f"SELECT f.location FROM Datafile f WHERE f.dataset.id = {dataset}"
        locations = portal.root.search(query)
    # the beginning of one of the two that the other has not
    mine, other = locations
    text = f'[portal.engines.second]\nnear = ["{mine}", "no/such_%"]'
    settings_file.write_text(settings_file.read_text().replace("[portal.engines.second]", text, 1))
    assert not other.startswith(mine)
    with running(folder, dispatcher=False) as portal:
        found = portal.user().form("work", dataset_ids=[dataset])["estimate"]
        assert found["engine"] == "second"
        assert found["reason"].startswith("50 % of the data lie near")
        assert portal.user().form("tool")["estimate"]["engine"] == "local"


def test_history_is_the_last_runs_that_completed(idle):
    ran(idle, 10, 20, 30)
    idle.user().submit("tool")
    found = estimates.history(idle.services.database, "tool", idle.services.engines)
    assert [round(one.seconds) for one in found] == [30, 20, 10]
    assert estimates.history(idle.services.database, "work", idle.services.engines) == []


def test_rows_keep_the_default_engine_without_a_reason_where_there_is_no_choice(idle):
    idle.user().submit("tool")
    with Session(idle.services.database) as transaction:
        row = transaction.scalars(select(JobRow)).one()
        assert (row.engine, row.engine_reason) == ("local", "")
