"""A small facility that queries are tried on, as a root user, on both databases."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from catalog import model
from catalog.authz.caller import Caller
from tests.catalog import searching as search

ROOT = Caller("simple/root", is_root=True)
STAMPS = {
    "create_id": "simple/root",
    "create_time": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    "mod_id": "simple/root",
    "mod_time": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
}


def _types(facility: model.Facility) -> dict[str, Any]:
    def parameter_type(name: str, units: str, value_type: str, id: int) -> model.ParameterType:
        return model.ParameterType(
            id=id,
            facility=facility,
            name=name,
            units=units,
            value_type=model.ParameterValueType[value_type],
            applicable_to_dataset=True,
            **STAMPS,
        )

    return {
        "raw": model.DatasetType(facility=facility, id=1, name="raw", **STAMPS),
        "derived": model.DatasetType(facility=facility, id=2, name="derived", **STAMPS),
        "tiff": model.DatafileFormat(facility=facility, name="tiff", version="6", **STAMPS),
        "size": parameter_type("size", "px", "NUMERIC", 1),
        "kind": parameter_type("kind", "none", "STRING", 2),
        "taken": parameter_type("taken", "none", "DATE_AND_TIME", 3),
    }


def _investigations(facility: model.Facility) -> list[model.Investigation]:
    kind = model.InvestigationType(facility=facility, name="experiment", **STAMPS)
    return [
        model.Investigation(
            id=number,
            facility=facility,
            type=kind,
            name=f"inv{number}",
            visit_id="1",
            title=f"Title {number}",
            start_date=datetime(2009 + number, 6, 1, tzinfo=UTC),
            release_date=None if number == 3 else datetime(2030, 1, 1, tzinfo=UTC),
            **STAMPS,
        )
        for number in (1, 2, 3)
    ]


def _datasets(types: dict[str, Any], places: list[model.Investigation]) -> list[model.Dataset]:
    """Names d0 to d5, two in each investigation; number in ``size``; odd ones are complete."""
    sample = model.Sample(investigation=places[0], name="Gold", **STAMPS)
    found, parameter_ids, file_ids = [], itertools.count(1), itertools.count(1)
    for number in range(6):
        dataset = model.Dataset(
            id=number + 1,
            name=f"d{number}",
            investigation=places[number // 2],
            type=types["raw" if number < 4 else "derived"],
            sample=sample if number == 0 else None,
            complete=number % 2 == 1,
            file_size=number * 100,
            description="50%_off" if number == 2 else None,
            start_date=datetime(2026, 1, 1 + number, 12, tzinfo=UTC),
            **{**STAMPS, "create_time": datetime(2026, 2, 1 + number % 3, tzinfo=UTC)},
        )
        values = {"size": {"numeric_value": number + 0.5}, "kind": {"string_value": f"K{number}"}}
        values["taken"] = {"date_time_value": datetime(2026, 3, 1 + number, tzinfo=UTC)}
        for name in list(values)[: number % 4]:
            model.DatasetParameter(
                id=next(parameter_ids),
                dataset=dataset,
                type=types[name],
                **values[name],
                **STAMPS,
            )
        for place in range(number % 3):
            model.Datafile(
                id=next(file_ids),
                dataset=dataset,
                name=f"f{place}",
                file_size=10 * (place + 1),
                datafile_format=types["tiff"] if place else None,
                **STAMPS,
            )
        found.append(dataset)
    return found


def _people(places: list[model.Investigation]) -> list[Any]:
    people = [
        model.User(name=f"db/{name}", full_name=full, **STAMPS)
        for name, full in (("ana", "Ana Åström"), ("bo", "Bo O'Hara"))
    ]
    group = model.Grouping(name="readers", **STAMPS)
    return [
        *people,
        model.UserGroup(user=people[0], grouping=group, **STAMPS),
        model.InvestigationUser(user=people[0], investigation=places[0], role="PI", **STAMPS),
        model.InvestigationUser(user=people[1], investigation=places[1], role="PI", **STAMPS),
        model.InvestigationGroup(grouping=group, investigation=places[2], role="read", **STAMPS),
    ]


@pytest.fixture(scope="module")
def facility_engine(module_engine: Engine) -> Engine:
    """A facility with three investigations, six datasets, two users and a group."""
    with Session(module_engine.execution_options(writes=True)) as session, session.begin():
        facility = model.Facility(name="F", **STAMPS)
        places = _investigations(facility)
        datasets = _datasets(_types(facility), places)
        session.add_all([facility, *places, *datasets, *_people(places)])
    return module_engine


@pytest.fixture
def searched(facility_engine: Engine) -> Callable[..., list[Any]]:
    """Gives the rows of a query, entities as their names (or ids where they have none)."""

    def searched(query: str, caller: Caller = ROOT, max_entities: int = 1000) -> list[Any]:
        with facility_engine.connect() as connection:
            rows = search.search(connection, caller, query, max_entities=max_entities)
        return [_named(row) for row in rows]

    return searched


def _named(row: Any) -> Any:
    if isinstance(row, list):
        return [_named(one) for one in row]
    if isinstance(row, dict):
        (body,) = row.values()
        return body.get("name", body["id"])
    return row
