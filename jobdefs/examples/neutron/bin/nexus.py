"""What the programs of the neutron and X-ray facility share: how to read NeXus as it really is.

Files from many sources differ: several entries or one, dates in many spellings or none, titles as
bytes or text or missing, arrays that are only a promise of other files.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ijp.job import Parameter

LONGEST_TEXT = 4000
SUFFIXES = {".nxs", ".nx5", ".hdf", ".hdf5", ".h5"}
MOST_VALUES = 50_000_000
_DATE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.\d+)?\s*(Z|[+-]\d\d:?\d\d)?\s*$"
)


def drop_folder() -> Path:
    """Where instruments leave their files."""
    site = Path(__file__).resolve().parent.parent / "site.toml"
    place = tomllib.loads(site.read_text(encoding="utf-8"))["drop_folder"]
    return (site.parent / place).resolve()


@dataclass(frozen=True)
class Facts:
    """What a file says of its measurement; None is what it does not say."""

    title: str | None
    start: datetime | None
    end: datetime | None
    definition: str | None
    instrument: str | None
    entries: int
    shape: tuple[int, ...]
    total: float | None
    peak: float | None

    def parameters(self) -> list[Parameter]:
        """As dataset parameters; what is not known is not there."""
        texts = {"title": self.title, "definition": self.definition, "instrument": self.instrument}
        found = [Parameter(name, text) for name, text in texts.items() if text]
        found.append(Parameter("numEntries", self.entries))
        if self.shape:
            found.append(Parameter("numDimensions", len(self.shape)))
            found.append(Parameter("numValues", float(np.prod(self.shape, dtype=float))))
        if self.start and self.end and self.end >= self.start:
            found.append(Parameter("duration", (self.end - self.start).total_seconds(), "s"))
        for name, value in (("totalCounts", self.total), ("peakCounts", self.peak)):
            if value is not None:
                found.append(Parameter(name, value, "counts"))
        return found


def text_of(value: Any) -> str | None:
    """Text of a NeXus field: bytes, text, or an array of one of them; None if it is empty."""
    if isinstance(value, h5py.Dataset):
        if value.size != 1:
            return None
        value = value[()]
    while isinstance(value, np.ndarray | list) and len(np.ravel(value)):
        value = np.ravel(value)[0]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    text = str(value).strip("\x00 \n") if isinstance(value, str) else ""
    return text[:LONGEST_TEXT] or None


def date_of(text: str | None) -> datetime | None:
    """A moment in any of the spellings that occur; one without a zone is taken as UTC."""
    if not text or not (found := _DATE.match(text)):
        return None
    zone = found[7] or "Z"
    zone = "+00:00" if zone == "Z" else zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    year, month, day, hour, minute, second = found.groups()[:6]
    try:
        moment = datetime.fromisoformat(f"{year}-{month}-{day}T{hour}:{minute}:{second}{zone}")
    except ValueError:
        return None
    return moment.astimezone(UTC)


def member(group: h5py.Group, name: str) -> Any:
    """What is in a group under a name; None if it is not there.

    A link to another file, or to another place, leads to files that nobody meant: it is not there.
    """
    link = group.get(name, getlink=True)
    return group[name] if isinstance(link, h5py.HardLink) else None


def kind_of(item: Any) -> str | None:
    """The NeXus class of a group."""
    return text_of(item.attrs.get("NX_class")) if isinstance(item, h5py.Group) else None


def members_of_kind(group: h5py.Group, kind: str) -> Iterator[h5py.Group]:
    """The groups of a NeXus class in a group, by name."""
    for name in sorted(group):
        item = member(group, name)
        if kind_of(item) == kind:
            yield item


def field(entry: h5py.Group, name: str) -> str | None:
    """Text of a field of a group; None if it is not there."""
    found = member(entry, name)
    return text_of(found) if isinstance(found, h5py.Dataset) else None


def arrays(file: h5py.File) -> list[h5py.Dataset]:
    """The numeric arrays whose values are in this file and fit into memory, the largest first."""
    found: list[h5py.Dataset] = []

    def visit(_: str, item: Any) -> None:
        if (
            isinstance(item, h5py.Dataset)
            and item.ndim >= 1
            and item.dtype.kind in "iuf"
            and 1 < item.size <= MOST_VALUES
            and not item.is_virtual
            and not item.external
        ):
            found.append(item)

    file.visititems(visit)  # it follows no links
    return sorted(found, key=lambda one: (-one.size, one.name))


def counts_among(found: list[h5py.Dataset]) -> h5py.Dataset | None:
    """The largest array of what a detector counted: whole numbers, in its group or in NXdata."""
    for array in found:
        if array.dtype.kind in "iu" and kind_of(array.parent) in ("NXdetector", "NXdata"):
            return array
    return None


def instrument_of(entry: h5py.Group) -> str | None:
    """The name of the entry's instrument: its ``name``, or the group's own name."""
    for group in members_of_kind(entry, "NXinstrument"):
        return field(group, "name") or group.name.rpartition("/")[2]
    return None


def facts(path: Path) -> Facts:
    """What a file says.

    Raises:
        ValueError: It is not an HDF5 file, is damaged, or has no entry.
    """
    try:
        with h5py.File(path, "r") as file:
            return _facts(file)
    except (OSError, RuntimeError, KeyError) as error:
        raise ValueError(f"not an HDF5 file, or a damaged one: {error}") from error


def _facts(file: h5py.File) -> Facts:
    entries = list(members_of_kind(file, "NXentry"))
    if not entries:
        raise ValueError("it has no NXentry group")
    first = entries[0]
    found = arrays(file)
    counts = counts_among(found)
    shown = found[0] if counts is None and found else counts
    values = None if counts is None else np.asarray(counts[()], dtype=float)
    return Facts(
        title=field(first, "title"),
        start=date_of(field(first, "start_time")),
        end=date_of(field(first, "end_time")),
        definition=field(first, "definition"),
        instrument=instrument_of(first),
        entries=len(entries),
        shape=() if shown is None else shown.shape,
        total=None if values is None else float(values.sum()),
        peak=None if values is None else float(values.max()),
    )
