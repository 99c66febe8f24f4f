"""Which blueprints make up the portal."""

from __future__ import annotations

from flask import Blueprint

from portal.api import (
    alterations,
    batches,
    capsule,
    data,
    data_downloads,
    external,
    jobs,
    limits,
    nodes,
    reports,
    session,
    sweeps,
)
from portal.api.blueprint import ApiBlueprint
from portal.views import (
    admin,
    batch,
    classic,
    dataset,
    downloads,
    files,
    find,
    finding,
    help,
    investigation,
    login,
    pieces,
    run,
)
from portal.views import limits as jobs_pages
from portal.views import nodes as nodes_pages


def api() -> list[ApiBlueprint]:
    """The parts of ``/api/v1``, in the order of its document."""
    return [
        session.blueprint,
        data.blueprint,
        data_downloads.blueprint,
        jobs.blueprint,
        sweeps.blueprint,
        batches.blueprint,
        alterations.blueprint,
        external.blueprint,
        limits.blueprint,
        nodes.blueprint,
        capsule.blueprint,
        reports.blueprint,
    ]


def pages() -> list[Blueprint]:
    """The pages, and the interfaces beside ``/api/v1``."""
    return [
        admin.blueprint,
        batch.blueprint,
        classic.blueprint,
        dataset.blueprint,
        downloads.blueprint,
        files.blueprint,
        find.blueprint,
        finding.blueprint,
        help.blueprint,
        investigation.blueprint,
        jobs_pages.blueprint,
        login.blueprint,
        nodes_pages.blueprint,
        pieces.blueprint,
        run.blueprint,
    ]
