"""What the options before the command's name say."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Choices:
    """The options that all commands have.

    Attributes:
        portal_url: None: that of the last log-in.
    """

    as_json: bool = False
    portal_url: str | None = None
