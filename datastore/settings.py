"""Settings of the data service, from the table ``[datastore]``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from datastore.tiers.settings import ArchiveSchema, ArchiveSettings
from servicekit import client_address, settings
from servicekit.client_address import Network


@dataclass(frozen=True)
class Reader:
    """An account that may read every Datafile, such as a root user of the catalog.

    It is asked about what a crash left behind; what it does not see counts as not there.

    Attributes:
        password_file: Relative to the settings file; mode 0600.
    """

    authenticator: str
    username: str
    password_file: Path


@dataclass(frozen=True)
class Quota:
    """How many bytes there may be of an investigation, and by a user; None for no bound."""

    investigation_bytes: int | None = None
    user_bytes: int | None = None


@dataclass(frozen=True)
class DatastoreSettings:
    """What the data service is told.

    Attributes:
        icat_url: The catalog's address as ``getIcatUrl`` tells it to others; empty for
            ``catalog_url``, or ``public_url`` where the catalog is in the same process.
        storage: Name of the storage plug-in.
        storage_settings: The plug-in's own.
        read_only: Refuse ``put`` and ``delete``.
        prepared_hours: How long a prepared selection can be downloaded.
        prepared_count: How many are kept; the oldest go first.
        largest_upload_bytes: None for no limit but the space.
        free_space_floor_bytes: An upload that would leave less space than this is refused.
        reader: None: what a crash left unclear stays where it is.
        uploads_folder: Where uploads are that arrive in pieces; all processes share it, and it is
            best on the file system of the storage.
        upload_hours: How long an upload that is not whole is kept.
        location_key_file: With it, each location in the catalog has a digest that ties it to its
            Datafile; mode 0600. To be set before the first file is stored.
        accel_prefix: nginx in front sends the files: the address of its internal location that
            has the storage's folder, such as ``/_files/``.
        direct_downloads: Downloads of single files lead to the storage itself, where it can do
            that, such as S3.
        archive: A second level of storage behind the first; None for one level.
        enable_write: Offer ``write``; None: unless the service is read-only.
        root_users: Who may ask what the service does, by catalog user name.
        anonymous_status: Tell who has no session where data are, as the reader account sees them.
        anonymous_status_per_minute: How often one address may ask that, of one process.
        trusted_proxies: Whose word on the client's address counts.
        allowed_origins: Web pages of these origins may call the service from a browser.
    """

    database_url: str
    catalog_url: str
    base_folder: Path
    public_url: str = ""
    icat_url: str = ""
    storage: str = "local"
    storage_folder: Path = Path("data")
    storage_settings: Mapping[str, Any] = field(default_factory=dict)
    read_only: bool = False
    prepared_hours: float = 72
    prepared_count: int = 10_000
    largest_upload_bytes: int | None = None
    free_space_floor_bytes: int = 64 << 20
    reader: Reader | None = None
    archive: ArchiveSettings | None = None
    enable_write: bool | None = None
    root_users: tuple[str, ...] = ()
    anonymous_status: bool = True
    anonymous_status_per_minute: int = 60
    trusted_proxies: tuple[Network, ...] = ()
    quota: Quota = Quota()
    uploads_folder: Path = Path("uploads")
    upload_hours: float = 48
    location_key_file: Path | None = None
    accel_prefix: str = ""
    direct_downloads: bool = False
    allowed_origins: tuple[str, ...] = ()

    def path(self, place: Path) -> Path:
        """A path of the settings as an absolute one."""
        return self.base_folder / place


class _ReaderSchema(Schema):
    authenticator = fields.String(required=True)
    username = fields.String(required=True)
    password_file = fields.String(required=True)

    @post_load
    def _make(self, values: dict[str, Any], **_: Any) -> Reader:
        return Reader(values["authenticator"], values["username"], Path(values["password_file"]))


class _QuotaSchema(Schema):
    investigation_bytes = fields.Integer(validate=validate.Range(min=0))
    user_bytes = fields.Integer(validate=validate.Range(min=0))

    @post_load
    def _make(self, values: dict[str, Any], **_: Any) -> Quota:
        return Quota(**values)


class _DatastoreSchema(Schema):
    database_url = fields.String(required=True)
    catalog_url = fields.String(required=True)
    public_url = fields.String()
    icat_url = fields.String()
    storage = fields.String()
    storage_folder = fields.String()
    storage_settings = fields.Dict(keys=fields.String())
    read_only = fields.Boolean()
    prepared_hours = fields.Float(validate=validate.Range(min=0, min_inclusive=False))
    prepared_count = fields.Integer(validate=validate.Range(min=1))
    largest_upload_bytes = fields.Integer(validate=validate.Range(min=0))
    free_space_floor_bytes = fields.Integer(validate=validate.Range(min=0))
    reader = fields.Nested(_ReaderSchema)
    archive = fields.Nested(ArchiveSchema)
    enable_write = fields.Boolean()
    root_users = fields.List(fields.String())
    anonymous_status = fields.Boolean()
    anonymous_status_per_minute = fields.Integer(validate=validate.Range(min=1))
    trusted_proxies = client_address.Networks()
    quota = fields.Nested(_QuotaSchema)
    uploads_folder = fields.String()
    upload_hours = fields.Float(validate=validate.Range(min=0, min_inclusive=False))
    location_key_file = fields.String()
    accel_prefix = fields.String(validate=validate.Regexp(r"/(.*/)?$"))
    direct_downloads = fields.Boolean()
    allowed_origins = fields.List(fields.String())

    @validates_schema
    def _has_reader(self, values: dict[str, Any], **_: Any) -> None:
        if "archive" in values and "reader" not in values:
            raise ValidationError("an archive needs the account [datastore.reader]", "reader")

    @post_load
    def _convert(self, values: dict[str, Any], **_: Any) -> dict[str, Any]:
        for name in ("storage_folder", "uploads_folder", "location_key_file"):
            if name in values:
                values[name] = Path(values[name])
        for name in ("allowed_origins", "root_users", "trusted_proxies"):
            if name in values:
                values[name] = tuple(values[name])
        return values


def read(path: Path) -> DatastoreSettings:
    """Read the settings file.

    Raises:
        SettingsError: Keys are unknown, missing or wrong.
    """
    return settings.read(path, "datastore", _DatastoreSchema, DatastoreSettings)
