"""What was found, as the REST interface has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ijp.catalog import Entity
from portal.find import Found
from portal.found_parameters import ParameterValue
from portal.searchable import VALUE_ATTRIBUTES


def dataset_as_wire(found: Found) -> Mapping[str, Any]:
    """A dataset as the REST interface has it."""
    its = found.entity
    return {
        "id": found.id,
        "name": found.name,
        "type": (its.get("type") or {}).get("name"),
        "description": its.get("description"),
        "complete": its.get("complete"),
        "investigation": investigation_as_wire(its.get("investigation")),
        "createTime": its.get("createTime"),
        "startDate": its.get("startDate"),
        "endDate": its.get("endDate"),
        "fileCount": its.get("fileCount"),
        "fileSize": its.get("fileSize"),
        "parameters": [parameter_as_wire(one) for one in found.parameters],
    }


def investigation_as_wire(its: Entity | None) -> Mapping[str, Any] | None:
    """An investigation as the REST interface has it."""
    return {name: its.get(name) for name in ("id", "name", "visitId", "title")} if its else None


def parameter_as_wire(one: ParameterValue) -> Mapping[str, Any]:
    """A parameter as the REST interface has it: its value, and again under its kind's name."""
    found: dict[str, Any] = {
        "name": one.name,
        "units": one.units,
        "value": one.value,
        VALUE_ATTRIBUTES[one.kind]: one.value,
    }
    if one.error is not None:
        found["error"] = one.error
    return found


def datafile_as_wire(its: Entity) -> dict[str, Any]:
    """A datafile as the REST interface has it."""
    return {
        "id": its["id"],
        "name": its["name"],
        "size": its.get("fileSize"),
        "checksum": its.get("checksum"),
        "format": (its.get("datafileFormat") or {}).get("name"),
        "description": its.get("description"),
        "create_time": its.get("createTime"),
    }


def found_datafile_as_wire(found: Found) -> dict[str, Any]:
    """A datafile that a search found, with what it belongs to."""
    dataset = found.entity.get("dataset") or {}
    return {
        **datafile_as_wire(found.entity),
        "file_create_time": found.entity.get("datafileCreateTime"),
        "file_mod_time": found.entity.get("datafileModTime"),
        "dataset": {
            "id": dataset["id"],
            "name": dataset["name"],
            "type": (dataset.get("type") or {}).get("name"),
        }
        if dataset
        else None,
        "investigation": investigation_as_wire(dataset.get("investigation")),
        "parameters": [parameter_as_wire(one) for one in found.parameters],
    }
