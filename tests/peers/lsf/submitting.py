"""bsub and bmod."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from tests.peers.lsf.store import WAITING, Job, Store, number_of
from tests.peers.standin.refusal import Refusal

_WITH_VALUE = {"-J", "-cwd", "-o", "-e", "-n", "-M", "-W", "-q", "-P", "-w", "-gpu", "-app"}
_FLAGS = {"-r", "-rn", "-ti"}
_UNITS = {"": 1, "KB": 1, "MB": 1024, "GB": 1024**2}
_NOT_SUBMITTED = "Job not submitted."
_CONDITION = re.compile(r"(done|exit|ended|started)\((\d+(?:\[\d+\])?)\)")


def bsub(store: Store, arguments: list[str]) -> str:
    """Take a job; the command line is what is left behind the options."""
    options, words = _read(arguments)
    if not words:
        raise Refusal(255, f"Empty job. {_NOT_SUBMITTED}")
    name, indices = _name(options.get("-J", words[0]))
    job = {
        "name": name,
        "user": store.caller(),
        "job_state": "PEND",
        "command": " ".join(words),
        "rerunnable": "-r" in options,
        "orphan": "-ti" in options,
        "pend_reason": "New job is waiting for scheduling;",
        "submitted": time.time(),
        "exit_code": "",
        "exit_reason": "",
        "exec_host": "",
        "_events": [],
        **_limits(store, options, _NOT_SUBMITTED),
    }
    with store.writing():
        job["waits_for"] = _conditions(store, options.get("-w", ""))
        number = store.new_number()
        for index in indices or [0]:
            element = dict(job)
            element["Job_Id"] = f"{number}[{index}]" if indices else str(number)
            element["name"] = f"{name}[{index}]" if indices else name
            element["_events"] = [_event(f"Submitted from host <head>, to Queue <{job['queue']}>")]
            store.add(element)
    is_default = "-q" not in options
    return f"Job <{number}> is submitted to {'default ' * is_default}queue <{job['queue']}>.\n"


def bmod(store: Store, arguments: list[str]) -> str:
    options, operands = _read(arguments)
    changed = _limits(store, options, "Job not modified.", only_given=True)
    with store.writing():
        for job in found(store, operands):
            if job["job_state"] not in WAITING:
                raise Refusal(255, f"Job <{job['Job_Id']}>: Job has already started")
            store.save({**job, **changed})
    return "".join(f"Parameters of job <{one}> are being changed\n" for one in operands)


def found(store: Store, operands: list[str]) -> list[Job]:
    """The jobs; a number alone is the job, or all elements of the array."""
    jobs: list[Job] = []
    for operand in operands:
        if not re.fullmatch(r"\d+(\[\d+\])?", operand):
            raise Refusal(255, f"{operand}: Illegal job ID.")
        job = store.get(operand)
        elements = [] if job or "[" in operand else store.elements(number_of(operand))
        if job is None and not elements:
            raise Refusal(255, f"Job <{operand}>: No matching job found")
        jobs += [job] if job else elements
    return jobs


def _event(text: str) -> list[Any]:
    return [time.time(), text]


def _read(arguments: list[str]) -> tuple[dict[str, str], list[str]]:
    options: dict[str, str] = {}
    left = list(arguments)
    while left and left[0].startswith("-"):
        name = left.pop(0)
        if name in _FLAGS:
            options[name] = ""
        elif name == "-R":
            options[name] = f"{options.get(name, '')} {left.pop(0)}"
        elif name in _WITH_VALUE and left:
            options[name] = left.pop(0)
        else:
            raise Refusal(255, f"{name}: Unknown option. {_NOT_SUBMITTED}")
    return options, left


def _name(text: str) -> tuple[str, list[int]]:
    """A job's name; of an array "name[1-4]" with its indices."""
    array = re.fullmatch(r"(.*)\[(\d+)-(\d+)\]", text)
    if array is None:
        return text, []
    return array[1], list(range(int(array[2]), int(array[3]) + 1))


def _limits(
    store: Store, options: Mapping[str, str], refused: str, *, only_given: bool = False
) -> dict[str, Any]:
    wanted = options.get("-q", store.config["default_queue"])
    if wanted not in store.config["queues"]:
        raise Refusal(255, f"{wanted}: No such queue. {refused}")
    project = options.get("-P", "default")
    if project not in store.config["projects"]:
        raise Refusal(255, f"{project}: No such project. {refused}")
    resources = {name for host in store.config["hosts"] for name in host["resources"]}
    selected = re.findall(r"select\[([^\]]*)\]", options.get("-R", ""))
    needed = [name for text in selected for name in text.split(" && ")]
    if unknown := set(needed) - resources:
        raise Refusal(255, f"{min(unknown)}: Bad resource requirement syntax. {refused}")
    memory = re.fullmatch(r"(\d+)(KB|MB|GB)?", options.get("-M", "0"))
    minutes = re.fullmatch(r"(?:(\d+):)?(\d+)", options.get("-W", "0"))
    if memory is None or minutes is None:
        raise Refusal(255, f"Bad argument for option. {refused}")
    limits = {
        "-q": ("queue", wanted),
        "-P": ("project", project),
        "-n": ("slots", int(options.get("-n", "1"))),
        "-R": ("resources", options.get("-R", "").strip()),
        "-gpu": ("gpu", options.get("-gpu", "")),
        "-M": ("memory_kb", int(memory[1]) * _UNITS[memory[2] or ""]),
        "-W": ("minutes", 60 * int(minutes[1] or 0) + int(minutes[2])),
    }
    return {
        name: value
        for option, (name, value) in limits.items()
        if option in options or not only_given
    }


def _conditions(store: Store, text: str) -> list[list[str]]:
    """Such as ``done(12) && ended(13[4])``; a job that is not known refuses the submission."""
    conditions: list[list[str]] = []
    for part in filter(None, text.split(" && ")):
        condition = _CONDITION.fullmatch(part)
        if condition is None:
            raise Refusal(255, f"{text}: Dependency condition invalid. {_NOT_SUBMITTED}")
        if store.get(condition[2]) is None:
            raise Refusal(255, f"{text}: Dependency condition never satisfied. {_NOT_SUBMITTED}")
        conditions.append([condition[1], condition[2]])
    return conditions
