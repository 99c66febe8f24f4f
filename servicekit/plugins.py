"""Plug-ins: classes that a distribution registers by entry point."""

from __future__ import annotations

import inspect
from importlib.metadata import entry_points
from typing import TypeVar

T = TypeVar("T")


class PluginError(Exception):
    """A plug-in is missing or is not what it must be."""


def load(group: str, name: str, base: type[T]) -> type[T]:
    """The class registered under a name, checked against its base class.

    Raises:
        PluginError: None or several are registered, it cannot be loaded, or it is not complete.
    """
    found = list(entry_points(group=group, name=name))
    if not found:
        others = ", ".join(sorted(available(group))) or "none"
        raise PluginError(f"no {group} named {name!r} is installed (there are: {others})")
    if len({point.value for point in found}) > 1:
        places = ", ".join(sorted(point.value for point in found))
        raise PluginError(f"several {group} are named {name!r}: {places}")
    try:
        loaded = found[0].load()
    except (ImportError, AttributeError) as error:
        raise PluginError(f"{group} {name!r} cannot be loaded: {error}") from error
    if not (inspect.isclass(loaded) and issubclass(loaded, base)):
        raise PluginError(f"{group} {name!r}: {found[0].value} is not a {base.__name__}")
    if inspect.isabstract(loaded):
        missing = ", ".join(sorted(getattr(loaded, "__abstractmethods__", ())))
        raise PluginError(f"{group} {name!r} does not implement {missing}")
    return loaded


def available(group: str) -> set[str]:
    """The names registered in a group."""
    return {point.name for point in entry_points(group=group)}
