"""What a job's runner tells the portal, and that nothing goes wrong where it cannot."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from batch.job.report import ENDED, HEADER, STARTED, Reporter

TOKEN = "ijpjob_secret"


@pytest.fixture
def portal():
    """Where reports go; ``got`` has the path, the body and the signature of each."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, json.loads(body), self.headers[HEADER], dict(self.headers)))
            self.send_response(202)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.got = got
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def job_file(tmp_path, portal):
    path = tmp_path / "job.json"
    url = f"http://127.0.0.1:{portal.server_port}/portal/"
    path.write_text(json.dumps({"url": url, "token": TOKEN, "publicId": "01ABC"}))
    return path


def test_report_is_signed_with_the_tokens_hash_and_has_no_token(job_file, portal):
    assert Reporter(str(job_file)).send(STARTED)
    ((path, body, signed, headers),) = portal.got
    assert path == "/portal/api/v1/jobs/01ABC/events"
    assert body["event"] == "started"
    assert abs(body["at"] / 1000 - time.time()) < 60
    key = hashlib.sha256(TOKEN.encode()).hexdigest()
    words = f"01ABC started {body['at']}"
    assert signed == hmac.new(key.encode(), words.encode(), "sha256").hexdigest()
    assert TOKEN not in json.dumps([path, body, headers])


def test_told_is_what_was_there_before_the_program_ran(job_file, portal):
    reporter = Reporter(str(job_file))
    job_file.write_text(json.dumps({"url": "http://127.0.0.1:9", "token": "x", "publicId": "y"}))
    reporter.tell(ENDED, wait_seconds=10)
    assert [(path, body["event"]) for path, body, *_ in portal.got] == [
        ("/portal/api/v1/jobs/01ABC/events", "ended")
    ]


@pytest.mark.parametrize(
    "content", ["", "[]", "{", "{}", '{"url": 7, "token": "x", "publicId": "y"}', "\0"]
)
def test_file_that_is_wrong_is_no_report(tmp_path, content):
    path = tmp_path / "job.json"
    path.write_text(content)
    reporter = Reporter(str(path))
    reporter.tell(STARTED, wait_seconds=5)
    assert not reporter.send(STARTED)


def test_link_is_not_followed(job_file, portal, tmp_path):
    link = tmp_path / "link.json"
    link.symlink_to(job_file)
    assert not Reporter(str(link)).send(STARTED)
    assert portal.got == []


def test_no_file_is_no_report(portal):
    Reporter("").tell(STARTED, wait_seconds=5)
    assert not Reporter("/no/such/file").send(STARTED)
    assert portal.got == []


def test_portal_that_is_away_is_no_error(job_file, portal):
    known = json.loads(job_file.read_text())
    job_file.write_text(json.dumps(known | {"url": "http://127.0.0.1:9"}))
    assert not Reporter(str(job_file)).send(ENDED)
