"""The settings that all engines have that run commands."""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from batch.job import runner
from batch.resources import Resources, faults
from ijp.errors import BadRequestError


@dataclass(frozen=True, kw_only=True)
class CommandSettings:
    """What the engine's table of the settings says.

    Attributes:
        command_folder: Where the system's commands are; compulsory.
        environment: What the commands get, such as the place of the system's configuration.
        timeout_seconds: How long a command may take.
        run_as: The Unix account of jobs that name none; "" is that of the server.
        python: The interpreter on the nodes, 3.11 or newer, nothing but its standard library.
        runner: ``batch/job/runner.py`` as the nodes see it.
        array_limit: How many elements an array may have; 1 is no arrays.
        allowed_options: Patterns (``*``, ``?``) of raw options that jobs may have.
        pass_variables: Patterns of variables of the system that reach the job's program.
        defaults: What jobs get that ask for nothing; the names are those of ``Resources``.
        accounts: The command of the account helper on the nodes, which runs programs in accounts of
            pools; none is that they run as the job does.
        lease_variable: Where prologues take leases for accounts (docs/accounts.md), the variable of
            the batch system with the job's key, such as SLURM_JOB_ID, or several with dots between
            them, as JOB_ID.SGE_TASK_ID: no job begins that has none.
        busy_exit_code: What the runner ends with when no account is free, such as 99 where that has
            the system queue the job again; 0 is that it waits on the node until one is.
        grace_seconds: Between asking a program to end and killing it; less than what the system
            gives between its own two signals.
        record_wait_seconds: How long, after the system says that a job has ended, its runner's
            record may take to be seen here; raise it for slow network file systems.
        process_limit: How many processes and threads a job may have on a node.
        own: Settings of this engine only.
    """

    command_folder: Path
    environment: Mapping[str, str]
    timeout_seconds: float
    run_as: str
    python: Path
    runner: Path
    array_limit: int
    allowed_options: tuple[str, ...]
    pass_variables: tuple[str, ...]
    accounts: tuple[str, ...]
    lease_variable: str
    busy_exit_code: int
    defaults: Mapping[str, Any]
    grace_seconds: float
    record_wait_seconds: float
    process_limit: int
    own: Mapping[str, Any]

    def with_defaults(self, resources: Resources) -> Resources:
        """Resources with what the defaults give where nothing was asked for."""
        missing = self.defaults.keys() - resources.asked()
        return replace(resources, **{name: self.defaults[name] for name in missing})

    def check_options(self, options: Sequence[str]) -> None:
        """Refuse raw options that are not allowed.

        Raises:
            BadRequestError: Names all of them.
        """
        refused = [option for option in options if not self._is_allowed(option)]
        if refused:
            raise BadRequestError(f"options that the settings do not allow: {refused}")

    def _is_allowed(self, option: str) -> bool:
        is_option = option.startswith("-") and option.isprintable()
        return is_option and any(fnmatch.fnmatchcase(option, one) for one in self.allowed_options)


def split_options(options: Sequence[str]) -> tuple[str, ...]:
    """Raw options as arguments: "-P neutrons" is two, "--comment=for you" is one."""
    arguments: list[str] = []
    for option in options:
        is_one = option.startswith("--") and "=" in option.partition(" ")[0]
        arguments += [option] if is_one else option.split(" ", 1)
    return tuple(arguments)


def read_settings(given: Mapping[str, Any], engine: str, own: Mapping[str, Any]) -> CommandSettings:
    """Check an engine's table.

    Args:
        given: What is in the settings file.
        engine: For messages.
        own: The engine's further settings with their defaults, whose types hold.

    Raises:
        BadRequestError: Names every fault.
    """
    readers: dict[str, tuple[Any, Callable[[Any], Any]]] = {
        "command_folder": (None, _folder),
        "environment": ({}, _texts_by_name),
        "timeout_seconds": (60.0, _positive),
        "run_as": ("", _text),
        "python": (sys.executable, _path),
        "runner": (runner.__file__, _path),
        "array_limit": (1000, _count),
        "allowed_options": ([], _texts),
        "pass_variables": ([], _texts),
        "accounts": ([], _command),
        "lease_variable": ("", _text),
        "busy_exit_code": (0, _exit_code),
        "defaults": ({}, _resources),
        "grace_seconds": (5.0, _positive),
        "record_wait_seconds": (10.0, _positive),
        "process_limit": (4096, _count),
        **{name: (default, _like(default)) for name, default in own.items()},
    }
    wrong = [f"unknown setting {name!r}" for name in given if name not in readers]
    values: dict[str, Any] = {}
    for name, (default, read) in readers.items():
        try:
            values[name] = read(given.get(name, default))
        except ValueError as error:
            wrong.append(f"{name} {error}")
    if wrong:
        raise BadRequestError(f"the {engine} engine's settings: {'; '.join(sorted(wrong))}")
    common = {one.name for one in fields(CommandSettings)} - {"own"}
    return CommandSettings(
        **{name: value for name, value in values.items() if name in common},
        own={name: value for name, value in values.items() if name not in common},
    )


def _folder(value: Any) -> Path:
    if value is None:
        raise ValueError("is missing: the folder where the system's commands are")
    path = _path(value)
    if not path.is_dir():
        raise ValueError(f"is not a folder: {value!r}")
    return path


def _path(value: Any) -> Path:
    if not isinstance(value, str) or not value.startswith("/"):
        raise ValueError(f"must be an absolute path; it is {value!r}")
    return Path(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be a text; it is {value!r}")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"must be a list of texts; it is {value!r}")
    return tuple(value)


def _command(value: Any) -> tuple[str, ...]:
    words = _texts(value)
    if words and not words[0].startswith("/"):
        raise ValueError(f"must begin with an absolute path; it is {value!r}")
    return words


def _exit_code(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 255:
        raise ValueError(f"must be an exit code, 0 to 255; it is {value!r}")
    return value


def _texts_by_name(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise ValueError(f"must be a table of texts; it is {value!r}")
    return dict(value)


def _positive(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
        raise ValueError(f"must be a number above 0; it is {value!r}")
    return float(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"must be a whole number above 0; it is {value!r}")
    return value


def _resources(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"must be a table; it is {value!r}")
    values: dict[str, Any] = {
        name: tuple(one) if isinstance(one, list) else one for name, one in value.items()
    }
    for name, one in values.items():
        if name not in {known.name for known in fields(Resources)}:
            raise ValueError(f"has no resource {name!r}")
        kind = {"queue": str, "account": str, "features": tuple}.get(name, int)
        if not isinstance(one, kind) or isinstance(one, bool):
            raise ValueError(f"has a wrong {name}: {one!r}")
    if wrong := faults(Resources(**values)):
        raise ValueError(f"has a wrong value: {'; '.join(wrong)}")
    return values


def _like(default: Any) -> Callable[[Any], Any]:
    """A reader for values of the type of a default."""

    def read(value: Any) -> Any:
        kind = type(default)
        accepted = (int, float) if kind is float else kind
        if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
            raise ValueError(f"must be like {default!r}; it is {value!r}")
        return value

    return read
