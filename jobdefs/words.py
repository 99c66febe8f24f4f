"""The words of a command line: which there can be, and how a number is written."""

from __future__ import annotations

RESERVED = (
    "--sessionId",
    "--icatUrl",
    "--idsUrl",
    "--ijpJobId",
    "--ijpUrl",
    "--datasetIds",
    "--datafileIds",
)
"""Arguments that only the portal itself gives."""

# Many programs take any unambiguous beginning of an option's name for the option. These are the
# shortest ones that are not likely options of a program's own, as --ids or --session would be.
_STEMS = ("--sessionI", "--icatU", "--idsU", "--ijpJ", "--ijpU", "--datasetI", "--datafileI")

MAX_BYTES = 128 * 1024 - 1
"""The longest single argument that Linux passes on (MAX_ARG_STRLEN)."""

_EXACT = 2**53


def is_reserved(word: str) -> bool:
    """Say whether a word is, or is short for, an argument that only the portal gives."""
    name = word.partition("=")[0]
    return any(
        name == full or (name.startswith(stem) and full.startswith(name))
        for full, stem in zip(RESERVED, _STEMS, strict=True)
    )


def fault(word: str) -> str | None:
    """Why no program can receive this word; None when it can."""
    if "\0" in word:
        return "a NUL character cannot be passed to a program"
    try:
        size = len(word.encode())
    except UnicodeEncodeError:
        return "half of a character (a lone surrogate) cannot be passed to a program"
    if size > MAX_BYTES:
        return f"{size} bytes are more than a program can be given at once ({MAX_BYTES})"
    return None


def shortest(number: int | float) -> str:
    """A number in its shortest form: ``5``, not ``5.0``."""
    if isinstance(number, float) and number.is_integer() and abs(number) <= _EXACT:
        return str(int(number))
    return repr(number)
