"""What is wrong with a definition, said to the person who writes definitions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Severity(StrEnum):
    """How bad a problem is."""

    ERROR = "error"
    """Something does not work as written: a file, an option, a family is not used."""
    WARNING = "warning"
    """It works, though probably not as meant."""
    NOTICE = "notice"
    """It was read in a way that is worth knowing."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in one file.

    Attributes:
        line: Counted from 1; None when it is about the whole file.
        message: What was found, naming it.
        advice: What to write instead; empty when the message says it all.
    """

    file: Path
    line: int | None
    severity: Severity
    message: str
    advice: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else str(self.file)
        advice = f" → {self.advice}" if self.advice else ""
        return f"{place}: {self.severity}: {self.message}{advice}"
