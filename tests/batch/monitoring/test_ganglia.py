"""What gmond sends, and what somebody else might."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch.monitoring import ganglia
from ijp.errors import UnavailableError

CAPTURE = (Path(__file__).parents[1] / "captures/monitoring/gmond-3.7.2.xml").read_bytes()


def cluster(*hosts: str) -> bytes:
    """An answer with these hosts, as gmond frames it."""
    head = CAPTURE[: CAPTURE.index(b"<HOST ")]
    return head + "".join(hosts).encode("iso-8859-1") + b"</CLUSTER>\n</GANGLIA_XML>\n"


def host(name: str, **metrics: object) -> str:
    told = "".join(f'<METRIC NAME="{key}" VAL="{value}"/>' for key, value in metrics.items())
    return f'<HOST NAME="{name}" IP="10.0.0.1" TN="3">{told}</HOST>\n'


def test_all_hosts_of_a_real_answer_are_read():
    found = {one.hosts[0]: one for one in ganglia.read(CAPTURE)}
    assert [(name, one.load_1, one.cores) for name, one in found.items()] == [
        ("worker2", 0.05, 8),
        ("worker3", 3.9, 4),
        ("worker1", 1.49, 2),
    ]
    whole = found["worker1"]
    assert (whole.load_5, whole.load_15) == (1.29, 1.24)
    assert whole.memory_bytes == 24684092 * 1024
    assert whole.memory_used_bytes == 1723727872
    assert whole.disk_bytes == 270_553_000_000
    assert whole.disk_free_bytes == 74_749_000_000
    assert found["worker2"].age_seconds == 2


def test_load_is_as_old_as_gmond_says():
    text = '<HOST NAME="n1" TN="3"><METRIC NAME="load_one" VAL="1" TN="77"/></HOST>'
    assert ganglia.read(cluster(text))[0].age_seconds == 77
    assert ganglia.read(cluster(host("n1", load_one=1)))[0].age_seconds == 3


@pytest.mark.parametrize(
    "broken",
    [
        '<HOST NAME="bad"><METRIC NAME="load_one" VAL="1">\n',
        '<HOST NAME="bad" & ><METRIC NAME="load_one" VAL="1"/></HOST>',
        '<HOST NAME="&boom;"><METRIC NAME="load_one" VAL="1"/></HOST>',
        '<HOST NAME="bad"><METRIC NAME="load_one" VAL="&boom;"/></HOST>',
        '<HOST ><METRIC NAME="load_one" VAL="1"/></HOST>',
        '<HOST NAME="bad">\x00</HOST>',
        host("bad"),
        host("bad", load_one="nan", cpu_num="-3", mem_total="1e999", disk_free="x"),
    ],
)
def test_host_that_cannot_be_read_spoils_no_other(broken):
    found = ganglia.read(cluster(host("n1", load_one=1), broken, host("n2", load_one=2)))
    assert [(one.hosts[0], one.load_1) for one in found] == [("n1", 1.0), ("n2", 2.0)]


def test_no_entity_of_the_document_type_is_expanded():
    entities = b'<!ENTITY boom "n9"><!ENTITY file SYSTEM "file:///etc/hostname">\n]>'
    hosts = [
        '<HOST NAME="&boom;"><METRIC NAME="load_one" VAL="1"/></HOST>',
        '<HOST NAME="n8"><METRIC NAME="load_one" VAL="&file;"/></HOST>',
        host("n1", load_one=1),
    ]
    answer = cluster(*hosts).replace(b"]>", entities, 1)
    assert [one.hosts[0] for one in ganglia.read(answer)] == ["n1"]


def test_hosts_of_an_answer_that_is_cut_short_are_taken():
    cut = CAPTURE[: CAPTURE.rindex(b"<METRIC")]
    assert [one.hosts[0] for one in ganglia.read(cut)] == ["worker2", "worker3"]


@pytest.mark.parametrize(
    "content", [b"", b"\xff\x00", b"HTTP/1.1 400 Bad Request\r\n", b"<HOST />"]
)
def test_what_is_not_from_gmond_is_refused(content):
    with pytest.raises(UnavailableError, match="not what gmond sends"):
        ganglia.read(content)


def test_memory_that_cannot_be_is_left_out():
    (found,) = ganglia.read(cluster(host("n1", mem_total=100, mem_free=200)))
    assert (found.memory_bytes, found.memory_used_bytes) == (102_400, None)
