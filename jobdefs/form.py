"""From a job type and a selection to a form, and from what was filled in to checked choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from ijp.errors import ValidationFailedError
from jobdefs import option_value, words
from jobdefs.condition import Condition, ConditionError, Value
from jobdefs.job_type import JobOption, JobType, Kind, OptionType
from jobdefs.option_value import OptionValue, ValueFaultError


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
    grouped: set[str] = set()
    found: list[OfferedOption] = []
    for option in job_type.options:
        reason = _reason(option, quantities, labels)
        first = option.group_name is not None and reason is None and _is_radio(option)
        first = first and option.group_name not in grouped
        if first and option.group_name is not None:
            grouped.add(option.group_name)
        found.append(OfferedOption(option, reason is None, reason, first))
    return found


def _is_radio(option: JobOption) -> bool:
    return option.type is OptionType.BOOLEAN and option.group_name is not None


def _reason(
    option: JobOption, quantities: Sequence[Mapping[str, Value]], labels: Sequence[str]
) -> str | None:
    if option.fault is not None:
        return f"its definition is wrong: {option.fault}"
    if option.condition is None:
        return None
    if not quantities:
        return f"it depends on the dataset ({option.condition.text}), and none is selected"
    asked: dict[tuple[object, ...], str | None] = {}
    names = sorted(option.condition.names)
    for number, known in enumerate(quantities):
        # Many datasets are alike: each combination of values is asked about once.
        key = (bool(known), *((type(known.get(one)), known.get(one, _ABSENT)) for one in names))
        if key not in asked:
            asked[key] = _against(option.condition, known)
        if (fault := asked[key]) is not None:
            label = labels[number] if number < len(labels) else f"dataset {number + 1}"
            where = f" for {label}" if len(quantities) > 1 or labels else ""
            return f"{option.condition.text} is needed, but{where} {fault}"
    return None


_ABSENT = object()


def _against(condition: Condition, known: Mapping[str, Value]) -> str | None:
    """What speaks against a condition, nothing if it holds."""
    if not known:
        return "nothing is known of its type"
    try:
        if condition.holds(known):
            return None
    except ConditionError as error:
        if not condition.names <= known.keys():
            return str(error.message)
        if any(known[name] is None for name in condition.names):
            return _values(condition, known)
        return f"{_values(condition, known)}: {error.message}"
    return _values(condition, known) or "that never holds"


def _values(condition: Condition, known: Mapping[str, Value]) -> str:
    return ", ".join(f"{name} is {_shown(known[name])}" for name in sorted(condition.names))


def _shown(value: Value) -> str:
    if value is None:
        return "not known"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return words.shortest(value)
    return str(value)[:60]


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
    faults: dict[str, list[str]] = {}
    checked: dict[str, OptionValue] = {}
    for one in offered(job_type, quantities):
        option = one.option
        if option.key not in values:
            continue
        try:
            value = _checked(one, values[option.key])
        except ValueFaultError as fault:
            faults.setdefault(option.key, []).append(str(fault))
            continue
        if value is not None:
            checked[option.key] = value
    for key in values.keys() - {option.key for option in job_type.options}:
        faults[key] = [f"{job_type.name!r} has no option {key!r}"]
    _check_groups(job_type, checked, faults)
    if wrong := _argument_faults(job_type, arguments):
        faults["arguments"] = wrong
    if faults:
        raise ValidationFailedError(_summary(faults), fields=faults)
    return Choices(MappingProxyType(checked), tuple(arguments))


def _summary(faults: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{key}: {text}" for key, texts in faults.items() for text in texts)


def _checked(one: OfferedOption, given: object) -> OptionValue | None:
    """The value as it goes to the command line; None when it contributes nothing."""
    option = one.option
    value = option_value.read(option, given)
    if value is None or value is False:
        return None
    if not one.offered:
        raise ValueFaultError(f"this option is not offered: {one.reason}")
    if not option.send_default and option_value.is_default(option, value):
        return None
    return value


def _check_groups(
    job_type: JobType, checked: Mapping[str, OptionValue], faults: dict[str, list[str]]
) -> None:
    chosen: dict[str, str] = {}
    for option in job_type.options:
        if not _is_radio(option) or option.group_name is None or option.key not in checked:
            continue
        first = chosen.setdefault(option.group_name, option.key)
        if first != option.key:
            text = f"of {option.group_name!r} only one may be chosen, and {first!r} is"
            faults.setdefault(option.key, []).append(text)


def _argument_faults(job_type: JobType, given: Sequence[str]) -> list[str]:
    if not given:
        return []
    if not job_type.raw_arguments:
        return [f"{job_type.name!r} takes no arguments of your own, only its options"]
    faults: list[str] = []
    for argument in given:
        if not isinstance(argument, str):
            faults.append(f"{option_value.quoted(argument)} is not a text")
        elif words.is_reserved(argument):
            faults.append(f"{option_value.quoted(argument)} is reserved for the portal")
        elif fault := words.fault(argument):
            faults.append(fault)
    return faults


def runs(
    job_type: JobType, dataset_types: Sequence[str], datafile_dataset_types: Sequence[str] = ()
) -> Fit:
    """Say whether a job type takes a selection, and if not, the one reason.

    Args:
        job_type: The job type.
        dataset_types: The type's name of each selected dataset.
        datafile_dataset_types: The type's name of the dataset of each selected datafile.
    """
    reason = _against_selection(job_type, dataset_types, datafile_dataset_types)
    return Fit(not reason, reason)


def _against_selection(
    job_type: JobType, dataset_types: Sequence[str], datafile_dataset_types: Sequence[str]
) -> str:
    number = len(dataset_types) + len(datafile_dataset_types)
    if job_type.job_only:
        return "it takes no data: start it without a selection" if number else ""
    if not number:
        return f"it needs {_wanted(job_type)}"
    if dataset_types and not job_type.accepts_datasets:
        return f"it takes {_wanted(job_type)}, not whole datasets"
    if datafile_dataset_types and not job_type.accepts_datafiles:
        return f"it takes {_wanted(job_type)}, not single datafiles"
    wrong = {*dataset_types, *datafile_dataset_types} - set(job_type.dataset_types)
    if wrong:
        return f"it takes {_wanted(job_type)}, not {_listed(sorted(wrong))}"
    if number > 1 and job_type.kind is Kind.INTERACTIVE and not job_type.multiple:
        return f"it opens one dataset or datafile at a time, and {number} are selected"
    return ""


def _wanted(job_type: JobType) -> str:
    whats = [
        what
        for what, taken in (
            ("datasets", job_type.accepts_datasets),
            ("datafiles", job_type.accepts_datafiles),
        )
        if taken
    ]
    data = " or ".join(whats) or "neither datasets nor datafiles"
    return f"{data} of type {_listed(job_type.dataset_types)}"


def _listed(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    return f"{', '.join(names[:-1])} or {names[-1]}"
