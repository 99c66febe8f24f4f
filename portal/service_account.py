"""The portal's own account at the catalog: it records what jobs did, and nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from ijp.catalog import CatalogClient, CatalogSession
from ijp.errors import NotAuthenticatedError
from portal import secret_files
from portal.settings import PortalSettings

T = TypeVar("T")


class ServiceAccount:
    """A session of the account, opened when it is first needed and again when it has ended."""

    def __init__(self, catalog: CatalogClient, settings: PortalSettings) -> None:
        """Take the account's name from the settings, its password from the secrets."""
        self._catalog = catalog
        self._authenticator, _, self._name = settings.service_user.partition("/")
        self._password = secret_files.read(settings.secrets_folder, secret_files.SERVICE_PASSWORD)
        self._session: CatalogSession | None = None
        self._renew_at = 0.0
        self._lock = threading.Lock()

    def use(self, work: Callable[[CatalogSession], T]) -> T:
        """Do something with the session; once more with a new one if it has ended meanwhile.

        Raises:
            PortalError: What the work raises, or why the account cannot log in.
        """
        try:
            return work(self._opened())
        except NotAuthenticatedError:
            with self._lock:
                self._session = None
            return work(self._opened())

    def _opened(self) -> CatalogSession:
        with self._lock:
            if self._session is None or time.monotonic() > self._renew_at:
                credentials = {"username": self._name, "password": self._password}
                self._session = self._catalog.login(self._authenticator, credentials)
                half = 30 * self._catalog.properties().lifetime_minutes
                self._renew_at = time.monotonic() + half
            return self._session
