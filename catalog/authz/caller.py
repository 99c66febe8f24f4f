"""Who asks, and over which connection."""

from __future__ import annotations

from dataclasses import dataclass, field

from catalog.query.executor import Executor

__all__ = ["Caller", "Executor"]


@dataclass(frozen=True)
class Caller:
    """The user of a session; rules do not apply to a root user.

    ``name`` has the authenticator's mechanism, such as ``db/ana``; there need not be a User of it.

    Attributes:
        stored_rules: The caller's rules if they were read with the session: only for the rest of
            that transaction, and what it writes gives its caller no rights.
    """

    name: str
    is_root: bool = False
    stored_rules: str | None = field(default=None, repr=False, compare=False)
