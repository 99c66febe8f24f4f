"""An event on its way to a webhook: a CloudEvent, signed as Standard Webhooks says."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from catalog.auth.plugin_settings import secret
from catalog.events.settings import Webhook
from servicekit.settings import SettingsError

_PREFIX = "whsec_"
_SECRET_BYTES = range(24, 65)
_TYPES = {"C": "org.icatproject.entity.created", "U": "org.icatproject.entity.updated"}


class RefusedError(Exception):
    """A webhook did not take an event; the message says why."""


@dataclass(frozen=True)
class Sender:
    """Sends events to one webhook.

    Attributes:
        source: Which catalog the events are of.
    """

    webhook: Webhook
    source: str
    keys: tuple[bytes, ...] = field(repr=False)
    http: requests.Session = field(repr=False)

    def send(self, event: Mapping[str, Any]) -> None:
        """Send an event.

        Raises:
            RefusedError: The answer was not one of success, or there was none in time.
        """
        body = json.dumps(cloud_event(event, self.source)).encode()
        headers = {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            "User-Agent": "ijp-catalog",
            **signed(self.keys, event["uid"], int(time.time()), body),
        }
        try:
            # The body of the answer is never read: it could be endless.
            with self.http.post(
                self.webhook.url,
                data=body,
                headers=headers,
                timeout=self.webhook.timeout_seconds,
                allow_redirects=False,
                stream=True,
            ) as answer:
                status = answer.status_code
        except (requests.RequestException, OSError) as error:
            # Its text has the address, which may have what is not for the log.
            raise RefusedError(type(error).__name__) from None
        if status not in range(200, 300):
            raise RefusedError(f"status {status}")


def sender_for(webhook: Webhook, path: Callable[[str], Path], public_url: str | None) -> Sender:
    """A sender with the secrets of the webhook's file.

    Raises:
        SettingsError: The file cannot be read, others may read it, or what it has is no secret.
    """
    http = requests.Session()
    http.auth = lambda request: request  # or what .netrc has would be sent
    source = (public_url or "").rstrip("/") + "/icat"
    return Sender(webhook, source, read_keys(path(webhook.secret_file)), http)


def read_keys(path: Path) -> tuple[bytes, ...]:
    """The keys of a secret file: a line each, ``whsec_`` and base64 of 24 to 64 bytes.

    Raises:
        SettingsError: As for ``sender_for``; the message has nothing of the secret.
    """
    keys = []
    for number, line in enumerate(secret(path).split(), start=1):
        try:
            key = base64.b64decode(line.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not line.startswith(_PREFIX) or len(key) not in _SECRET_BYTES:
            raise SettingsError(
                f"{path}: secret {number} is not {_PREFIX} and base64 of 24 to 64 bytes"
            )
        keys.append(key)
    if not keys:
        raise SettingsError(f"{path}: there is no secret in it")
    return tuple(keys)


def cloud_event(event: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The event as CloudEvents 1.0 has it, structured."""
    return {
        "specversion": "1.0",
        "id": event["uid"],
        "source": source,
        "type": _TYPES[event["operation"]],
        "subject": f"{event['entity']}/{event['entity_id']}",
        "time": event["time"].isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": {
            "entity": event["entity"],
            "operation": event["operation"],
            "id": event["entity_id"],
        },
    }


def signed(keys: tuple[bytes, ...], uid: str, now: int, body: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks: one signature for each key."""
    content = f"{uid}.{now}.".encode() + body
    digests = (hmac.digest(key, content, hashlib.sha256) for key in keys)
    return {
        "webhook-id": uid,
        "webhook-timestamp": str(now),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(one).decode()}" for one in digests),
    }
