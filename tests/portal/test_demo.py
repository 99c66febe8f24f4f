"""The demonstration as somebody meets it who types a command (req. 24)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from portal.demo import DemoError, fill_drop_folder
from portal.demo_server import Address
from tests.portal_site import supervised

pytestmark = pytest.mark.slow

IJPD = Path(sys.executable).with_name("ijpd")


@pytest.fixture
def address():
    """An address of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def demo(*words, **options):
    return subprocess.run(
        [IJPD, "demo", *words], capture_output=True, text=True, timeout=60, **options
    )


@pytest.mark.parametrize(
    "text", ["8080", "localhost", "localhost:0", "localhost:x", "a:65536", ":"]
)
def test_address_has_host_and_port(text):
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        Address.parse(text)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("jobs.example.org:8080", "http://jobs.example.org:8080"),
    ],
)
def test_url_is_one_that_can_be_opened(text, url):
    assert Address.parse(text).url == url
    assert Address.parse(text).bind == text


def test_wrong_address_is_wrong_usage(tmp_path):
    done = demo("--bind", "8080", cwd=tmp_path)
    assert done.returncode == 2
    assert "'8080' is not HOST:PORT, such as 127.0.0.1:8080" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_address_in_use_is_told_before_anything_is_made(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        done = demo("--bind", bind, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"Error: cannot listen on {bind}: address already in use; choose another with --bind\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_only_a_demonstration_is_forgotten(tmp_path, address):
    """``--fresh`` on somebody's own folder."""
    (tmp_path / "mine").write_text("precious")
    done = demo("--fresh", "--folder", tmp_path, "--bind", address)
    assert done.returncode == 1
    assert done.stderr == f"Error: {tmp_path} holds no demonstration; it stays as it is\n"
    assert (tmp_path / "mine").read_text() == "precious"


def test_pictures_are_real_and_come_once(tmp_path):
    fill_drop_folder(tmp_path)
    coins = tmp_path / "MAT-2026-3" / "coins.png"
    assert coins.read_bytes().startswith(b"\x89PNG")
    assert len(list(tmp_path.glob("*/*"))) == 12
    coins.write_bytes(b"changed")
    fill_drop_folder(tmp_path)
    assert coins.read_bytes() == b"changed"


def test_missing_picture_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("portal.demo.PICTURES", {"A": ("nosuch.png",)})
    with pytest.raises(DemoError, match=r"ships no picture nosuch\.png"):
        fill_drop_folder(tmp_path)


def members(folder: Path) -> set[int]:
    """Processes with a folder in their command line; jobs, which go on, are left out."""
    found = set()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes()
        except OSError:
            continue
        if f"--folder\0{folder}".encode() in words:
            found.add(int(place.name))
    return found


@pytest.mark.slow
@pytest.mark.end_to_end
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, -9)]
)
def test_server_ends_with_the_demonstration(tmp_path, address, number, code):
    """Ctrl-C, TERM, and even KILL, in the middle of the day."""
    folder = tmp_path / "demo"
    running = subprocess.Popen(
        [IJPD, "demo", "--folder", folder, "--bind", address],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={name: os.environ[name] for name in os.environ if name != "DEMO_ONCE"},
    )
    assert running.stdout is not None
    while "Serving" not in (line := running.stdout.readline()):
        assert line, "it ended"
    assert len(members(folder)) > 1
    running.send_signal(number)
    assert running.wait(30) == code
    running.stdout.close()
    until = time.monotonic() + 20
    while members(folder):
        assert time.monotonic() < until
        time.sleep(0.1)
    Address.parse(address).require_free()
    for job in supervised(folder):  # jobs go on without it; not in a test
        os.kill(job, signal.SIGKILL)
