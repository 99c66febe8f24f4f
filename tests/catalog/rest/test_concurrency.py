"""Requests of many threads: nothing is lost, nothing is stored twice, readers do not wait."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import text, update

from catalog.model import LoginAttempts
from servicekit import database


def _together(number: int, call):
    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(call, range(number)))


def test_one_of_many_that_create_the_same_key_succeeds(app, root, dataset_body):
    body = {"Dataset": dataset_body("a")}
    answers = _together(8, lambda _: root.post(body))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 7}
    refused = [answer.json["code"] for answer in answers if answer.status_code != 200]
    assert set(refused) == {"OBJECT_ALREADY_EXISTS"}
    assert root.search("SELECT COUNT(d) FROM Dataset d") == [1]


def test_of_many_that_delete_the_same_tree_one_succeeds(root, dataset_body):
    body = dataset_body("a", datafiles=[{"name": f"f{n}"} for n in range(20)])
    target = {"Dataset": {"id": root.create("Dataset", **body)}}
    answers = _together(6, lambda _: root.delete(target))
    assert Counter(answer.status_code for answer in answers) == {204: 1, 404: 5}
    assert {answer.json["code"] for answer in answers if answer.json} == {"NO_SUCH_OBJECT_FOUND"}
    assert root.search("SELECT COUNT(f) FROM Datafile f") == [0]


def test_those_who_delete_in_different_orders_do_not_wait_for_each_other(
    root, places, make_dataset
):
    investigation = {"Investigation": {"id": places["investigation"]}}
    datasets = [{"Dataset": {"id": make_dataset(f"d{n}")}} for n in range(20)]
    wanted = [investigation, *datasets]
    answers = _together(4, lambda n: root.delete(wanted if n % 2 else wanted[::-1]))
    assert Counter(answer.status_code for answer in answers) == {204: 1, 404: 3}
    assert root.search("SELECT COUNT(d) FROM Dataset d") == [0]


def test_a_member_of_what_is_being_deleted_is_stored_or_refused(root, make_dataset):
    for number in range(5):
        dataset = {"id": make_dataset(f"d{number}")}
        calls = [
            partial(root.delete, {"Dataset": dataset}),
            partial(root.post, [{"Datafile": {"name": "f", "dataset": dataset}}]),
        ]
        deleted, stored = _together(2, lambda n, calls=calls: calls[n]())
        assert deleted.status_code == 204
        assert stored.status_code in (200, 404)
    assert root.search("SELECT COUNT(f) FROM Datafile f") == [0]


def test_many_write_and_search_at_once(root, dataset_body):
    def work(number: int) -> int:
        for part in range(3):
            root.create("Dataset", **dataset_body(f"d{number}-{part}"))
        return len(root.search("Dataset"))

    seen = _together(8, work)
    assert all(3 <= number <= 24 for number in seen)
    assert root.search("SELECT COUNT(d) FROM Dataset d") == [24]


def test_right_log_ins_at_once_all_succeed(rest):
    sessions = _together(
        12, lambda _: rest.login("simple", username="ana", password="ana-pass").session_id
    )
    assert len(set(sessions)) == 12


def test_wrong_log_ins_at_once_are_all_counted(rest):
    form = {"json": '{"plugin":"simple","credentials":[{"username":"x"},{"password":"y"}]}'}
    answers = _together(10, lambda _: rest.http.post("/icat/session", data=form))
    assert {answer.status_code for answer in answers} == {403}
    last = rest.http.post("/icat/session", data=form)
    assert last.json["message"].startswith("too many failed log-ins")


def test_of_many_guesses_at_once_after_waiting_one_is_tried(app, rest):
    form = {"json": '{"plugin":"simple","credentials":[{"username":"x"},{"password":"y"}]}'}
    for _ in range(9):
        rest.http.post("/icat/session", data=form)
    with app.extensions["catalog"].transactions.writing() as connection:
        an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
        connection.execute(update(LoginAttempts).values(failures=9, last_failure=an_hour_ago))
    answers = _together(10, lambda _: rest.http.post("/icat/session", data=form))
    messages = [answer.json["message"] for answer in answers]
    assert messages.count("The username and password do not match") == 1
    assert sum(one.startswith("too many failed log-ins as simple/x") for one in messages) == 9


def test_reading_requests_do_not_wait_for_a_writer(app, root):
    engine = app.extensions["catalog"].transactions.engine
    done = []

    def read() -> None:
        root.search("Facility")
        root.call("GET", "/session/me")
        root.call("GET", "/properties")
        done.append(True)

    with database.writing(engine).begin() as connection:
        connection.exec_driver_sql("UPDATE login_attempts SET failures = 0")
        reader = threading.Thread(target=read)
        reader.start()
        reader.join(timeout=10)
        assert done == [True]
    reader.join()


def test_a_request_that_is_refused_takes_no_lock(app, rest):
    engine = app.extensions["catalog"].transactions.engine
    with database.writing(engine).begin() as connection:
        connection.exec_driver_sql("UPDATE login_attempts SET failures = 0")
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(rest.post, [{"Facility": {"name": "F"}}]).result(timeout=10)
    assert answer.status_code == 403


@pytest.mark.parametrize("migrated_url", ["postgresql"], indirect=True)
def test_a_search_ends_well_though_its_session_ends_meanwhile(app, root, ana, make_dataset):
    make_dataset("d")
    root.create("Rule", what="Dataset", crudFlags="R")
    engine = app.extensions["catalog"].transactions.engine
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            connection.exec_driver_sql("LOCK TABLE dataset IN ACCESS EXCLUSIVE MODE")
            searching = pool.submit(ana.search, "SELECT d.name FROM Dataset d")
            _await_waiting(engine)
            assert ana.call("DELETE", "/session/me").status_code == 204
        assert searching.result(timeout=20) == ["d"]
    answer = ana.call("GET", "/entityManager", query_string={"query": "Dataset"})
    assert (answer.status_code, answer.json["code"]) == (403, "SESSION")


def _await_waiting(engine) -> None:
    """Until some statement waits for a lock."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with engine.connect() as connection:
            if connection.scalar(waiting):
                return
        time.sleep(0.02)
    raise AssertionError("nothing waits")
