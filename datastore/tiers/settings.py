"""Settings of the second level, from the table ``[datastore.archive]``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from marshmallow import Schema, ValidationError, post_load, validate, validates_schema
from marshmallow import fields as checks

from datastore.tiers.states import Unit


@dataclass(frozen=True)
class ArchiveSettings:
    """What the data service is told of the archive behind its storage.

    Attributes:
        storage: Name of the archive plug-in.
        settings: The plug-in's own.
        spool_folder: Where zips are while they are made and unpacked; best on a disk of its own.
        unit: What is moved as a whole. It cannot be changed once something was stored.
        delay_seconds: For datasets, how long a write waits after the last change; for files, how
            long requests are collected after the first one.
        start_archiving_bytes: When the main storage has as many, the longest unused data go.
            None: data go when they are told to.
        stop_archiving_bytes: Until it has no more than these.
        tidy_seconds: How often that is looked at.
        workers: How many things are moved at a time, in each process.
        poll_seconds: How often a process looks for work.
        lease_seconds: After what time without a sign of life locks and work of a process end.
        check_datasets: How many archived datasets are checked at a time; 0 for none.
        check_seconds: How often.
    """

    storage: str = "local"
    folder: Path = Path("archive")
    settings: Mapping[str, Any] = field(default_factory=dict)
    spool_folder: Path = Path("spool")
    unit: Unit = Unit.DATASET
    delay_seconds: float = 60.0
    start_archiving_bytes: int | None = None
    stop_archiving_bytes: int | None = None
    tidy_seconds: float = 3600.0
    workers: int = 2
    poll_seconds: float = 1.0
    lease_seconds: float = 60.0
    check_datasets: int = 0
    check_seconds: float = 600.0


_POSITIVE = validate.Range(min=0, min_inclusive=False)


class ArchiveSchema(Schema):
    """Checks the table."""

    storage = checks.String()
    folder = checks.String()
    settings = checks.Dict(keys=checks.String())
    spool_folder = checks.String()
    unit = checks.Enum(Unit, by_value=True)
    delay_seconds = checks.Float(validate=validate.Range(min=0))
    start_archiving_bytes = checks.Integer(validate=validate.Range(min=1))
    stop_archiving_bytes = checks.Integer(validate=validate.Range(min=0))
    tidy_seconds = checks.Float(validate=_POSITIVE)
    workers = checks.Integer(validate=validate.Range(min=1, max=64))
    poll_seconds = checks.Float(validate=_POSITIVE)
    lease_seconds = checks.Float(validate=validate.Range(min=1))
    check_datasets = checks.Integer(validate=validate.Range(min=0))
    check_seconds = checks.Float(validate=_POSITIVE)

    @validates_schema
    def _levels(self, values: dict[str, Any], **_: Any) -> None:
        start, stop = values.get("start_archiving_bytes"), values.get("stop_archiving_bytes")
        if (start is None) != (stop is None):
            raise ValidationError("give both start_archiving_bytes and stop_archiving_bytes")
        if start is not None and stop is not None and stop >= start:
            raise ValidationError(f"stop_archiving_bytes {stop} is not below {start}")

    @post_load
    def _make(self, values: dict[str, Any], **_: Any) -> ArchiveSettings:
        for name in ("folder", "spool_folder"):
            if name in values:
                values[name] = Path(values[name])
        return ArchiveSettings(**values)
