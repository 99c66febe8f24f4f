"""From choices and a selection to the list of arguments, and to the number of jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ijp.errors import TooLargeError, ValidationFailedError
from jobdefs import words
from jobdefs.form import Choices
from jobdefs.job_type import JobOption, JobType, Kind, OptionType
from jobdefs.option_value import OptionValue


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
        TooLargeError: There are too many inputs for one command line.
    """
    found: list[str] = []
    for name, ids in (("--datasetIds", dataset_ids), ("--datafileIds", datafile_ids)):
        if ids:
            found.append(f"{name}={','.join(str(int(one)) for one in ids)}")
            if words.fault(found[-1]):
                raise TooLargeError(
                    f"{len(ids)} inputs are too many for one job's command line: "
                    "run a job for each, or select fewer"
                )
    for option in job_type.options:
        if option.key in choices.values:
            found.extend(_contribution(option, choices.values[option.key]))
    return [*found, *choices.arguments]


def _contribution(option: JobOption, value: OptionValue) -> Iterator[str]:
    if not option.program_parameter or value is False:
        return
    yield from option.program_parameter
    if option.type is not OptionType.BOOLEAN:
        yield value if isinstance(value, str) else words.shortest(value)


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
    everything = Inputs(tuple(dict.fromkeys(dataset_ids)), tuple(dict.fromkeys(datafile_ids)))
    number = len(everything.dataset_ids) + len(everything.datafile_ids)
    _check_number(job_type, number)
    if number <= 1:
        return [everything]
    if job_type.kind is Kind.INTERACTIVE or job_type.force_single_job:
        if one_job is False:
            raise _refused("oneJob", f"{job_type.name!r} always takes everything in one job")
        return [everything]
    if one_job is None:
        return _question(job_type, number)
    if one_job:
        if not job_type.multiple:
            raise _refused("oneJob", f"{job_type.name!r} takes one dataset or datafile a job")
        return [everything]
    return [
        *(Inputs(dataset_ids=(one,)) for one in everything.dataset_ids),
        *(Inputs(datafile_ids=(one,)) for one in everything.datafile_ids),
    ]


def _check_number(job_type: JobType, number: int) -> None:
    if job_type.job_only and number:
        raise _refused("inputs", f"{job_type.name!r} takes no data")
    if not job_type.job_only and not number:
        raise _refused("inputs", f"{job_type.name!r} needs a dataset or datafile")
    if number > 1 and job_type.kind is Kind.INTERACTIVE and not job_type.multiple:
        raise _refused(
            "inputs", f"{job_type.name!r} opens one dataset or datafile at a time, not {number}"
        )


def _question(job_type: JobType, number: int) -> Question:
    if job_type.multiple:
        text = f"One job for all {number} inputs, or {number} jobs with one each?"
    else:
        text = f"{job_type.name} takes one input a job: run {number} jobs?"
    return Question(number, job_type.multiple, text)


def _refused(field: str, message: str) -> ValidationFailedError:
    return ValidationFailedError(message, fields={field: [message]})
