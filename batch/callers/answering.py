"""What the helpers have in common: which call is wanted, and how the answer gets out."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:\[\]-]{0,127}")
# Of the time that the engine waits, for the questions; starting takes some, too.
_FOR_ANSWERS = 0.5
_MOST_SECONDS_FOR_ONE = 10.0
_LEAST_SECONDS_FOR_ONE = 0.1


def answered(
    arguments: Sequence[str],
    *,
    submit: Callable[[dict[str, Any]], Any],
    status: Callable[[str], Any],
    cancel: Callable[[str], Any],
) -> int:
    """Make the call that the arguments name; gives the exit code.

    Whatever the code itself prints goes to standard error.
    """
    out = os.dup(1)
    os.dup2(2, 1)
    function, *rest = arguments
    if function == "submit":
        return _submitted(out, rest[0], submit(json.loads(rest[1])))
    if function == "cancel":
        said = cancel(rest[0])
        if said != 1:
            print(f"cancelling gave {said!r}", file=sys.stderr)
        return int(said != 1)
    told = _asked(status, rest[1:], float(rest[0]))
    os.write(out, json.dumps(told).encode())
    return 0


def _submitted(out: int, path: str, said: Any) -> int:
    native_id = str(said).strip()
    if not said or isinstance(said, bool) or not ID.fullmatch(native_id):
        print(f"submitting gave no job id: {said!r}", file=sys.stderr)
        return 1
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(native_id)
        file.flush()
        os.fsync(file.fileno())
    os.rename(f"{path}.new", path)
    os.write(out, f"{native_id}\n".encode())
    return 0


def _asked(status: Callable[[str], Any], native_ids: Sequence[str], seconds: float) -> Any:
    """What is said of each; of one that raises or takes too long, an error.

    Those that there was no time for are absent, but one is asked for in any case.
    """
    until = time.monotonic() + seconds * _FOR_ANSWERS
    told: dict[str, Any] = {}
    signal.signal(signal.SIGALRM, _too_slow)
    for native_id in native_ids:
        left = until - time.monotonic()
        if left <= 0 and told:
            break
        limit = max(min(left, _MOST_SECONDS_FOR_ONE), _LEAST_SECONDS_FOR_ONE)
        signal.setitimer(signal.ITIMER_REAL, limit)
        try:
            said = status(native_id)
            told[native_id] = said if isinstance(said, (int, str)) else _unusable(said)
        except _TooSlowError:
            if told and limit < _MOST_SECONDS_FOR_ONE:
                # It had not all the time that it may take: next time.
                break
            told[native_id] = {"error": f"no answer after {limit:.1f} s"}
        except (Exception, SystemExit) as problem:
            told[native_id] = {"error": f"{type(problem).__name__}: {problem}"}
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    return told


class _TooSlowError(BaseException):
    """Not an error that the code itself would take for one of its own."""


def _unusable(said: Any) -> dict[str, str]:
    return {"error": f"what it gave is no status: {said!r:.100}"}


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise _TooSlowError
