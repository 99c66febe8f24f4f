"""What the portal's pages and interfaces work with, made once for an application."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from flask import current_app
from sqlalchemy import Engine

from batch.engine import BatchEngine
from ijp.catalog import CatalogClient
from ijp.datastore import DatastoreClient
from jobdefs.store import DefinitionStore
from portal.engines import Engines
from portal.settings import PortalSettings

if TYPE_CHECKING:
    from portal.jobs import Jobs
    from portal.preparing import Preparing
    from portal.sessions import Sessions


@dataclass(frozen=True)
class Services:
    """All that a request needs.

    Attributes:
        catalog: Before log-in; a user's own calls go through ``current_user().catalog``.
        engines: For what they can (``capabilities``, ``nodes``); jobs are started by the
            dispatcher only.
    """

    settings: PortalSettings
    database: Engine
    catalog: CatalogClient
    datastore: DatastoreClient
    definitions: DefinitionStore
    engines: Engines
    sessions: Sessions
    jobs: Jobs
    preparing: Preparing

    @property
    def engine(self) -> BatchEngine:
        """The default engine."""
        return self.engines.default


def services() -> Services:
    """Those of the current application."""
    return cast(Services, current_app.extensions["ijp"])
