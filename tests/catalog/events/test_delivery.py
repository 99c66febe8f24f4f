"""Webhooks are told of everything, in order, whatever happens to them or to us."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from catalog import app as catalog_app
from catalog import settings
from catalog.events.delivery import Delivery, Pace
from catalog.events.sending import sender_for
from catalog.events.settings import Webhook
from catalog.events.turn import turn

pytestmark = pytest.mark.slow

KEY = b"k" * 32
FAST = Pace(look=0.02, after_fault=0.05, first_wait=0.02, longest_wait=0.2, tidy=0.1)

_RUN = """
import sys, threading
from pathlib import Path
from catalog import settings
from catalog.events.delivery import Delivery, Pace
from catalog.events.sending import sender_for
from servicekit import database
given = settings.read(Path(sys.argv[1]))
engine = database.engine_for(given.database_url, "catalog")
pace = Pace(look=0.02, after_fault=0.05, first_wait=0.02, longest_wait=0.2, tidy=0.1)
for one in given.webhooks:
    sender = sender_for(one, given.path, None)
    Delivery(engine, sender, given.webhooks, given.most_waiting_events, pace)
print("begins", flush=True)
threading.Event().wait()
"""


@pytest.fixture
def deliver(settings_file: Path, engine_of) -> Iterator[Callable[[], list[Delivery]]]:
    """Begins to deliver as the settings say, in this process."""
    begun: list[Delivery] = []

    def deliver() -> list[Delivery]:
        given = settings.read(settings_file)
        for one in given.webhooks:
            sender = sender_for(one, given.path, given.public_url)
            most = given.most_waiting_events
            begun.append(Delivery(engine_of("catalog"), sender, given.webhooks, most, FAST))
        return begun

    yield deliver
    for one in begun:
        one.stop()


def _studies(root, number: int) -> list[int]:
    return root.write(*({"Study": {"name": f"s{place}"}} for place in range(number)))


def test_a_webhook_is_told_and_what_it_knows_is_removed(root, receiver, deliver, until, waiting):
    ids = _studies(root, 250)
    deliver()
    until(lambda: waiting() == [])
    assert receiver.told() == [("Study", "C", id) for id in ids]


def test_an_event_is_a_signed_cloud_event(root, receiver, deliver, until, settings_file):
    text = settings_file.read_text()
    url = 'public_url = "https://ijp.example.org"\n[catalog]'
    settings_file.write_text(text.replace("[catalog]", url, 1))
    (study,) = _studies(root, 1)
    deliver()
    until(lambda: len(receiver.requests) == 1)
    headers, body = receiver.requests[0]
    event = json.loads(body)
    assert event["time"].endswith("Z")
    assert event == {
        "specversion": "1.0",
        "id": headers["webhook-id"],
        "source": "https://ijp.example.org/icat",
        "type": "org.icatproject.entity.created",
        "subject": f"Study/{study}",
        "time": event["time"],
        "datacontenttype": "application/json",
        "data": {"entity": "Study", "operation": "C", "id": study},
    }
    assert headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    signature = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{signature}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 300
    assert "Authorization" not in headers


@pytest.mark.parametrize("status", [500, 503, 400, 302])
def test_what_is_not_taken_is_sent_again_with_the_same_id(
    root, receiver, deliver, until, waiting, status
):
    answers = iter([status, status])
    receiver.answer = lambda _event: next(answers, 204)
    (study,) = _studies(root, 1)
    deliver()
    until(lambda: waiting() == [])
    assert receiver.told() == [("Study", "C", study)]
    assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == 1
    assert len(receiver.requests) == 3


def test_an_answer_that_does_not_come_is_not_waited_for(
    root, receiver, settings_file, deliver, until, waiting
):
    text = settings_file.read_text()
    settings_file.write_text(text.replace("timeout_seconds = 30", "timeout_seconds = 0.5"))
    answers = iter([None, None])
    receiver.answer = lambda _event: next(answers, 204)
    (study,) = _studies(root, 1)
    deliver()
    until(lambda: waiting() == [])
    assert ("Study", "C", study) in receiver.told()
    assert len(receiver.requests) >= 3


def test_nothing_is_lost_while_the_receiver_is_down(root, receiver, deliver, until, waiting):
    receiver.stop()
    (delivery,) = deliver()
    ids = _studies(root, 20)
    until(lambda: delivery._whole.failures >= 2)
    assert len(waiting()) == 20
    receiver.start()
    until(lambda: waiting() == [])
    assert sorted(receiver.told()) == [("Study", "C", id) for id in ids]


def test_changes_of_one_entity_never_overtake_each_other(root, receiver, deliver, until, waiting):
    unsteady = random.Random(1)
    receiver.answer = lambda _event: 204 if unsteady.random() < 0.5 else 500
    ids = _studies(root, 10)
    deliver()
    for round in range(3):
        root.write(*({"Study": {"id": id, "name": f"r{round} {id}"}} for id in ids))
    until(lambda: waiting() == [])
    for id in ids:
        assert [one[1] for one in receiver.told() if one[2] == id] == ["C", "U", "U", "U"]


def test_events_that_are_never_taken_do_not_stop_others(root, receiver, deliver, until, waiting):
    ids = _studies(root, 30)
    receiver.answer = lambda event: 400 if event["data"]["id"] in ids[:8] else 204
    deliver()
    until(lambda: [one[2] for one in waiting()] == ids[:8])
    assert [one[2] for one in receiver.told()] == ids[8:]


def test_each_webhook_gets_what_it_wants(
    root, receiver, settings_file, deliver, until, waiting, places
):
    settings_file.write_text(
        settings_file.read_text()
        + f"""
[[catalog.webhooks]]
name = "other"
url = "{receiver.url}?other"
secret_file = "webhook.secret"
entities = ["Facility"]
"""
    )
    _studies(root, 3)
    deliver()
    until(lambda: waiting() == [])
    assert sorted(one[0] for one in receiver.told()) == ["Facility"] * 2 + ["Study"] * 3


def test_what_one_webhook_does_not_take_waits_for_it_alone(
    root, receiver, settings_file, deliver, until, waiting
):
    settings_file.write_text(
        settings_file.read_text()
        + """
[[catalog.webhooks]]
name = "down"
url = "http://127.0.0.1:1/"
secret_file = "webhook.secret"
"""
    )
    ids = _studies(root, 3)
    _, down = deliver()
    until(lambda: len(receiver.taken) == 3 and down._whole.failures + len(down._single) > 2)
    assert [one[2] for one in waiting()] == ids
    assert len(receiver.requests) == 3


def test_the_oldest_are_given_up_beyond_the_cap_and_the_log_says_so(
    root, receiver, settings_file, deliver, until, waiting, caplog
):
    text = settings_file.read_text()
    settings_file.write_text(text.replace("[catalog]", "[catalog]\nmost_waiting_events = 5", 1))
    receiver.stop()
    ids = _studies(root, 12)
    deliver()
    until(lambda: len(waiting()) == 5)
    assert [one[2] for one in waiting()] == ids[-5:]
    until(lambda: "more than 5 change events waited for webhooks: the oldest 7" in caplog.text)


def test_only_one_has_the_turn_until_it_ends(engine_of):
    engine: Engine = engine_of("catalog")
    with turn(engine, "index") as first, turn(engine, "index") as second:
        assert first is not None
        assert second is None
        with turn(engine, "other") as other:
            assert other is not None
    with turn(engine, "index") as again:
        assert again is not None


def test_neither_log_nor_repr_has_the_secret_or_the_address(
    root, receiver, settings_file, deliver, until, caplog
):
    settings_file.write_text(settings_file.read_text().replace("/hook", "/hook?key=hidden"))
    receiver.stop()
    _studies(root, 1)
    (delivery,) = deliver()
    until(lambda: "did not take event" in caplog.text)
    assert "hidden" not in caplog.text
    assert "kkk" not in repr(delivery._sender)


def _begin(settings_file: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _RUN, str(settings_file)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert running.stdout.readline() == "begins\n"
    return running


def test_processes_that_are_killed_at_any_moment_lose_nothing(
    root, receiver, settings_file, until, waiting
):
    unsteady = random.Random(2)
    receiver.answer = lambda _event: 204 if unsteady.random() < 0.9 else 500
    ids = _studies(root, 40)
    for round in range(4):
        running = [_begin(settings_file), _begin(settings_file)]
        root.write(*({"Study": {"id": id, "name": f"r{round} {id}"}} for id in ids))
        time.sleep(unsteady.uniform(0, 0.3))
        for one in running:
            os.kill(one.pid, signal.SIGKILL)
            one.communicate()
    last = _begin(settings_file)
    until(lambda: waiting() == [])
    last.kill()
    last.communicate()
    unique = list({one["id"]: one for one in receiver.taken}.values())
    for id in ids:
        told = [one["data"]["operation"] for one in unique if one["data"]["id"] == id]
        assert told == ["C", "U", "U", "U", "U"]


def test_the_service_delivers_beside_its_requests(root, receiver, settings_file, until, waiting):
    (study,) = _studies(root, 1)
    background = catalog_app.service.background(settings_file, None)
    try:
        until(lambda: waiting() == [])
    finally:
        background.stop()
    assert receiver.told() == [("Study", "C", study)]


def test_a_webhook_wants_everything_unless_it_says_what() -> None:
    every = Webhook("a", "http://a", "a", frozenset(), 1.0)
    some = Webhook("a", "http://a", "a", frozenset({"Study"}), 1.0)
    assert every.wants("Dataset")
    assert some.wants("Study")
    assert not some.wants("Dataset")
