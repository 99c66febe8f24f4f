"""Who asks, and over which connection."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.orm import Session

Executor = Session | Connection
"""What runs statements, inside the transaction of the call."""


@dataclass(frozen=True)
class Caller:
    """The user of a session; rules do not apply to a root user.

    ``name`` has the authenticator's mechanism, such as ``db/ana``; there need not be a User of it.
    """

    name: str
    is_root: bool = False
