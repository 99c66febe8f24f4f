"""Arguments as old clients send them, read back into what they choose of a job type.

They send what is to stand on the command line, so this is where ``--factor 2`` becomes the option
Factor with the value 2 again, which is then checked like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ijp.errors import ValidationFailedError
from jobdefs.job_type import JobOption, JobType, OptionType

_IDS = {"--datasetIds=": "dataset_ids", "--datafileIds=": "datafile_ids"}


@dataclass
class Parsed:
    """What the arguments say."""

    dataset_ids: tuple[int, ...] = ()
    datafile_ids: tuple[int, ...] = ()
    options: dict[str, object] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()


def parse(job_type: JobType, parameters: Sequence[str]) -> Parsed:
    """Read the arguments of a submission.

    What is no option is kept for job types that take arguments of the caller's own.

    Raises:
        ValidationFailedError: Another job type got something that is no option of it.
    """
    parsed = Parsed()
    rest = list(parameters)
    own: list[str] = []
    while rest:
        if (taken := _ids(parsed, rest[0]) or _option(parsed, job_type, rest)) == 0:
            own.append(rest[0])
            taken = 1
        del rest[:taken]
    if own and not job_type.raw_arguments:
        raise ValidationFailedError(
            f"{job_type.name!r} has no option for {own[0]!r}",
            fields={"parameter": [f"unknown: {one!r}" for one in own]},
        )
    parsed.arguments = tuple(own)
    return parsed


def _ids(parsed: Parsed, word: str) -> int:
    for prefix, name in _IDS.items():
        if word.startswith(prefix):
            text = word.removeprefix(prefix)
            try:
                ids = tuple(int(part) for part in text.split(",") if part)
            except ValueError as error:
                raise ValidationFailedError(
                    f"{prefix.rstrip('=')} takes ids separated by commas, not {text!r}",
                    fields={"parameter": [f"not ids: {text!r}"]},
                ) from error
            setattr(parsed, name, (*getattr(parsed, name), *ids))
            return 1
    return 0


def _option(parsed: Parsed, job_type: JobType, words: Sequence[str]) -> int:
    """Take the option that the first words are; the longest if several begin alike."""
    found = [
        (length, option)
        for option in job_type.options
        if option.program_parameter and (length := _matching(option, words))
    ]
    if not found:
        return 0
    length, option = max(found, key=lambda pair: pair[0])
    if option.type is OptionType.BOOLEAN:
        parsed.options[option.key] = True
        return length
    if len(words) <= length:
        raise ValidationFailedError(
            f"{words[length - 1]} needs a value", fields={option.key: ["the value is missing"]}
        )
    parsed.options[option.key] = words[length]
    return length + 1


def _matching(option: JobOption, words: Sequence[str]) -> int:
    """How many of the first words are the option's; 0 if they are not."""
    wanted = option.program_parameter
    if tuple(words[: len(wanted)]) == wanted:
        return len(wanted)
    # old clients sent a parameter with a blank as one argument
    return 1 if words[0] == " ".join(wanted) else 0
