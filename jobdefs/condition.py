"""Conditions of options: ``numChannels == 3 && numHdfFiles > 500``, parsed once, asked often."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias

from ijp.errors import BadRequestError

Value: TypeAlias = int | float | str | bool | datetime | None
"""What a named quantity can be; None is ``null``."""


class ConditionError(BadRequestError):
    """A condition that cannot be read, or has no answer for these quantities.

    Attributes:
        at: The 0-based character position in the text; None when it is about the whole.
    """

    def __init__(self, message: str, at: int | None = None) -> None:
        super().__init__(f"{message} (at character {at})" if at is not None else message)
        self.at = at


class Condition:
    """A condition that can be asked again and again, from several threads.

    Attributes:
        text: As it was written.
        names: The quantities that it needs.
    """

    text: str
    names: frozenset[str]

    def holds(self, quantities: Mapping[str, Value]) -> bool:
        """Say whether it is true for these quantities.

        Raises:
            ConditionError: A name is unknown (even where its value would not matter), null or a
                text was ordered or calculated with, or an integer was divided by zero.
        """
        raise NotImplementedError


def parse(text: str) -> Condition:
    """Read a condition.

    Raises:
        ConditionError: It is not a condition; says where.
    """
    raise NotImplementedError
