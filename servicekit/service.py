"""What a service is to whoever starts it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import requests
from flask import Flask
from sqlalchemy import Engine

from servicekit import database

GROUP = "ijp.services"


class Background(Protocol):
    """Work beside the requests, in threads of its own."""

    def stop(self) -> None:
        """End it; gives back when it has ended."""


@dataclass(frozen=True)
class Service:
    """A service by entry point ``ijp.services``.

    Attributes:
        prefixes: First segments of the paths it answers, such as ``/icat``; ``/`` takes the rest.
        create_app: Makes the WSGI application from the settings file; other services are reached
            with the given session, which finds those of this process without a socket.
        database_url: Where its tables are, as its settings say.
        background: Starts its work beside the requests, if it has any.
        add_accounts: Adds users to a new installation that is thrown away again: passwords by
            authenticator and user name; None for a service that has no accounts.
    """

    name: str
    prefixes: tuple[str, ...]
    create_app: Callable[[Path, requests.Session], Flask]
    database_url: Callable[[Path], str]
    background: Callable[[Path, requests.Session], Background] | None = None
    add_accounts: Callable[[Path, Mapping[str, Mapping[str, str]]], None] | None = None

    def upgrade(self, settings_file: Path) -> None:
        """Bring its tables to the newest version."""
        with self._tables(settings_file) as engine:
            database.upgrade(engine, self.name)

    def check_tables(self, settings_file: Path) -> str | None:
        """What is wrong with its tables, in words; None if nothing is."""
        with self._tables(settings_file) as engine:
            return database.fault_of(engine, self.name)

    @contextmanager
    def _tables(self, settings_file: Path) -> Iterator[Engine]:
        engine = database.engine_for(self.database_url(settings_file), self.name)
        try:
            yield engine
        finally:
            engine.dispose()


@cache
def services() -> Mapping[str, Service]:
    """The installed services by name, as they were when first asked for."""
    found = (point.load() for point in entry_points(group=GROUP))
    return MappingProxyType({service.name: service for service in found})
