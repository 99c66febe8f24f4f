"""Everybody may log in, as nobody in particular."""

from __future__ import annotations

from collections.abc import Mapping

from catalog.auth.authenticator import Authenticator, Surroundings


class AnonAuthenticator(Authenticator):
    """Asks for nothing; everybody is ``anon/anon``."""

    friendly = "Anonymous"

    def __init__(self, surroundings: Surroundings) -> None:
        """Nothing can be set."""

    def authenticate(self, credentials: Mapping[str, str]) -> str:
        return "anon/anon"
