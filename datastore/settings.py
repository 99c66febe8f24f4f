"""Settings of the data service, from the table ``[datastore]``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from marshmallow import Schema, fields, post_load, validate

from servicekit import settings


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
    allowed_origins = fields.List(fields.String())

    @post_load
    def _convert(self, values: dict[str, Any], **_: Any) -> dict[str, Any]:
        if "storage_folder" in values:
            values["storage_folder"] = Path(values["storage_folder"])
        if "allowed_origins" in values:
            values["allowed_origins"] = tuple(values["allowed_origins"])
        return values


def read(path: Path) -> DatastoreSettings:
    """Read the settings file.

    Raises:
        SettingsError: Keys are unknown, missing or wrong.
    """
    return settings.read(path, "datastore", _DatastoreSchema, DatastoreSettings)
