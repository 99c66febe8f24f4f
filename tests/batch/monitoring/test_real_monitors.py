"""What a real gmond and a real node_exporter say of this host."""

from __future__ import annotations

import os
import socket

import pytest

from batch.monitoring.sources import Gmond, NodeExporter, ask_all
from tests.batch.making import up
from tests.batch.sites.monitors import Monitors

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def monitors():
    with up(Monitors("worker1")) as site:
        yield site


def test_both_agree_with_the_host_and_with_each_other(monitors):
    sources = [Gmond(monitors.gmond), NodeExporter(monitors.node_exporter)]
    answers = ask_all(sources, seconds=10, in_all_seconds=20)
    assert [one.fault for one in answers] == ["", ""]
    (by_gmond,), (by_exporter,) = (one.measures for one in answers)
    assert by_gmond.hosts[0] == "worker1"
    assert by_exporter.hosts == (socket.gethostname(), "127.0.0.1")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    disk = os.statvfs("/")
    for one in (by_gmond, by_exporter):
        assert one.cores == os.cpu_count()
        assert one.load_1 is not None
        assert one.memory_bytes == memory
        assert one.memory_used_bytes is not None
        assert 0 < one.memory_used_bytes < memory
    assert by_exporter.disk_bytes == disk.f_blocks * disk.f_frsize
    assert by_gmond.disk_bytes is not None


def test_source_that_went_away_is_told_and_comes_back(monitors):
    sources = [NodeExporter(monitors.node_exporter), Gmond(monitors.gmond)]
    monitors.stop_node_exporter()
    gone, there = ask_all(sources, seconds=10, in_all_seconds=20)
    assert (gone.measures, gone.fault) == ((), "Connection refused")
    assert there.fault == ""
    monitors.start_node_exporter()
    assert [one.fault for one in ask_all(sources, seconds=10, in_all_seconds=20)] == ["", ""]
