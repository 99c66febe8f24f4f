"""A real catalog and data service in one process, for the tests of the data service."""

from __future__ import annotations

import pytest


@pytest.fixture
def site(facility_site):
    return facility_site()


@pytest.fixture
def put(site):
    """Stores a file in the dataset of a user (ana's in investigation 1, ben's in 2)."""

    def put(name: str, content: bytes, user: str = "ana", **options):
        dataset_id = site.dataset_ids[("ana", "ben").index(user)]
        return site.datastore(user).put(
            [content],
            name=name,
            dataset_id=options.pop("dataset_id", dataset_id),
            datafile_format_id=site.datafile_format_id,
            **options,
        )

    return put
