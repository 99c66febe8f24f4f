"""The portal's application: its services, its pages and its interfaces put together."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import requests
from flask import Flask, Response, redirect, request
from flask_wtf.csrf import CSRFProtect

import portal
from ijp.catalog import CatalogClient
from ijp.datastore import DatastoreClient
from ijp.errors import NotAuthenticatedError
from jobdefs.store import DefinitionStore
from portal import blueprints, engines, metrics, secret_files, settings, web
from portal.api import document
from portal.dispatcher import Dispatcher
from portal.jobs import Jobs
from portal.preparing import Preparing
from portal.provenance_record import ProvenanceRecord
from portal.service_account import ServiceAccount
from portal.services import Services
from portal.sessions import COOKIE, Sessions, bearer
from portal.settings import PortalSettings
from portal.single_sign_on import SingleSignOn
from portal.wakeup import bell_for, folder_in, waker
from servicekit import database, logs
from servicekit.service import Service

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_PROGRAMS = ("/api/", "/ijp/")


def create_app(settings_file: Path, http: requests.Session) -> Flask:
    """The WSGI application."""
    found = settings.read(settings_file)
    app = Flask(portal.__name__)
    app.config.update(
        SECRET_KEY=secret_files.read(found.secrets_folder, secret_files.COOKIE_KEY),
        SESSION_COOKIE_NAME="ijp_form",
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=found.secure_cookies,
        # a form that was filled in for hours is still welcome
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_SSL_STRICT=False,
        MAX_FORM_MEMORY_SIZE=4 << 20,
        MAX_FORM_PARTS=20_000,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.extensions["ijp"] = make_services(found, http)
    app.extensions["single_sign_on"] = _single_sign_on(app, found)
    logs.install(app)
    document.install(app, blueprints.api(), "1")
    # after flask-smorest, whose answers to errors are replaced by ours
    web.install(app)
    _ask_to_log_in(app)
    _protect_from_forgery(app)
    for blueprint in blueprints.pages():
        app.register_blueprint(blueprint)
    return app


def make_services(found: PortalSettings, http: requests.Session) -> Services:
    """What the pages work with."""
    tables = database.engine_for(found.database_url, service.name)
    catalog = CatalogClient(found.catalog_url, http)
    definitions = DefinitionStore(found.facility_folder)
    keys = secret_files.read(found.secrets_folder, secret_files.SESSION_KEY)
    sessions = Sessions(found, tables, catalog, keys)
    metrics.JOBS.watch(tables, found.engine)
    batch_engines = engines.make(found)
    wake = waker(found.database_url, tables, folder_in(found.work_folder))
    datastore = DatastoreClient(found.datastore_url, http)
    return Services(
        settings=found,
        database=tables,
        catalog=catalog,
        datastore=datastore,
        definitions=definitions,
        engines=batch_engines,
        sessions=sessions,
        jobs=Jobs(found, tables, definitions, sessions, batch_engines, wake),
        preparing=Preparing(tables, datastore, found),
    )


def _single_sign_on(app: Flask, found: PortalSettings) -> SingleSignOn | None:
    if found.single_sign_on is None:
        return None
    return SingleSignOn(
        app,
        found.single_sign_on,
        public_url=found.public_url,
        secrets_folder=found.secrets_folder,
        ca_bundle=found.ca_bundle,
    )


def _ask_to_log_in(app: Flask) -> None:
    """Lead a browser whose session has ended to log-in and back, keeping a form that it sent."""

    @app.errorhandler(NotAuthenticatedError)
    def _log_in(error: NotAuthenticatedError) -> Response:
        if web.for_programs():
            response = web.error_page(error, 401)
            response.headers["WWW-Authenticate"] = 'Bearer realm="ijp"'
            return response
        target = {"next": request.full_path.rstrip("?")}
        if request.method == "POST":
            sessions: Sessions = app.extensions["ijp"].sessions
            target = {"draft": sessions.save_draft(request.full_path, request.form.to_dict(False))}
        return redirect("/login?" + urlencode(target), 303)  # type: ignore[return-value]


def _protect_from_forgery(app: Flask) -> None:
    """Check the CSRF token of every unsafe call that a browser may have been tricked into.

    A call whose credentials are in a header or in its own form cannot be forged by another site.
    """
    csrf = CSRFProtect(app)

    @app.before_request
    def _check() -> None:
        if request.method in _SAFE_METHODS or bearer() is not None:
            return
        by_program = request.path.startswith(_PROGRAMS)
        if by_program and COOKIE not in request.cookies:
            return
        csrf.protect()


def _database_url(settings_file: Path) -> str:
    return settings.read(settings_file).database_url


def background(settings_file: Path, http: requests.Session) -> Dispatcher:
    """Start the dispatcher in a thread of this process."""
    found = settings.read(settings_file)
    made = make_services(found, http)
    account = ServiceAccount(made.catalog, found)
    record = ProvenanceRecord(made, account)
    dispatcher = Dispatcher(made, record, bell_for(found.database_url))
    dispatcher.start()
    return dispatcher


service = Service(
    name="portal",
    prefixes=("/",),
    create_app=create_app,
    database_url=_database_url,
    background=background,
)
