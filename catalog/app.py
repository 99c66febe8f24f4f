"""The catalog service."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path

import requests
from flask import Flask

from catalog import call_log, settings
from catalog.auth import authenticator
from catalog.auth.authenticator import Surroundings
from catalog.auth.login import Door, purge
from catalog.events.delivery import Delivery
from catalog.events.sending import sender_for
from catalog.rest import cloner, errors, limits, openapi, operator, port, routes
from catalog.services import Services
from catalog.settings import CatalogSettings
from catalog.soap.routes import blueprint as soap
from catalog.throw_away import add_accounts
from catalog.transactions import Transactions
from servicekit import database, logs
from servicekit.hourly import Hourly
from servicekit.service import Background, Service


def create_app(settings_file: Path, http: requests.Session) -> Flask:
    """The application; it needs no other service.

    Raises:
        SettingsError: The settings are wrong.
        PluginError: An authenticator is not installed.
    """
    return app_for(settings.read(settings_file))


def app_for(given: CatalogSettings) -> Flask:
    """The application for some settings."""
    app = Flask("catalog", static_folder=None)
    app.extensions["catalog"] = _services(given)
    logs.install(app)
    if calls := given.call_log:
        call_log.install(app, calls, given.path(calls.file), given.trusted_proxies)
    limits.install(app, given.allowed_origins, given.max_request_bytes)
    errors.install(app)
    for part in (routes, port, cloner, operator, openapi):
        app.register_blueprint(part.blueprint)
    app.register_blueprint(soap)
    return app


def _services(given: CatalogSettings) -> Services:
    engine = database.engine_for(given.database_url, "catalog")
    transactions = Transactions(engine, given.notified)
    authenticators = {
        name: authenticator.load(
            name, Surroundings(transactions, _settings_of(given, name), given.path)
        )
        for name in given.authenticators
    }
    lifetime = timedelta(minutes=given.lifetime_minutes)
    return Services(given, transactions, Door(transactions, authenticators, lifetime))


def _settings_of(given: CatalogSettings, name: str) -> dict[str, object]:
    own = dict(given.authenticator_settings.get(name, {}))
    if name == "simple" and given.simple_users_file:
        own.setdefault("users_file", given.simple_users_file)
    return own


def _database_url(settings_file: Path) -> str:
    return settings.read(settings_file).database_url


class _Background:
    """Forgets old sessions, and tells webhooks what changed."""

    def __init__(self, given: CatalogSettings) -> None:
        senders = [sender_for(one, given.path, given.public_url) for one in given.webhooks]
        engine = database.engine_for(given.database_url, "catalog")
        self._parts: list[Background] = [
            Hourly("catalog-purge", partial(purge, Transactions(engine))),
            *(Delivery(engine, one, given.webhooks, given.most_waiting_events) for one in senders),
        ]

    def stop(self) -> None:
        """End all of it."""
        for part in self._parts:
            part.stop()


def _background(settings_file: Path, http: requests.Session) -> _Background:
    # webhooks are outside: the session that finds our own services is not for them
    return _Background(settings.read(settings_file))


service = Service(
    name="catalog",
    prefixes=("/icat", "/ICATService"),
    create_app=create_app,
    database_url=_database_url,
    background=_background,
    add_accounts=add_accounts,
)
