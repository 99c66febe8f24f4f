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
    largest: str | None
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
            if value is not None and np.isfinite(value):
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
    return text or None


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


def entries(file: h5py.File) -> Iterator[h5py.Group]:
    """The NXentry groups, by name."""
    for name in sorted(file):
        if file.get(name, getlink=True).__class__ is not h5py.HardLink:
            continue
        group = file[name]
        if isinstance(group, h5py.Group) and text_of(group.attrs.get("NX_class")) == "NXentry":
            yield group


def field(entry: h5py.Group, *path: str) -> str | None:
    """Text of a field of an entry; None if it is not there."""
    found: Any = entry
    for name in path:
        if not isinstance(found, h5py.Group) or name not in found:
            return None
        found = found[name]
    return text_of(found) if isinstance(found, h5py.Dataset) else None


def largest_array(file: h5py.File) -> h5py.Dataset | None:
    """The largest numeric array whose values are in this file and fit into memory."""
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

    file.visititems(visit)
    return max(found, key=lambda one: (one.size, one.name), default=None)


def instrument_of(entry: h5py.Group) -> str | None:
    """The name of the entry's instrument: its ``name``, or the group's own name."""
    for name in sorted(entry):
        if entry.get(name, getlink=True).__class__ is not h5py.HardLink:
            continue
        group = entry[name]
        if isinstance(group, h5py.Group) and text_of(group.attrs.get("NX_class")) == "NXinstrument":
            return field(group, "name") or name
    return None


def facts(path: Path) -> Facts:
    """What a file says.

    Raises:
        ValueError: It is not an HDF5 file, or has no entry.
    """
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"{path.name} is not an HDF5 file: {error}") from error
    with file:
        found = list(entries(file))
        if not found:
            raise ValueError(f"{path.name} has no NXentry group")
        first = found[0]
        array = largest_array(file)
        values = None if array is None else np.asarray(array[()], dtype=float)
        return Facts(
            title=field(first, "title"),
            start=date_of(field(first, "start_time")),
            end=date_of(field(first, "end_time")),
            definition=field(first, "definition"),
            instrument=instrument_of(first),
            entries=len(found),
            largest=None if array is None else array.name,
            shape=() if array is None else array.shape,
            total=None if values is None else float(np.nansum(values)),
            peak=None if values is None else float(np.nanmax(values)),
        )
