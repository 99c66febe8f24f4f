"""From a job type and a selection to a form, and from what was filled in to checked choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from jobdefs.condition import Value
from jobdefs.job_type import JobOption, JobType

OptionValue = bool | int | float | str


@dataclass(frozen=True, slots=True)
class OfferedOption:
    """An option, and whether it stands on the form for this selection.

    Attributes:
        reason: Why it is not offered, for the user; None when it is.
        preselected: The first offered member of its radio group.
    """

    option: JobOption
    offered: bool
    reason: str | None = None
    preselected: bool = False


@dataclass(frozen=True, slots=True)
class Choices:
    """Checked values, ready for the command line.

    Attributes:
        values: By the option's key; only what is to be sent.
        arguments: Arguments of the caller's own, verbatim.
    """

    values: Mapping[str, OptionValue] = field(default_factory=lambda: MappingProxyType({}))
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a job type takes a selection; ``reason`` says why not, else it is empty."""

    fits: bool
    reason: str = ""


def offered(
    job_type: JobType, quantities: Sequence[Mapping[str, Value]], labels: Sequence[str] = ()
) -> list[OfferedOption]:
    """Say of every option whether it is offered: its condition holds for every dataset.

    Args:
        job_type: Whose options.
        quantities: Of each selected dataset, the named quantities. None selected: options with a
            condition are not offered; a dataset without quantities hides them as well.
        labels: What to call the datasets in reasons, in the same order.
    """
    raise NotImplementedError


def check(
    job_type: JobType,
    values: Mapping[str, object],
    quantities: Sequence[Mapping[str, Value]],
    *,
    arguments: Sequence[str] = (),
) -> Choices:
    """Check what a user filled in, or a program sent, against the job type.

    Values may be of their own type or the text of a form field. None and the empty text mean
    "not given", False "not ticked". A number or text equal to the option's default is left out,
    as the program does that by itself, unless the definition says to send it.

    Args:
        job_type: Whose options.
        values: By the option's key.
        quantities: As for ``offered``.
        arguments: Arguments of the caller's own, only for job types with ``raw_arguments``.

    Raises:
        ValidationFailedError: With ``fields`` by option key (``arguments`` for the raw ones):
            every unknown option, hidden option, wrong type, value out of range, second choice
            in a group, all at once.
    """
    raise NotImplementedError


def runs(
    job_type: JobType, dataset_types: Sequence[str], datafile_dataset_types: Sequence[str] = ()
) -> Fit:
    """Say whether a job type takes a selection, and if not, the one reason.

    Args:
        job_type: The job type.
        dataset_types: The type's name of each selected dataset.
        datafile_dataset_types: The type's name of the dataset of each selected datafile.
    """
    raise NotImplementedError
