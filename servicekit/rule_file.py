"""The rules of a catalog as a file, so that they can be under version control."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marshmallow import Schema, fields, validate

from servicekit.toml_file import checked


@dataclass(frozen=True, order=True)
class RuleLine:
    """One rule; without a group it is for everyone.

    Attributes:
        flags: Of the letters C, R, U and D, in this order.
        what: The query of the objects.
    """

    group: str | None
    flags: str
    what: str

    @classmethod
    def of(cls, group: str | None, flags: str, what: str) -> RuleLine:
        """A rule in the one form by which rules are compared."""
        given = set(flags.strip().upper())
        ordered = "".join(flag for flag in "CRUD" if flag in given)
        return cls(group or None, ordered, what.strip())

    def __str__(self) -> str:
        return f"{self.flags:<4} {self.group or 'everyone'}: {self.what}"


@dataclass(frozen=True, order=True)
class StepLine:
    """A relation that everyone may follow in INCLUDE."""

    origin: str
    field: str

    def __str__(self) -> str:
        return f"public step {self.origin}.{self.field}"


@dataclass(frozen=True)
class RuleFile:
    """What a file says, in its order."""

    path: Path
    rules: tuple[RuleLine, ...]
    public_steps: tuple[StepLine, ...]


class _Rule(Schema):
    group = fields.String(load_default=None)
    crud = fields.String(required=True, validate=validate.Regexp("^[CRUD]{1,4}$"))
    what = fields.List(fields.String(), required=True)


class _PublicStep(Schema):
    origin = fields.String(required=True)
    field = fields.String(required=True)


class _Rules(Schema):
    rules = fields.List(fields.Nested(_Rule), load_default=list)
    public_steps = fields.List(fields.Nested(_PublicStep), load_default=list)


def read(path: Path) -> RuleFile:
    """Read a file of rules; whether a catalog takes them only that catalog can say.

    Raises:
        SettingsError: It is missing or wrong; the message names the file and every fault.
    """
    document: dict[str, Any] = checked(path, _Rules())
    rules = (
        RuleLine.of(one["group"], one["crud"], what)
        for one in document["rules"]
        for what in one["what"]
    )
    steps = (StepLine(one["origin"], one["field"]) for one in document["public_steps"])
    return RuleFile(path, tuple(rules), tuple(steps))
