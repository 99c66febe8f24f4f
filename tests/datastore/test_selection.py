"""Selections of more than one search gives."""

from __future__ import annotations

import pytest

from datastore.selection import Resolver, must_zip
from ijp.datastore import Selection


@pytest.fixture
def site(facility_site, monkeypatch):
    monkeypatch.setenv("CATALOG__MAX_ENTITIES", "5")
    return facility_site()


def test_everything_is_found_page_by_page(site):
    """Quirk Q7: no search exceeds the catalog's limit, and none of the pages is lost."""
    session = site.catalog()
    assert session.catalog.properties().max_entities == 5
    datasets = [site.dataset_ids[0]]
    for number in range(12):
        values = {"name": f"more {number}", "type": {"id": site.dataset_type_id}}
        datasets.append(
            session.create("Dataset", investigation={"id": site.investigation_ids[0]}, **values)
        )
    files = [
        session.create(
            "Datafile",
            name=f"f{number}",
            dataset={"id": dataset},
            location=None if number == 3 else f"{dataset}/{number}",
        )
        for number in range(5)
        for dataset in (datasets[0], datasets[6], datasets[12])
    ]
    wanted = [id for number, id in enumerate(files) if number // 3 != 3]
    resolver = Resolver(session)
    for asked in (
        Selection(investigation_ids=[site.investigation_ids[0]]),
        Selection(dataset_ids=datasets),
        Selection(datafile_ids=wanted),
        Selection(datafile_ids=wanted[::-1], dataset_ids=datasets[:2]),
    ):
        assert [one.id for one in resolver.resolve(asked)] == sorted(wanted)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Selection(), True),
        (Selection(datafile_ids=[1]), False),
        (Selection(datafile_ids=[1, 1]), False),
        (Selection(datafile_ids=[1, 2]), True),
        (Selection(dataset_ids=[1]), True),
        (Selection(datafile_ids=[1], investigation_ids=[1]), True),
    ],
)
def test_what_must_be_a_zip(asked, expected):
    """ids-api §3."""
    assert must_zip(asked) is expected
