"""Refusing what no engine may be given, and what one engine cannot do."""

from __future__ import annotations

import os
import re

from batch.engine import BatchEngine, Capability, JobSpec
from batch.resources import faults
from ijp.errors import BadRequestError

MARK = re.compile(r"[0-9A-Z]{26}")
"""What a mark looks like: a ULID, so that nobody else's has the same."""


def check(spec: JobSpec) -> None:
    """Refuse what no engine may be given, before it reaches one.

    Raises:
        BadRequestError: Names the first fault found.
    """
    if not MARK.fullmatch(spec.mark):
        raise BadRequestError(f"a mark is 26 characters 0-9 A-Z; this is {spec.mark!r}")
    if not spec.owner:
        raise BadRequestError("a job has no owner")
    _check_texts(spec)
    for path in (spec.folder, spec.stdout, spec.stderr):
        if not path.is_absolute():
            raise BadRequestError(f"not an absolute path: {str(path)!r}")
    if not spec.folder.is_dir():
        raise BadRequestError(f"the job's folder does not exist: {str(spec.folder)!r}")
    if spec.stdout == spec.stderr:
        raise BadRequestError(f"standard output and error are one file: {str(spec.stdout)!r}")
    wrong = faults(spec.resources)
    if spec.output_limit_bytes < 1:
        wrong.append(f"output_limit_bytes must be at least 1; it is {spec.output_limit_bytes}")
    if wrong:
        raise BadRequestError("; ".join(wrong))


def _check_texts(spec: JobSpec) -> None:
    if not spec.argv or not spec.argv[0]:
        raise BadRequestError("a job has no program")
    paths = (str(spec.folder), str(spec.stdout), str(spec.stderr))
    names_values = (text for pair in spec.environment.items() for text in pair)
    for text in (*spec.argv, *names_values, *paths, spec.owner, spec.name):
        if "\0" in text:
            raise BadRequestError(f"a NUL character cannot be passed to a program: {text!r}")
        try:
            os.fsencode(text)
        except UnicodeEncodeError as error:
            raise BadRequestError(f"not text that can be passed to a program: {text!r}") from error
    for name in spec.environment:
        if not name or "=" in name:
            raise BadRequestError(f"not the name of an environment variable: {name!r}")


def check_capabilities(spec: JobSpec, engine: BatchEngine) -> None:
    """Refuse what an engine would otherwise have to leave undone.

    Raises:
        BadRequestError: The spec wants something that is not among the engine's capabilities.
    """
    wanted = {
        Capability.DEPENDENCIES: spec.after,
        Capability.RUN_AS: spec.run_as,
        Capability.RAW_OPTIONS: spec.options,
    }
    for capability, value in wanted.items():
        if value and capability not in engine.capabilities:
            raise BadRequestError(
                f"the batch engine {engine.name!r} knows no {capability.value}: {value!r}"
            )
