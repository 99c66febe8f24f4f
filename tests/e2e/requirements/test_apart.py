"""The same day with each service in a process of its own, on PostgreSQL."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import requests

from ijp.datastore import DatastoreClient, Selection


@pytest.mark.slow
def test_day_on_services_that_run_apart(make_site, named):
    """req. 1, 13, 24, 109: search, form, submit, output, derived dataset, provenance."""
    site = make_site("apart")
    settings = tomllib.loads(site.settings_file.read_text())["common"]
    assert settings["database_url"].startswith("postgresql")
    commands = [Path(f"/proc/{one.pid}/cmdline").read_text().split("\0") for one in site.processes]
    served = [words[words.index("serve") + 1] for words in commands]
    assert served == ["catalog", "datastore", "portal", "dispatcher"]
    for name, answers in (("catalog_url", "/version"), ("datastore_url", "/ping")):
        assert not settings[name].startswith(site.url)
        assert requests.get(settings[name] + answers, timeout=20).ok
        path = settings[name].rpartition("/")[2] + answers
        assert requests.get(f"{site.url}/{path}", timeout=20).status_code == 404, "it is not here"

    ana = site.client("ana")
    cell = named(ana, type="image", p="width:eq:550")["cell"]["id"]
    form = ana.form("segment", dataset_ids=[cell], options={"Minimum area": 30})
    assert (form["jobs"], form["faults"]) == (1, {})
    (job,) = ana.submit("segment", dataset_ids=[cell], options={"Minimum area": 30})
    ended = site.wait(ana, job)
    assert ended["state"] == "Completed"
    assert "objects" in b"".join(ana.output(job["id"])).decode()
    (made,) = ended["outputs"]["datasets"]
    assert named(ana, type="segmentation", p="nObjects:ge:1")[f"cell segmented {job['id']}"]
    assert {one["id"] for one in ana.datasets(origin=str(made))["datasets"]} == {cell}

    store = DatastoreClient(settings["datastore_url"]).session(str(ana.session_id))
    with store.get_data(Selection(dataset_ids=[made])) as download:
        assert b"".join(download.blocks()).startswith(b"PK")
    address = ana.download([made])["url"]
    assert address.startswith(settings["datastore_url"])
    assert requests.get(address, timeout=30).content.startswith(b"PK")
    assert made not in [one["id"] for one in site.client("ben").datasets()["datasets"]]
