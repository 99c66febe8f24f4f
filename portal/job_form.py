"""The option form of a job type: what it shows, and what was filled into it."""

from __future__ import annotations

import math
import secrets
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from werkzeug.datastructures import MultiDict

from ijp.catalog import CatalogSession, Entity
from jobdefs.form import OfferedOption
from jobdefs.job_type import JobOption, JobType, OptionType
from portal.jobs import Preview, Request
from portal.selection import Selection

MOST_INVESTIGATIONS = 500
OPTION = "option."
GROUP = "group."


@dataclass(frozen=True)
class Control:
    """One control of the form.

    Attributes:
        kind: checkbox, radio, select, number or text.
        name: Of the form's field.
        value: As text; of a checkbox ``true`` or empty, of radio buttons the chosen key.
        choices: Of a list or of radio buttons, as (value, label).
        help: The tip, with default and range.
    """

    kind: str
    name: str
    label: str
    value: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    help: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Filled:
    """What was typed into a form; None where nothing was yet.

    Attributes:
        argument_fault: Why the user's own arguments cannot be read; empty if they can.
    """

    values: Mapping[str, object]
    arguments: tuple[str, ...] = ()
    arguments_text: str = ""
    argument_fault: str = ""
    one_job: bool | None = None
    investigation_id: int | None = None
    key: str = ""
    version: str | None = None
    engine: str = ""


def read(job_type: JobType, given: MultiDict[str, str]) -> Filled:
    """What a form's fields say; nothing is checked but that they can be read."""
    values: dict[str, object] = {}
    for name, value in given.items():
        if name.startswith(OPTION):
            values[name.removeprefix(OPTION)] = value
        elif name.startswith(GROUP) and value:
            values[value] = True
    for option in job_type.options:
        if option.type is OptionType.BOOLEAN and option.group_name is None and option.key in values:
            values[option.key] = values[option.key] == "true"
    text = given.get("arguments", "")
    arguments, fault = _words(text)
    investigation = given.get("investigation", "")
    return Filled(
        values=values,
        arguments=arguments,
        arguments_text=text,
        argument_fault=fault,
        one_job={"one": True, "many": False}.get(given.get("oneJob", "")),
        investigation_id=int(investigation) if _is_id(investigation) else None,
        key=given.get("key") or secrets.token_urlsafe(16),
        version=given.get("version") or None,
        engine=given.get("engine", "")[:100],
    )


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def _words(text: str) -> tuple[tuple[str, ...], str]:
    try:
        return tuple(shlex.split(text)), ""
    except ValueError as error:
        return (), f"these words cannot be told apart: {str(error).lower()}"


def fresh(job_type: JobType, repeated: Request | None = None) -> Filled:
    """A form that nobody has filled in yet: with defaults, or as a job was that is repeated."""
    key = secrets.token_urlsafe(16)
    values: dict[str, object] = {
        option.key: option.default_value
        for option in job_type.options
        if option.default_value is not None and option.type is not OptionType.BOOLEAN
    }
    if repeated is None:
        return Filled(values, key=key)
    return Filled(
        values | dict(repeated.options),
        repeated.arguments,
        shlex.join(repeated.arguments),
        investigation_id=repeated.investigation_id,
        key=key,
    )


def offered_values(filled: Filled, offered: Iterable[OfferedOption]) -> dict[str, object]:
    """What was filled in, without the options that do not stand on the form any more."""
    hidden = {one.option.key for one in offered if not one.offered}
    return {key: value for key, value in filled.values.items() if key not in hidden}


def request_for(job_type: JobType, selection: Selection, filled: Filled) -> Request:
    """What the portal is asked for."""
    return Request(
        job_type=job_type.name,
        version=filled.version,
        dataset_ids=selection.dataset_ids,
        datafile_ids=selection.datafile_ids,
        options=filled.values,
        arguments=filled.arguments,
        one_job=filled.one_job,
        investigation_id=filled.investigation_id,
        key=filled.key or None,
        engine=filled.engine or None,
    )


def controls(
    offered: Sequence[OfferedOption], filled: Filled, faults: Mapping[str, Sequence[str]]
) -> list[Control]:
    """The controls for the offered options, in their order; a group stands where its first does."""
    found: list[Control] = []
    grouped: set[str] = set()
    for one in offered:
        option = one.option
        if not one.offered:
            continue
        if option.type is OptionType.BOOLEAN and option.group_name is not None:
            if option.group_name not in grouped:
                grouped.add(option.group_name)
                found.append(_radio(option.group_name, offered, filled, faults))
            continue
        found.append(_control(option, filled.values.get(option.key), faults.get(option.key, ())))
    return found


def _radio(
    group: str,
    offered: Sequence[OfferedOption],
    filled: Filled,
    faults: Mapping[str, Sequence[str]],
) -> Control:
    members = [one for one in offered if one.option.group_name == group and one.offered]
    chosen = [one.option.key for one in members if filled.values.get(one.option.key) is True]
    preselected = [one.option.key for one in members if one.preselected]
    tips = [f"{one.option.name}: {one.option.tip}" for one in members if one.option.tip]
    return Control(
        kind="radio",
        name=GROUP + group,
        label=group,
        value=next(iter([*chosen, *preselected]), ""),
        choices=tuple((one.option.key, one.option.name) for one in members),
        help=" ".join(tips),
        faults=tuple(text for one in members for text in faults.get(one.option.key, ())),
    )


def _control(option: JobOption, value: object, faults: Sequence[str]) -> Control:
    kind = {
        OptionType.BOOLEAN: "checkbox",
        OptionType.ENUMERATION: "select",
        OptionType.STRING: "text",
    }.get(option.type, "number")
    if kind == "checkbox":
        text = "true" if value is True else ""
    elif isinstance(value, float):
        text = _shortest(value)
    else:
        text = "" if value is None else str(value)
    return Control(
        kind=kind,
        name=OPTION + option.key,
        label=option.name,
        value=text,
        choices=_choices(option) if kind == "select" else (),
        help=_help(option),
        attributes=_attributes(option) if kind == "number" else {},
        faults=tuple(faults),
    )


def _choices(option: JobOption) -> tuple[tuple[str, str], ...]:
    # An empty member means "leave it out"; a list without one still has to allow that.
    texts = option.values if "" in option.values or option.default_value else ("", *option.values)
    return tuple((text, text or "(leave it out)") for text in texts)


def _help(option: JobOption) -> str:
    parts = [option.tip] if option.tip else []
    if option.default_value is not None:
        parts.append(f"Default: {option.default_value}.")
    low, high = (_shortest(bound) for bound in (option.min_value, option.max_value))
    if low and high:
        parts.append(f"From {low} to {high}.")
    elif low or high:
        parts.append(f"At least {low}." if low else f"At most {high}.")
    return " ".join(parts)


def _attributes(option: JobOption) -> dict[str, str]:
    found = {"step": "1" if option.type is OptionType.INTEGER else "any"}
    found["inputmode"] = "numeric" if option.type is OptionType.INTEGER else "decimal"
    for name, bound in (("min", option.min_value), ("max", option.max_value)):
        if text := _shortest(bound):
            found[name] = text
    return found


def _shortest(bound: float | None) -> str:
    if bound is None or not math.isfinite(bound):
        return ""
    return str(int(bound)) if float(bound).is_integer() else repr(bound)


def investigations(session: CatalogSession, preview: Preview) -> list[Entity]:
    """Where results may go: the investigations of the inputs first, then the newest others."""
    if not preview.job_type.creates_provenance:
        return []
    own = preview.selected.investigations
    known = {one["id"] for one in own}
    text = f"SELECT i FROM Investigation i ORDER BY i.id DESC LIMIT 0, {MOST_INVESTIGATIONS}"
    return [*own, *(one for one in session.search(text) if one["id"] not in known)]


def hidden_notes(preview: Preview) -> list[tuple[str, str]]:
    """The options that are not offered, each with the reason."""
    return [(one.option.name, one.reason or "") for one in preview.offered if not one.offered]


def command_line(command: Sequence[str]) -> str:
    """A command as one could type it; it is never run through a shell."""
    return shlex.join(command)
