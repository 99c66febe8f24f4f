"""The account with which the service itself asks the catalog."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datastore.settings import Reader
from ijp.catalog import CatalogClient, CatalogSession
from ijp.errors import NotAuthenticatedError
from servicekit.settings import SettingsError


class ReaderAccount:
    """Logs in when it is first needed, and again when its session has ended."""

    def __init__(self, catalog: CatalogClient, reader: Reader, password_file: Path) -> None:
        self._catalog = catalog
        self._reader = reader
        self._password_file = password_file
        self._session: CatalogSession | None = None

    def session(self) -> CatalogSession:
        """A session that was good a moment ago.

        Raises:
            NotAuthenticatedError: The catalog refuses the account.
            SettingsError: Its password cannot be read.
        """
        if self._session is not None:
            try:
                self._session.refresh()
            except NotAuthenticatedError:
                self._session = None
        if self._session is None:
            self._session = self._catalog.login(self._reader.authenticator, self._credentials())
        return self._session

    def _credentials(self) -> dict[str, Any]:
        try:
            password = self._password_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(f"{self._password_file}: {error.strerror}") from error
        return {"username": self._reader.username, "password": password}
