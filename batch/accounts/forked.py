"""Doing something in a process of its own, whose rights and mounts end with it."""

from __future__ import annotations

import os
from collections.abc import Callable


class ChildFailedError(Exception):
    """What was to be done in a process of its own failed there; the message says how."""


def in_child(work: Callable[[], str]) -> str:
    """Have a child do something; gives the text that it gave.

    Raises:
        ChildFailedError: It raised something, or was killed.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reading)
            with os.fdopen(writing, "w", encoding="utf-8", errors="surrogateescape") as report:
                try:
                    report.write(work())
                    code = 0
                except Exception as error:
                    report.write(f"{type(error).__name__}: {error}")
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8", errors="surrogateescape") as report:
        text = report.read()
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code:
        raise ChildFailedError(text or f"the child ended with {code}")
    return text
