"""Submit descriptions, whose values stay values.

condor_submit reads a language: each line is a command, ``$(NAME)`` and ``$FUNCTION(…)`` are
expanded, a backslash at the end of a line continues it, and within ClassAd expressions texts are
in double quotes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ijp.errors import BadRequestError

_ATTRIBUTE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def written(commands: Mapping[str, str], count: int) -> str:
    """A description that queues so many jobs; values are taken as the language has them."""
    lines = [f"{name} = {value}\n" for name, value in commands.items()]
    return "".join([*lines, f"queue {count}\n"])


def literal(text: str) -> str:
    """A text as a value in which nothing is expanded.

    Raises:
        BadRequestError: The language cannot have it.
    """
    if not text.isprintable() or text != text.strip() or text.endswith("\\"):
        raise BadRequestError(f"HTCondor cannot be given this text: {text!r}")
    return text.replace("$", "$(DOLLAR)")


def wall_time_passed(seconds: int) -> str:
    """The expression that holds for a job that has run for longer than this."""
    return f"JobStatus == 2 && time() - JobCurrentStartDate > {seconds}"


def needed(features: Sequence[str]) -> str:
    """The expression that holds for machines which say that they have all of this.

    Raises:
        BadRequestError: This is not the name of an attribute.
    """
    wrong = [one for one in features if not _ATTRIBUTE.fullmatch(one)]
    if wrong:
        raise BadRequestError(f"features that are no names of ClassAd attributes: {wrong}")
    return " && ".join(f"TARGET.{one} =?= True" for one in features)
