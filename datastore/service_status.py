"""What the data service does just now, as administrators are told it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from datastore.selection import Resolver
from datastore.storage import DatasetInfo
from datastore.tiers.levels import Overview
from datastore.tiers.records import Thing
from ijp.errors import NotAuthorizedError, NotFoundError


def status_of(overview: Overview, resolver: Resolver) -> dict[str, Any]:
    """The answer of ``getServiceStatus``; names are looked up as the caller may read them.

    ``failures`` has the ids of what was given up. ``failureReasons`` says why, ``opsQueueLength``
    how long the queue is, of which the first thousand are told, and ``askers`` who has how much
    in it; these three are no part of the interface as others have it.
    """
    things = [thing for thing, _ in overview.under_way]
    datasets = _datasets(resolver, {one.dataset_id for one in things if one.datafile_id is None})
    return {
        "opsQueue": [
            {"data": _text(thing, datasets), "request": f"{request}_REQUESTED"}
            for thing, request in overview.under_way
        ],
        "opsQueueLength": sum(one.waiting + one.running for one in overview.shares),
        "askers": [
            {
                "user": one.asker,
                "request": f"{one.request}_REQUESTED",
                "waiting": one.waiting,
                "running": one.running,
            }
            for one in overview.shares
        ],
        "lockCount": len({lock.dataset_id for lock in overview.locks}),
        "locks": [
            {
                "id": lock.dataset_id,
                "type": "EXCLUSIVE" if lock.exclusive else "SHARED",
                "count": lock.count,
            }
            for lock in overview.locks
        ],
        "failures": sorted({_id(thing) for thing, _, _ in overview.failures}),
        "failureReasons": [
            {"id": _id(thing), "operation": operation, "reason": why}
            for thing, operation, why in overview.failures
        ],
    }


def _id(thing: Thing) -> int:
    return thing.dataset_id if thing.datafile_id is None else thing.datafile_id


def _text(thing: Thing, datasets: Mapping[int, DatasetInfo]) -> str:
    if not thing.key.isdigit():
        return thing.key
    found = datasets.get(thing.dataset_id)
    if found is None:
        return thing.key
    names = (found.facility_name, found.investigation_name, found.visit_id, found.name)
    return f"{found.investigation_id}/{found.id} ({'/'.join(names)})"


def _datasets(resolver: Resolver, ids: Iterable[int]) -> dict[int, DatasetInfo]:
    found: dict[int, DatasetInfo] = {}
    wanted = sorted(ids)
    try:
        return resolver.datasets(wanted)
    except (NotFoundError, NotAuthorizedError):
        pass
    for id in wanted:
        try:
            found |= resolver.datasets([id])
        except (NotFoundError, NotAuthorizedError):
            continue
    return found
