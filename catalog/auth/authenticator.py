"""What an authenticator is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from catalog.transactions import Transactions
from ijp.errors import NotAuthenticatedError
from servicekit import plugins

GROUP = "ijp.authenticators"


@dataclass(frozen=True)
class CredentialKey:
    """One thing that an authenticator asks a user for; a hidden one is not shown while typed."""

    name: str
    hide: bool = False


USERNAME_AND_PASSWORD = (CredentialKey("username"), CredentialKey("password", hide=True))


@dataclass(frozen=True)
class Surroundings:
    """What an authenticator may use.

    Attributes:
        settings: Its own table of the settings.
        path: Gives a path of the settings, relative to the settings file's folder.
    """

    transactions: Transactions
    settings: Mapping[str, Any]
    path: Callable[[str], Path]


class Authenticator(ABC):
    """A way to log in, registered by the entry point ``ijp.authenticators``.

    Attributes:
        keys: What it asks for; where one is called ``username``, guesses are counted by it.
        friendly: What users see instead of its name.
        admin: It is for whoever runs the service; fronts do not offer it to users.
    """

    keys: ClassVar[tuple[CredentialKey, ...]] = ()
    friendly: ClassVar[str] = ""
    admin: ClassVar[bool] = False

    @abstractmethod
    def __init__(self, surroundings: Surroundings) -> None:
        """Check the settings.

        Raises:
            SettingsError: They are wrong.
        """

    @abstractmethod
    def authenticate(self, credentials: Mapping[str, str]) -> str:
        """Check the credentials; it takes as long for a user that is not there.

        Returns:
            The full name of the user, such as ``db/ana``.

        Raises:
            NotAuthenticatedError: They are not right, or one is missing.
            UnavailableError: What has to be asked does not answer.
        """


def load(name: str, surroundings: Surroundings) -> Authenticator:
    """The authenticator registered under a name.

    Raises:
        PluginError: There is none.
        SettingsError: Its settings are wrong.
    """
    return plugins.load(GROUP, name, Authenticator)(surroundings)  # type: ignore[type-abstract]


def username_and_password(credentials: Mapping[str, str]) -> tuple[str, str]:
    """The two that must be there.

    Raises:
        NotAuthenticatedError: One is missing or empty, or no account can have this name.
    """
    for name in ("username", "password"):
        if not credentials.get(name):
            raise NotAuthenticatedError(f"{name} cannot be null or empty.")
    if not credentials["username"].isprintable():
        raise no_match()
    return credentials["username"], credentials["password"]


def no_match() -> NotAuthenticatedError:
    """The one answer to a wrong password and to a user who is not there."""
    return NotAuthenticatedError("The username and password do not match")
