"""Parameters of what was found, whose types are kept for some seconds."""

from __future__ import annotations

import pytest


@pytest.fixture
def portal(make_portal):
    return make_portal(dispatcher=False)


def _shown(portal) -> list[str]:
    (found,) = portal.user().datasets()["datasets"]
    return [f"{one['name']}={one['value']}" for one in found["parameters"]]


def test_parameter_of_a_type_that_was_made_a_moment_ago_is_shown(portal):
    dataset = portal.dataset("one", channels=1)
    assert _shown(portal) == ["numChannels=1.0"]
    made = portal.root.create(
        "ParameterType",
        name="Alpha",
        units="deg",
        valueType="NUMERIC",
        applicableToDataset=True,
        facility={"id": 1},
    )
    portal.root.create(
        "DatasetParameter", dataset={"id": dataset}, type={"id": made}, numericValue=2.5
    )
    assert _shown(portal) == ["Alpha=2.5", "numChannels=1.0"]


def test_parameter_is_not_shown_without_the_right_to_see_it(portal):
    portal.dataset("one", channels=1)
    rules = portal.root.search("SELECT r.id FROM Rule r WHERE r.what LIKE '%DatasetParameter%'")
    assert rules
    portal.root.delete("Rule", rules)
    assert _shown(portal) == []
