"""Ids of datasets and datafiles on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

MOST = 2**63 - 1


class Ids(click.ParamType[Any]):
    """One id or several with commas; repeated options add to each other."""

    name = "ID[,ID]"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> tuple[int, ...]:
        """The numbers of a text.

        Raises:
            BadParameter: Something in it is not the number of anything.
        """
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",") if part.strip()]
        for part in parts:
            if not (part.isascii() and part.isdigit() and 0 < int(part) <= MOST):
                self.fail(f"{part!r} is not an id", param, context)
        return tuple(map(int, parts))


IDS = Ids()
DATASETS = click.option(
    "-d", "--dataset", "datasets", multiple=True, type=IDS, help="Input datasets."
)
DATAFILES = click.option(
    "-f", "--datafile", "datafiles", multiple=True, type=IDS, help="Input datafiles."
)


def flat(groups: Iterable[tuple[int, ...]]) -> list[int]:
    """The ids of all groups, each once, in order."""
    return list(dict.fromkeys(id for group in groups for id in group))
