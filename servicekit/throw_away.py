"""A server that lasts as long as its process: what it keeps is in a folder that goes away."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from servicekit.service import services
from servicekit.settings import SettingsError, document_of

TABLE = "throw_away"
_DATABASE = "IJP__DATABASE_URL"


def names_of(config: Path) -> list[str]:
    """The services that a configuration is for: those it has a table for.

    Raises:
        SettingsError: It cannot be read, or has no such table.
    """
    document = document_of(config)
    if found := [name for name in services() if name in document]:
        return found
    raise SettingsError(f"{config}: there is a table for none of {', '.join(services())}")


@contextmanager
def installation(config: Path) -> Iterator[Path]:
    """Make an installation of the services in a new folder, and remove it at the end.

    Databases are SQLite's in the folder, unless the settings or the environment
    (``IJP__DATABASE_URL``) name another; that one must be empty and is not removed.

    Gives:
        The settings file of the installation: a copy of the configuration.

    Raises:
        SettingsError: The configuration is wrong.
    """
    document = document_of(config)
    accounts = _accounts(config, document.get(TABLE, {}))
    folder = Path(tempfile.mkdtemp(prefix="ijp-throw-away-"))
    maker = os.getpid()
    try:
        settings_file = folder / "ijp.toml"
        shutil.copyfile(config, settings_file)
        if "database_url" not in document.get("common", {}):
            os.environ.setdefault(_DATABASE, f"sqlite:///{folder}/{{service}}.db")
        for name in names_of(config):
            service = services()[name]
            if service.add_accounts:
                service.add_accounts(settings_file, accounts)
            service.upgrade(settings_file)
        yield settings_file
    finally:
        # a worker that was forked comes by here too, whenever one ends
        if os.getpid() == maker:
            shutil.rmtree(folder, ignore_errors=True)


def _accounts(config: Path, table: Any) -> Mapping[str, Mapping[str, str]]:
    groups = table.values() if isinstance(table, dict) else [None]
    for group in groups:
        if not isinstance(group, dict) or not all(isinstance(one, str) for one in group.values()):
            raise SettingsError(f'{config}: [{TABLE}.authenticator] has lines: user = "password"')
    return table  # type: ignore[no-any-return]
