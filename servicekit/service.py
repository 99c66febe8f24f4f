"""What a service is to whoever starts it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

import requests
from flask import Flask

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
        upgrade: Brings its database to the newest version.
        background: Starts its work beside the requests, if it has any.
        add_accounts: Adds users to a new installation that is thrown away again: passwords by
            authenticator and user name; None for a service that has no accounts.
    """

    name: str
    prefixes: tuple[str, ...]
    create_app: Callable[[Path, requests.Session], Flask]
    upgrade: Callable[[Path], None]
    background: Callable[[Path, requests.Session], Background] | None = None
    add_accounts: Callable[[Path, Mapping[str, Mapping[str, str]]], None] | None = None


def services() -> dict[str, Service]:
    """The installed services by name."""
    found = (point.load() for point in entry_points(group=GROUP))
    return {service.name: service for service in found}
