"""Whose accounts a job runs in: those of the family that its type has."""

from __future__ import annotations

import pytest

from batch.local.spool import Spool
from portal.starting import Starting
from tests.portal_site import copy, running, with_own_facility

pytestmark = pytest.mark.slow

FAMILIES = """<families default="all">
  <family name="all"/>
  <family name="{name}"/>
</families>"""


@pytest.fixture
def portal(tmp_path, installation_to_copy, monkeypatch):
    monkeypatch.setattr("jobdefs.store.CHECK_SECONDS", 0)
    copy(installation_to_copy, tmp_path / "portal")
    with_own_facility(tmp_path / "portal")
    with running(tmp_path / "portal", dispatcher=False) as made:
        yield made


def started(portal, job_type):
    """Submit a job and have it started; gives the job and the family that the engine was told."""
    (job,) = portal.user().submit(job_type)
    Starting(portal.services).start_some()
    return family_of(portal, job)


def family_of(portal, job):
    spool = Spool(str(portal.folder / "work" / "engine"))
    try:
        mark = portal.user().job(job["id"])["publicId"]
        return spool.family(mark) if spool.known([mark]) else None
    finally:
        spool.close()


def set_families(portal, name):
    file = portal.services.settings.facility_folder / "families.xml"
    file.write_text(FAMILIES.format(name=name), encoding="utf-8")


def test_a_job_gets_accounts_of_the_family_of_its_type(portal):
    set_families(portal, "closed")
    assert started(portal, "closed") == "closed"


def test_a_job_of_a_type_without_family_gets_those_of_the_default_one(portal):
    assert started(portal, "tool") == "all"


def test_a_job_waits_while_its_family_is_not_defined(portal):
    """It does not run in the accounts of others instead."""
    set_families(portal, "closed")
    (job,) = portal.user().submit("closed")
    set_families(portal, "renamed")
    Starting(portal.services).start_some()
    assert family_of(portal, job) is None
    told = portal.user().job(job["id"])
    assert told["state"] == "Staging"
    assert "job type 'closed': no family 'closed'" in told["reason"]
