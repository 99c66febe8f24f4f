"""The data service as a WSGI application."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import requests
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import MethodNotAllowed, NotFound

from datastore import rest, settings
from datastore.prepared import PreparedStore
from datastore.ranges import UnsatisfiableRangeError
from datastore.reader import ReaderAccount
from datastore.sending import Sender
from datastore.settings import DatastoreSettings
from datastore.storage import Storage
from datastore.storing import Depot, Limits
from datastore.unsettled import Sweep, Unsettled
from ijp import errors
from ijp.catalog import CatalogClient
from ijp.transport import ERROR_CODE_HEADER
from servicekit import database, embedded, http_errors, logs, plugins
from servicekit.hourly import Hourly
from servicekit.service import Service

_LONGEST_FORM_BYTES = 16 << 20

_ANSWERS: dict[type[errors.PortalError], tuple[str, int]] = {
    errors.BadRequestError: ("BadRequestException", 400),
    errors.NotAuthenticatedError: ("InsufficientPrivilegesException", 403),
    errors.NotAuthorizedError: ("InsufficientPrivilegesException", 403),
    errors.NotFoundError: ("NotFoundException", 404),
    errors.DataNotOnlineError: ("DataNotOnlineException", 503),
    errors.UnavailableError: ("InternalException", 503),
    errors.NotImplementedHereError: ("NotImplementedException", 501),
    errors.TooLargeError: ("InsufficientStorageException", 507),
    errors.PortalError: ("InternalException", 500),
}


def create_app(settings_file: Path, http: requests.Session) -> Flask:
    """Make the application.

    Raises:
        SettingsError: The settings are wrong.
        PluginError: The storage is not installed.
    """
    told = settings.read(settings_file)
    made = _Made(told, http)
    app = Flask(__name__)
    app.config["MAX_FORM_MEMORY_SIZE"] = _LONGEST_FORM_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.extensions["datastore"] = made.parts()
    app.register_blueprint(rest.blueprint)
    logs.install(app)
    _answer_errors(app)
    _admit_browsers(app, told.allowed_origins)
    return app


class _Made:
    """The parts, made of the settings."""

    def __init__(self, told: DatastoreSettings, http: requests.Session) -> None:
        self._told = told
        self._engine = database.engine_for(told.database_url, "datastore")
        self._catalog = CatalogClient(told.catalog_url, http)
        self._storage: Storage = plugins.load("ijp.storages", told.storage, Storage)(  # type: ignore[type-abstract]
            told.storage_settings, told.path(told.storage_folder)
        )
        self._unsettled = Unsettled(self._engine)
        self._reader = (
            ReaderAccount(self._catalog, told.reader, told.path(told.reader.password_file))
            if told.reader
            else None
        )

    def parts(self) -> rest.Parts:
        told = self._told
        limits = Limits(told.largest_upload_bytes, told.free_space_floor_bytes)
        lifetime = timedelta(hours=told.prepared_hours)
        return rest.Parts(
            catalog=self._catalog,
            icat_url=_icat_url(told),
            read_only=told.read_only,
            depot=Depot(self._storage, self._unsettled, limits, self._reader),
            prepared=PreparedStore(self._engine, lifetime, told.prepared_count),
            sender=Sender(self._storage),
        )

    def sweep(self) -> Sweep:
        return Sweep(self._unsettled, self._storage, self._reader)


def sweep_of(settings_file: Path, http: requests.Session) -> Sweep:
    """The sweep of the service with these settings."""
    return _Made(settings.read(settings_file), http).sweep()


def _icat_url(told: DatastoreSettings) -> str:
    if told.icat_url:
        return told.icat_url
    host = urlsplit(told.catalog_url).hostname or ""
    if host.endswith(embedded.SUFFIX):
        return told.public_url.rstrip("/")
    return told.catalog_url.rstrip("/").removesuffix("/icat")


def _answer_errors(app: Flask) -> None:
    http_errors.install(app, _ids_answer)

    @app.errorhandler(NotFound)
    @app.errorhandler(MethodNotAllowed)
    def _no_such_call(_: Exception) -> Response:
        return _body("NOT_IMPLEMENTED", "this data service has no such call", 501)

    @app.errorhandler(UnsatisfiableRangeError)
    def _no_such_part(error: UnsatisfiableRangeError) -> Response:
        answer = _ids_answer(error, 416)
        answer.status_code = 416
        answer.headers["Content-Range"] = f"bytes */{error.size}"
        return answer


def _ids_answer(error: errors.PortalError, _: int) -> Response:
    code, status = next(_ANSWERS[cls] for cls in type(error).__mro__ if cls in _ANSWERS)
    answer = _body(code, error.message, status)
    answer.headers[ERROR_CODE_HEADER] = error.code
    return answer


def _body(code: str, message: str, status: int) -> Response:
    answer = jsonify(code=code, message=message)
    answer.status_code = status
    return answer


def _admit_browsers(app: Flask, origins: tuple[str, ...]) -> None:
    """Let pages of the allowed origins call: CORS."""

    @app.after_request
    def _allow(answer: Response) -> Response:
        origin = request.headers.get("Origin")
        if origin and (origin in origins or "*" in origins):
            answer.headers["Access-Control-Allow-Origin"] = origin
            answer.headers["Access-Control-Allow-Methods"] = "GET, POST, DELETE, PUT"
            answer.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, Range"
            answer.vary.add("Origin")
        return answer


def _database_url(settings_file: Path) -> str:
    return settings.read(settings_file).database_url


def _sweeping(settings_file: Path, http: requests.Session) -> Hourly:
    return Hourly("datastore-sweep", sweep_of(settings_file, http).run)


service = Service("datastore", ("/ids",), create_app, _database_url, _sweeping)
