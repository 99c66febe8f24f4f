"""The data service as a WSGI application."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import requests
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import MethodNotAllowed, NotFound

from datastore import rest, settings, tus
from datastore.anonymous import Anonymous
from datastore.faults import Faults
from datastore.locations import Locations
from datastore.prepared import PreparedStore
from datastore.quotas import Quotas
from datastore.ranges import UnsatisfiableRangeError
from datastore.rate import Rate
from datastore.reader import ReaderAccount
from datastore.scrub import Scrub
from datastore.sending import HandOver, Sender
from datastore.settings import DatastoreSettings
from datastore.storage import Storage
from datastore.storing import Limits
from datastore.storing_many import ManyDepot
from datastore.tiers.levels import Levels
from datastore.tiers.making import CatalogView, Tiers
from datastore.tus import TusParts
from datastore.tus_uploads import TusUploads
from datastore.unrecorded import Unrecorded
from datastore.unsettled import Sweep, Unsettled
from ijp import errors
from ijp.catalog import CatalogClient
from ijp.transport import ERROR_CODE_HEADER
from servicekit import database, embedded, http_errors, logs, metrics, plugins
from servicekit.hourly import Hourly
from servicekit.service import Background, Service
from servicekit.settings import SettingsError

_LONGEST_FORM_BYTES = 16 << 20
_SWEEP_SECONDS = 60.0

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
    app.extensions["tus"] = made.tus_parts()
    app.register_blueprint(rest.blueprint)
    app.register_blueprint(tus.blueprint)
    logs.install(app)
    _answer_errors(app)
    _admit_browsers(app, told.allowed_origins)
    metrics.install(app, "datastore")
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

        self._locations = _locations(told)
        self.tiers = self._second_level()
        self._levels = self.tiers.levels if self.tiers else Levels()
        self._depot = ManyDepot(
            self._storage,
            self._unsettled,
            Limits(told.largest_upload_bytes, told.free_space_floor_bytes),
            self._reader,
            locations=self._locations,
            quotas=Quotas(told.quota, self._engine, self._reader),
            levels=self._levels,
        )
        self._uploads = TusUploads(
            self._engine,
            told.path(told.uploads_folder),
            timedelta(hours=told.upload_hours),
            self._depot,
        )

    def _second_level(self) -> Tiers | None:
        told = self._told
        if told.archive is None or self._reader is None:
            return None
        view = CatalogView(self._reader, self._locations)
        can_write = told.enable_write if told.enable_write is not None else not told.read_only
        try:
            return Tiers(
                told.archive,
                told.base_folder,
                self._engine,
                self._storage,
                view,
                can_write=can_write,
            )
        except ValueError as error:
            raise SettingsError(f"[datastore.archive] {error}") from error

    def parts(self) -> rest.Parts:
        told = self._told
        lifetime = timedelta(hours=told.prepared_hours)
        return rest.Parts(
            catalog=self._catalog,
            icat_url=_icat_url(told),
            read_only=told.read_only,
            depot=self._depot,
            prepared=PreparedStore(self._engine, lifetime, told.prepared_count),
            sender=Sender(
                self._storage,
                HandOver(told.accel_prefix, told.direct_downloads),
                Faults(self._engine, self._storage, self._levels).found,
            ),
            locations=self._locations,
            levels=self._levels,
            root_users=frozenset(told.root_users),
            anonymous=self._anonymous(),
        )

    def _anonymous(self) -> Anonymous | None:
        told = self._told
        if not told.anonymous_status or self._reader is None:
            return None
        rate = Rate(told.anonymous_status_per_minute)
        return Anonymous(self._reader, rate, told.trusted_proxies)

    def tus_parts(self) -> TusParts:
        told = self._told
        return TusParts(self._catalog, self._uploads, told.read_only, told.largest_upload_bytes)

    def sweep(self) -> Sweep:
        signed = self._locations.are_signed
        return Sweep(
            self._unsettled, self._storage, self._reader, signed=signed, levels=self._levels
        )

    def scrub(self) -> Scrub:
        unrecorded = (
            Unrecorded(self._engine, self._storage, self._reader, self._locations)
            if self._reader
            else None
        )
        is_archived = self.tiers is not None
        return Scrub(self._engine, self._storage, unrecorded, is_archived=is_archived)

    def hourly(self) -> None:
        self.sweep().run()
        self._uploads.remove_expired()


def sweep_of(settings_file: Path, http: requests.Session) -> Sweep:
    """The sweep of the service with these settings."""
    return _Made(settings.read(settings_file), http).sweep()


def scrub_of(settings_file: Path, http: requests.Session) -> Scrub:
    """The comparison of what the service with these settings has stored."""
    return _Made(settings.read(settings_file), http).scrub()


def _locations(told: DatastoreSettings) -> Locations:
    if told.location_key_file is None:
        return Locations()
    place = told.path(told.location_key_file)
    try:
        key = place.read_bytes().strip()
    except OSError as error:
        raise SettingsError(f"{place}: {error.strerror}") from error
    if not key:
        raise SettingsError(f"{place}: there is no key in it")
    return Locations(key)


def _icat_url(told: DatastoreSettings) -> str:
    if told.icat_url:
        return told.icat_url
    host = urlsplit(told.catalog_url).hostname or ""
    if host.endswith(embedded.SUFFIX):
        return told.public_url.rstrip("/")
    return told.catalog_url.rstrip("/").removesuffix("/icat")


def _answer_errors(app: Flask) -> None:
    http_errors.install(app, _ids_answer)
    app.extensions["ids_answer"] = lambda error: _ids_answer(error, 0)

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
            allowed = answer.headers
            allowed.setdefault("Access-Control-Allow-Methods", "GET, POST, DELETE, PUT")
            allowed.setdefault("Access-Control-Allow-Headers", "Authorization, Content-Type, Range")
            answer.vary.add("Origin")
        return answer


def _database_url(settings_file: Path) -> str:
    return settings.read(settings_file).database_url


def tiers_of(settings_file: Path, http: requests.Session) -> Tiers | None:
    """The two levels of the service with these settings; None if it has one."""
    return _Made(settings.read(settings_file), http).tiers


class _Background:
    """All that the service does beside the requests."""

    def __init__(self, made: _Made) -> None:
        self._started: list[Background] = [Hourly("datastore-sweep", made.hourly, _SWEEP_SECONDS)]
        if made.tiers:
            self._started += made.tiers.start()

    def stop(self) -> None:
        for one in self._started:
            one.stop()


def _background(settings_file: Path, http: requests.Session) -> _Background:
    return _Background(_Made(settings.read(settings_file), http))


service = Service("datastore", ("/ids",), create_app, _database_url, _background)
