"""A download of data that are in the archive, by who does not wait for them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from datastore.app import tiers_of
from ijp.cli import download
from ijp.datastore import Selection
from ijp.errors import DataNotOnlineError

_ARCHIVE = """
[datastore.archive]
delay_seconds = 0
lease_seconds = 60
"""


@pytest.fixture
def site(facility_site):
    return facility_site(more=_ARCHIVE)


@pytest.fixture
def work(site):
    """Does all that is due."""
    tiers = tiers_of(site.settings_file, site.process.http)

    def work() -> None:
        while tiers.worker.work():
            pass

    return work


@pytest.fixture
def archived(site, work):
    """A selection that is in the archive alone."""
    site.datastore().put(
        [b"abc"],
        name="a",
        dataset_id=site.dataset_ids[0],
        datafile_format_id=site.datafile_format_id,
    )
    work()
    form = {
        "sessionId": site.catalog().session_id,
        "datasetIds": str(site.dataset_ids[0]),
    }
    site.process.http.post("http://datastore.embedded/ids/archive", data=form).raise_for_status()
    work()
    selection = Selection(dataset_ids=[site.dataset_ids[0]])
    assert site.datastore().status(selection) == "ARCHIVED"
    return selection


def test_who_does_not_wait_is_told(site, archived):
    environment = SimpleNamespace(datastore=site.datastore())
    with pytest.raises(DataNotOnlineError):
        download._available(environment, archived, "", wait=False)
