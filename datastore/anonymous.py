"""Those who ask without a session where data are: the reader account asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Request

from datastore.rate import Rate
from datastore.reader import ReaderAccount
from ijp.catalog import CatalogSession
from servicekit import client_address
from servicekit.client_address import Network


@dataclass(frozen=True)
class Anonymous:
    """Whose session it is, and how often one client may have it."""

    reader: ReaderAccount
    rate: Rate
    trusted: Sequence[Network]

    def session(self, request: Request) -> CatalogSession:
        """The reader's session.

        Raises:
            UnavailableError: The client has asked too often.
        """
        self.rate.check(client_address.of(request, self.trusted))
        return self.reader.session()
