"""Options of commands that choose a batch engine for a new installation."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def engine_options(command: F) -> F:
    """Give a command ``--engine`` and ``--engine-setting``; the latter arrives as a table."""
    setting = click.option(
        "--engine-setting",
        "engine_settings",
        multiple=True,
        metavar="NAME=VALUE",
        callback=_settings,
        help="For its table, such as command_folder=/usr/bin; may be given several times.",
    )
    engine = click.option(
        "--engine", default="local", show_default=True, help="The batch system (docs/engines.md)."
    )
    return engine(setting(command))


def _settings(
    _context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, Any]:
    """Take ``a.b=value`` as TOML does; a value that is no TOML is a text."""
    table: dict[str, Any] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not all(name.split(".")):
            raise click.BadParameter(f"{text!r} is not NAME=VALUE")
        *outer, last = name.split(".")
        place = table
        for one in outer:
            place = place.setdefault(one, {})
            if not isinstance(place, dict):
                raise click.BadParameter(f"{text!r}: {one} has a value already")
        place[last] = _value(value)
    return table


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
