"""What the catalog service is told at its start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from marshmallow import Schema, ValidationError, fields, post_load, validate

from catalog.call_log import CallLog, CallLogSchema
from catalog.events.settings import (
    NotificationsField,
    Webhook,
    WebhookSchema,
    differ,
    notified,
)
from servicekit import settings
from servicekit.client_address import Network, Networks


@dataclass(frozen=True)
class CatalogSettings:
    """The table ``[catalog]`` of the settings file.

    Attributes:
        root_users: Full user names, such as ``simple/root``, that no rule restricts.
        authenticators: Names of authenticators, in the order in which users see them.
        authenticator_settings: By the name of the authenticator, what it is told.
        lifetime_minutes: How long a session lasts after log-in or refresh.
        max_entities: The most rows and included entities that one search gives.
        max_request_bytes: The longest request body that is read.
        allowed_origins: Web origins, such as ``https://portal.example.org``, whose pages may
            call this service from a browser.
        trusted_proxies: Whose word is taken for the address that a request comes from: proxies,
            and portals that log their users in here. Calls inside the process always are.
        time_zone: Of dates that a SOAP client sends without zone; ICAT takes that of its host.
        notifications: By entity, the changes that are told: ``C`` for created, ``U`` for updated.
        webhooks: Who is told of changes.
        most_waiting_events: If more changes wait for webhooks, the oldest are given up.
        call_log: Which calls are logged, and where; None for none.
        public_url: What the addresses of this installation begin with; names it to webhooks.
        base_folder: What relative paths are relative to.
    """

    database_url: str
    authenticators: tuple[str, ...]
    root_users: frozenset[str]
    authenticator_settings: Mapping[str, Mapping[str, Any]]
    simple_users_file: str | None
    lifetime_minutes: float
    max_entities: int
    max_request_bytes: int
    allowed_origins: frozenset[str]
    trusted_proxies: tuple[Network, ...]
    time_zone: tzinfo
    notifications: Mapping[str, str]
    webhooks: tuple[Webhook, ...]
    most_waiting_events: int
    call_log: CallLog | None
    public_url: str | None
    base_folder: Path

    @property
    def notified(self) -> Mapping[str, str]:
        """The changes, as in ``notifications``, that at least one webhook wants to know of."""
        return notified(self.notifications, self.webhooks)

    def path(self, given: str) -> Path:
        """A path of the settings; a relative one is in the folder of the settings file."""
        return self.base_folder / given


class _Zone(fields.String):
    """The name of a time zone, such as ``Europe/Berlin``."""

    def _deserialize(self, value: Any, *arguments: Any, **others: Any) -> Any:
        name = super()._deserialize(value, *arguments, **others)
        try:
            return ZoneInfo(str(name))
        except (OSError, ValueError, ZoneInfoNotFoundError) as error:
            raise ValidationError(f"there is no time zone {name!r}") from error


class CatalogSettingsSchema(Schema):
    """Keys, their types and what they are when left out."""

    database_url = fields.String(required=True, validate=validate.Length(1))
    authenticators = fields.List(
        fields.String(), load_default=lambda: ["simple", "db", "anon"], validate=validate.Length(1)
    )
    root_users = fields.List(fields.String(), load_default=list)
    authenticator_settings = fields.Dict(
        keys=fields.String(), values=fields.Dict(keys=fields.String()), load_default=dict
    )
    simple_users_file = fields.String(load_default=None)
    lifetime_minutes = fields.Float(load_default=120.0, validate=validate.Range(1, 525_600))
    max_entities = fields.Integer(load_default=10_000, validate=validate.Range(1))
    max_request_bytes = fields.Integer(load_default=64 * 2**20, validate=validate.Range(1024))
    allowed_origins = fields.List(fields.Url(require_tld=False), load_default=list)
    trusted_proxies = Networks()
    time_zone = _Zone(load_default=UTC)
    notifications = NotificationsField(load_default=dict)
    webhooks = fields.List(fields.Nested(WebhookSchema), load_default=list, validate=differ)
    most_waiting_events = fields.Integer(load_default=1_000_000, validate=validate.Range(1))
    call_log = fields.Nested(CallLogSchema, load_default=None)
    public_url = fields.Url(load_default=None, require_tld=False)

    @post_load
    def _frozen(self, loaded: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {
            **loaded,
            "authenticators": tuple(loaded["authenticators"]),
            "webhooks": tuple(loaded["webhooks"]),
            "root_users": frozenset(loaded["root_users"]),
            "trusted_proxies": tuple(loaded["trusted_proxies"]),
            "allowed_origins": frozenset(one.rstrip("/") for one in loaded["allowed_origins"]),
        }


def read(path: Path) -> CatalogSettings:
    """Read the catalog's settings from the settings file.

    Raises:
        SettingsError: The file cannot be read or is wrong.
    """
    return settings.read(path, "catalog", CatalogSettingsSchema, CatalogSettings)
