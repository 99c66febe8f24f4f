"""What the services count."""

from __future__ import annotations

import socket

import pytest
import requests
from prometheus_client import REGISTRY
from werkzeug.test import Client

from ijp.datastore import Selection
from servicekit import metrics


@pytest.fixture
def site(facility_site):
    return facility_site()


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"service": "datastore", **labels}) or 0.0


def test_transfers_are_counted(site):
    sent = value("ijp_sent_bytes_total", endpoint="ids.get_data")
    received = value("ijp_received_bytes_total", endpoint="ids.put")
    puts = {"endpoint": "ids.put", "method": "PUT", "status": "201"}
    before = value("ijp_requests_total", **puts)
    stored = site.datastore().put(
        [bytes(5000)],
        name="a",
        dataset_id=site.dataset_ids[0],
        datafile_format_id=site.datafile_format_id,
    )
    with site.datastore().get_data(Selection(datafile_ids=[stored.id])) as download:
        assert sum(map(len, download.blocks())) == 5000
    assert value("ijp_received_bytes_total", endpoint="ids.put") - received == 5000
    assert value("ijp_sent_bytes_total", endpoint="ids.get_data") - sent == 5000
    assert value("ijp_requests_total", **puts) - before == 1
    assert value("ijp_request_seconds_count", endpoint="ids.put") > 0


def test_refusals_are_counted(site):
    labels = {"endpoint": "ids.get_data", "method": "GET", "status": "400"}
    before = value("ijp_requests_total", **labels)
    site.process.http.get("http://datastore.embedded/ids/getData", params={"sessionId": "x"})
    assert value("ijp_requests_total", **labels) - before == 1


def test_others_register_numbers():
    lengths = [3.0]
    metrics.gauge("ijp_test_queue_length", "Of a test.", lambda: lengths[0])
    answer = Client(metrics.answer).get("/metrics", environ_base={"REMOTE_ADDR": "127.0.0.1"})
    assert "ijp_test_queue_length 3.0" in answer.text


@pytest.mark.parametrize(
    "environ",
    [
        {"REMOTE_ADDR": "192.0.2.1"},
        {"REMOTE_ADDR": ""},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "192.0.2.1"},
    ],
)
def test_others_are_not_told(environ):
    answer = Client(metrics.answer).get("/metrics", environ_base=environ)
    assert answer.status_code == 403
    assert b"ijp" not in answer.data


def test_process_without_requests_tells_its_numbers_at_a_port_of_this_host():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    end = metrics.serve(port)
    try:
        told = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
    finally:
        end()
    assert "ijp_requests_total" in told
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10)


@pytest.mark.slow
def test_a_served_process_tells_its_own(site, serving):
    """The file that the server sends by itself counts as well."""
    stored = site.datastore().put(
        [bytes(3 << 20)],
        name="a",
        dataset_id=site.dataset_ids[0],
        datafile_format_id=site.datafile_format_id,
    )
    with serving(site, "catalog", "datastore") as served:
        headers = {"Authorization": f"Bearer {site.catalog().session_id}"}
        url = f"{served.url}/ids/getData?datafileIds={stored.id}"
        assert len(requests.get(url, headers=headers, timeout=20).content) == 3 << 20
        told = requests.get(f"{served.url}/metrics", timeout=20).text
    name = 'ijp_sent_bytes_total{endpoint="ids.get_data",service="datastore"}'
    (line,) = [one for one in told.splitlines() if one.startswith(name)]
    assert float(line.removeprefix(name)) == 3 << 20
