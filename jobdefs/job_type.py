"""What a facility's XML defines: job types with their options, quantities, search items."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from jobdefs.condition import Condition


class Kind(StrEnum):
    """How a job runs: unattended, or as a desktop session."""

    BATCH = "batch"
    INTERACTIVE = "interactive"


class OptionType(StrEnum):
    """What an option takes."""

    BOOLEAN = "boolean"
    ENUMERATION = "enumeration"
    STRING = "string"
    INTEGER = "integer"
    FLOAT = "float"

    @property
    def is_number(self) -> bool:
        """Bounds make sense for it."""
        return self in (OptionType.INTEGER, OptionType.FLOAT)


@dataclass(frozen=True, slots=True)
class RequestedResources:
    """What a job of this type needs; None leaves it to the batch system.

    Attributes:
        engine: The batch engine that it would like, where there are several.
    """

    cores: int | None = None
    memory_mib: int | None = None
    wall_minutes: int | None = None
    engine: str | None = None


@dataclass(frozen=True, slots=True)
class JobOption:
    """One option of a job type's form.

    Attributes:
        name: The label.
        key: What values are given by: the name, with `` (2)`` and so on where it is repeated.
        group_name: Of a boolean: the radio group that it belongs to; at most one is chosen.
        program_parameter: The words put on the command line; none: it never contributes.
        values: The members of an enumeration; an empty one means "leave it out".
        default_value: What the program does by itself; shown and prefilled, not sent.
        send_default: A value equal to the default is sent as well.
        condition: Must hold for every selected dataset; None: always offered.
        fault: Why the option can never be offered, as its definition is wrong; else None.
        line: Where it stands in the file.
    """

    name: str
    type: OptionType
    key: str = ""
    group_name: str | None = None
    program_parameter: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    default_value: str | None = None
    send_default: bool = False
    min_value: float | None = None
    max_value: float | None = None
    condition: Condition | None = None
    tip: str | None = None
    fault: str | None = None
    line: int | None = None

    def __post_init__(self) -> None:
        if not self.key:
            object.__setattr__(self, "key", self.name)


@dataclass(frozen=True, slots=True)
class JobType:
    """One kind of job that users can start.

    Attributes:
        name: Shown to users, and the key in the REST interfaces.
        executable: As it stands in the file; ``program`` is what to run.
        program: The words of the executable, which the arguments follow. A relative path with a
            slash in it has been resolved against the facility's folder; a bare name has not.
        kind: Batch or interactive.
        multiple: One job may take several inputs.
        force_single_job: Several inputs always go to one job; nobody is asked.
        family: The family of accounts that runs it; None: the default one.
        session_id: The job wants a session (``--sessionId=``).
        icat_url_required: The job wants ``--icatUrl=``.
        ids_url_required: The job wants ``--idsUrl=``.
        creates_provenance: The job wants ``--ijpJobId=`` and ``--ijpUrl=``.
        dataset_types: Names of the dataset types that it takes; empty: it takes no data.
        options: In the order of the form and of the command line.
        version: The SHA-256 of the file, hexadecimal.
        help: A description for users.
        raw_arguments: Callers may give arguments of their own after the options.
        source: The file; None when it was not read from one.
    """

    name: str
    executable: str
    kind: Kind
    program: tuple[str, ...] = ()
    multiple: bool = False
    force_single_job: bool = False
    family: str | None = None
    session_id: bool = False
    icat_url_required: bool = False
    ids_url_required: bool = False
    accepts_datasets: bool = False
    accepts_datafiles: bool = False
    creates_provenance: bool = False
    dataset_types: tuple[str, ...] = ()
    options: tuple[JobOption, ...] = ()
    version: str = ""
    help: str | None = None
    raw_arguments: bool = False
    resources: RequestedResources = RequestedResources()
    source: Path | None = None

    def __post_init__(self) -> None:
        if not self.program:
            object.__setattr__(self, "program", (self.executable,))

    @property
    def job_only(self) -> bool:
        """It takes neither datasets nor datafiles."""
        return not self.dataset_types
