"""What node_exporter says of its host, and what somebody else might."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch.monitoring import node_exporter
from ijp.errors import UnavailableError

PLACE = Path(__file__).parents[1] / "captures/monitoring/node_exporter-1.5.0.txt"
CAPTURE = PLACE.read_bytes()


def test_real_answer_is_read():
    found = node_exporter.read(CAPTURE, "n1")
    assert (found.load_1, found.load_5, found.load_15) == (1.84, 1.32, 1.25)
    assert found.cores == 2
    assert found.memory_bytes == 25276510208
    assert found.memory_used_bytes == 2298937344
    assert (found.disk_bytes, found.disk_free_bytes) == (270553174016, 74767409152)
    assert (found.hosts, found.users) == (("n1",), None)


def test_host_says_what_it_is_called_itself():
    text = b'node_uname_info{machine="x",nodename="n7.example.org"} 1\nnode_load1 1\n'
    assert node_exporter.read(text, "10.0.0.7").hosts == ("n7.example.org", "10.0.0.7")


def test_sessions_of_people_are_counted():
    text = b"".join(
        b'node_logind_sessions{class="%b",seat="",type="tty"} %d\n' % pair
        for pair in ((b"user", 2), (b"greeter", 1), (b"user", 1))
    )
    assert node_exporter.read(text + b"node_load1 1\n", "n1").users == 3


@pytest.mark.parametrize(
    "line",
    [
        b"node_load1 x",
        b"node_load1",
        b"node_load1{ 1",
        b'node_load1{a="b 1',
        b"node_load1 NaN",
        b"node_load1 -1",
        b"node_load1 +Inf",
        b'node_filesystem_size_bytes{mountpoint="/} 1',
        b"node_memory_MemTotal_bytes 1e400",
        b"\xff\xfe\x00",
        b"node_cpu_seconds_total{cpu=} 1",
    ],
)
def test_broken_line_spoils_only_itself(line):
    found = node_exporter.read(line + b"\nnode_load5 0.5\n" + line, "n1")
    assert (found.load_1, found.load_5, found.memory_bytes, found.cores) == (None, 0.5, None, None)


def test_space_is_that_of_the_file_system_that_is_asked_for():
    text = b'node_filesystem_avail_bytes{mountpoint="/scratch"} 5\n' + CAPTURE
    assert node_exporter.read(text, "n1", "/scratch").disk_free_bytes == 5
    assert node_exporter.read(CAPTURE, "n1", "/none").disk_free_bytes is None


@pytest.mark.parametrize("content", [b"", b"<html>no</html>", b"go_goroutines 7\n", b"\x00" * 99])
def test_what_is_not_from_a_node_exporter_is_refused(content):
    with pytest.raises(UnavailableError, match="nothing of a node_exporter"):
        node_exporter.read(content, "n1")
