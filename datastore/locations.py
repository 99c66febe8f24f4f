"""Locations as the catalog has them: with a digest that ties each to its Datafile.

Who can write a Datafile could otherwise give it the location of another one's content. With a key,
the catalog has ``<location> <digest>``, and only this service can make the digest.
"""

from __future__ import annotations

import hashlib
import hmac
import re

from ijp.errors import NotAuthorizedError

_PREFIX = "v2-"
_OLD = re.compile(r"[0-9A-F]{64}")
_PURPOSE = b"ijp datafile location"


class Locations:
    """Signs locations and reads signed ones; without a key both have nothing to do."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key

    @property
    def are_signed(self) -> bool:
        """There is a key."""
        return self._key is not None

    def signed(self, datafile_id: int, location: str) -> str:
        """What the catalog is to have."""
        if self._key is None:
            return location
        return f"{location} {_PREFIX}{self._digest(datafile_id, location)}"

    def plain(self, datafile_id: int, told: str) -> str:
        """The location of what the catalog has; digests of the older form count as well.

        Raises:
            NotAuthorizedError: It was not made for this Datafile.
        """
        if self._key is None:
            return told
        location, _, digest = told.rpartition(" ")
        if not location:
            raise NotAuthorizedError(
                f"the location of Datafile {datafile_id} does not contain hash"
            )
        right: str | None
        if digest.startswith(_PREFIX):
            right = _PREFIX + self._digest(datafile_id, location)
        elif _OLD.fullmatch(digest):
            right = old_digest(datafile_id, location, self._key)
        else:
            right = None
        if right is None or not hmac.compare_digest(digest.encode(), right.encode()):
            raise NotAuthorizedError(
                f"the location of Datafile {datafile_id} does not contain a valid hash"
            )
        return location

    def _digest(self, datafile_id: int, location: str) -> str:
        parts = (_PURPOSE, str(datafile_id).encode(), location.encode())
        message = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return hmac.new(self._key or b"", message, hashlib.sha256).hexdigest()


def old_digest(datafile_id: int, location: str, key: bytes) -> str:
    """The digest of ids.server: its parts run into each other, so it is only read."""
    return hashlib.sha256(f"{datafile_id}{location}".encode() + key).hexdigest().upper()
