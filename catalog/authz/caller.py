"""Who asks, and over which connection."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.query.executor import Executor

__all__ = ["Caller", "Executor"]


@dataclass(frozen=True)
class Caller:
    """The user of a session; rules do not apply to a root user.

    ``name`` has the authenticator's mechanism, such as ``db/ana``; there need not be a User of it.
    """

    name: str
    is_root: bool = False
