"""Which changes are told, and to whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from marshmallow import Schema, ValidationError, fields, post_load, validate

from catalog.model import ENTITIES


@dataclass(frozen=True)
class Webhook:
    """Who is told of changes.

    Attributes:
        name: What it is called in the log and in the database: it never changes.
        secret_file: The file with the secrets that sign, one a line.
        entities: What it is told of; empty for everything.
    """

    name: str
    url: str
    secret_file: str
    entities: frozenset[str]
    timeout_seconds: float

    def wants(self, entity_name: str) -> bool:
        """Whether it is told of changes of an entity."""
        return not self.entities or entity_name in self.entities


def notified(notifications: Mapping[str, str], webhooks: Sequence[Webhook]) -> Mapping[str, str]:
    """The changes that at least one webhook wants to know of."""
    return {
        name: operations
        for name, operations in notifications.items()
        if any(webhook.wants(name) for webhook in webhooks)
    }


def _entity(name: str) -> None:
    if name not in ENTITIES:
        raise ValidationError(f"there is no entity {name!r}")


def _plain(url: str) -> None:
    parts = urlsplit(url)
    if "@" in parts.netloc or parts.fragment:
        raise ValidationError("no user, password or fragment may be in it")


class NotificationsField(fields.Dict):
    """By the name of an entity ``C``, ``U`` or ``CU``."""

    def __init__(self, **options: Any) -> None:
        operations = validate.OneOf(["C", "U", "CU"])
        super().__init__(
            keys=fields.String(validate=_entity),
            values=fields.String(validate=operations),
            **options,
        )


class WebhookSchema(Schema):
    """A table of ``[[catalog.webhooks]]``."""

    name = fields.String(
        required=True, validate=validate.Regexp(r"[A-Za-z0-9_-]{1,64}\Z", error="not a name")
    )
    url = fields.Url(required=True, require_tld=False, schemes={"http", "https"}, validate=_plain)
    secret_file = fields.String(required=True, validate=validate.Length(1))
    entities = fields.List(fields.String(validate=_entity), load_default=list)
    timeout_seconds = fields.Float(load_default=10.0, validate=validate.Range(0.1, 300))

    @post_load
    def _frozen(self, loaded: dict[str, Any], **_: Any) -> Webhook:
        return Webhook(**{**loaded, "entities": frozenset(loaded["entities"])})


def differ(webhooks: Sequence[Webhook]) -> None:
    """Refuse two webhooks of one name.

    Raises:
        ValidationError: There are two.
    """
    names = [one.name for one in webhooks]
    for name in names:
        if names.count(name) > 1:
            raise ValidationError(f"two are called {name!r}")
