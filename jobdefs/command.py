"""From choices and a selection to the list of arguments, and to the number of jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobdefs.form import Choices
from jobdefs.job_type import JobType

RESERVED = (
    "--sessionId",
    "--icatUrl",
    "--idsUrl",
    "--ijpJobId",
    "--ijpUrl",
    "--datasetIds",
    "--datafileIds",
)
"""Arguments that only the portal itself gives."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of one job."""

    dataset_ids: tuple[int, ...] = ()
    datafile_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """What the user must be asked before it is clear how many jobs to run.

    Attributes:
        jobs: How many jobs there will be with one per input.
        one_job_possible: One job for all inputs is the other answer; else the only question is
            whether that many jobs are meant.
        text: The question.
    """

    jobs: int
    one_job_possible: bool
    text: str


def arguments(
    job_type: JobType,
    choices: Choices,
    dataset_ids: Sequence[int] = (),
    datafile_ids: Sequence[int] = (),
) -> list[str]:
    """The arguments of one job: ids, then options in their order, then the caller's own.

    What the portal appends (``--sessionId=`` and the like) is not in it. The program receives
    each string exactly as it is here, the empty one and newlines included.

    Raises:
        TooLargeError: One argument is longer than the operating system takes.
    """
    raise NotImplementedError


def argv(job_type: JobType, job_arguments: Sequence[str]) -> list[str]:
    """The program and its arguments, as a job is started with them."""
    return [*job_type.program, *job_arguments]


def plan(
    job_type: JobType,
    dataset_ids: Sequence[int],
    datafile_ids: Sequence[int],
    one_job: bool | None = None,
) -> list[Inputs] | Question:
    """Say which jobs a submission becomes, or what to ask first.

    Args:
        job_type: The job type.
        dataset_ids: The selected datasets; an id that is repeated counts once.
        datafile_ids: The selected datafiles.
        one_job: The answer to the question: True one job for all, False one for each, None not
            asked yet.

    Raises:
        ValidationFailedError: This type cannot run so; ``fields`` has ``oneJob`` or ``inputs``.
    """
    raise NotImplementedError
