"""What is odd about the options of a job type, though they can be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from jobdefs import option_value, words
from jobdefs.document import closest
from jobdefs.job_type import JobOption, JobType, OptionType
from jobdefs.option_value import ValueFaultError
from jobdefs.problem import Problem, Severity
from jobdefs.quantities import NamedQuery


def odd_options(
    job_type: JobType, quantities: Mapping[str, tuple[NamedQuery, ...]]
) -> Iterator[Problem]:
    """What the options of a job type have that was probably not meant.

    Args:
        job_type: One that was read from a file.
        quantities: The named quantities by dataset type.
    """
    for option in job_type.options:
        checks = (_type_faults, _parameter_faults, _value_faults, _bound_faults)
        for check in checks:
            for message, advice in check(option):
                yield _problem(job_type, option, Severity.WARNING, message, advice)
        yield from _condition_faults(job_type, option, quantities)
    yield from _group_faults(job_type)


def _problem(
    job_type: JobType, option: JobOption, severity: Severity, message: str, advice: str
) -> Problem:
    assert job_type.source is not None
    text = f"option {option.name!r}: {message}"
    return Problem(job_type.source, option.line, severity, text, advice)


Fault = tuple[str, str]


def _type_faults(option: JobOption) -> Iterator[Fault]:
    kind = option.type
    if option.values and kind is not OptionType.ENUMERATION:
        yield f"<values> mean nothing for type {kind}", "write enumeration, or take them out"
    if not kind.is_number and (option.min_value is not None or option.max_value is not None):
        yield f"bounds mean nothing for type {kind}", "write integer or float, or take them out"
    if option.group_name is not None and kind is not OptionType.BOOLEAN:
        yield f"<groupName> means nothing for type {kind}", "only booleans form groups"
    if option.default_value is not None and kind is OptionType.BOOLEAN:
        yield "a boolean has no <defaultValue>", "it is sent when ticked, and never otherwise"


def _parameter_faults(option: JobOption) -> Iterator[Fault]:
    parameter = option.program_parameter
    shown = " ".join(parameter)
    if not parameter and option.group_name is None and option.fault is None:
        yield (
            "without <programParameter> it never reaches the program",
            "write what goes on the command line, such as --depth",
        )
    for word in parameter:
        if "==" in word:
            yield f"programParameter {word!r} has ==", f"write {word.replace('==', '=')}"
        if words.is_reserved(word):
            yield f"{word!r} is given by the portal alone", "choose another name"
    if len(parameter) > 1 and any(not word.startswith("-") for word in parameter):
        yield (
            f"programParameter {shown!r} becomes {len(parameter)} arguments",
            "put quotes around it if one is meant",
        )
    if option.type is not OptionType.BOOLEAN and shown.endswith("="):
        yield (
            f"programParameter {shown!r} ends with =, and the value is an argument of its own",
            f"write {shown[:-1]}",
        )


def _value_faults(option: JobOption) -> Iterator[Fault]:
    if option.type is not OptionType.ENUMERATION:
        return
    if not any(option.values):
        yield "an enumeration without <values> has nothing to choose", "add <values>…</values>"
    for value, number in Counter(option.values).items():
        if number > 1:
            yield f"value {value!r} is there {number} times", "take the others out"
        if value != value.strip():
            yield f"value {value!r} has blanks around it, which the program gets", "take them out"


def _bound_faults(option: JobOption) -> Iterator[Fault]:
    low, high = option.min_value, option.max_value
    if low is not None and high is not None and low > high:
        shown = f"minValue {words.shortest(low)} is above maxValue {words.shortest(high)}"
        yield shown, "exchange them"
        return
    if option.default_value is None or option.type is OptionType.BOOLEAN:
        return
    try:
        option_value.read(option, option.default_value)
    except ValueFaultError as fault:
        yield f"defaultValue: {fault}", "write a value that users could give"


def _group_faults(job_type: JobType) -> Iterator[Problem]:
    booleans = [
        option
        for option in job_type.options
        if option.group_name is not None and option.type is OptionType.BOOLEAN
    ]
    sizes = Counter(option.group_name for option in booleans)
    for option in booleans:
        if option.group_name is not None and sizes[option.group_name] == 1:
            others = [name for name in sizes if name and name != option.group_name]
            advice = closest(option.group_name, others) or "take <groupName> out for a checkbox"
            message = f"it is alone in group {option.group_name!r}"
            yield _problem(job_type, option, Severity.WARNING, message, advice)


def _condition_faults(
    job_type: JobType, option: JobOption, quantities: Mapping[str, tuple[NamedQuery, ...]]
) -> Iterator[Problem]:
    if option.condition is None:
        return
    if job_type.job_only:
        message = "a condition never holds in a job type that takes no data"
        yield _problem(job_type, option, Severity.WARNING, message, "take <condition> out")
        return
    if not job_type.accepts_datasets:
        message = "a condition never holds in a job type that takes no datasets"
        yield _problem(job_type, option, Severity.WARNING, message, "set acceptsDatasets to true")
    by_type = {name: _names(quantities, name) for name in job_type.dataset_types}
    everywhere = set[str]().union(*by_type.values())
    for name in sorted(option.condition.names):
        if name not in everywhere:
            yield _unknown_quantity(job_type, option, name, sorted(everywhere))
            continue
        for dataset_type in (one for one, names in by_type.items() if name not in names):
            message = f"{name!r} is not known of {dataset_type!r}: never offered for those"
            advice = f"define it for {dataset_type!r} in job_dataset_parameters"
            yield _problem(job_type, option, Severity.WARNING, message, advice)


def _names(quantities: Mapping[str, tuple[NamedQuery, ...]], dataset_type: str) -> set[str]:
    return {one.name for one in quantities.get(dataset_type, ())}


def _unknown_quantity(
    job_type: JobType, option: JobOption, name: str, known: Sequence[str]
) -> Problem:
    types = ", ".join(map(repr, job_type.dataset_types))
    advice = closest(name, known) or (
        f"known: {', '.join(known)}" if known else "define it in job_dataset_parameters"
    )
    message = f"{name!r} is no quantity of {types}, so it is never offered"
    return _problem(job_type, option, Severity.ERROR, message, advice)
