"""Ending every process of an account at once, whatever it does against it.

A process that has become the account and sends a signal to "all" reaches them in one go, which a
process that forks cannot outrun (kill(2), with -1): there is no list that could be outdated.
"""

from __future__ import annotations

import os
import signal
import time

from batch.accounts.forked import in_child

_APART = 2**31
"""Added to an account's user id it is one that no account has: whoever sends signals as the account
cannot be sent one by it then, nor by whoever does the same for another account."""
_PAUSE_SECONDS = 0.01


def living(uid: int) -> list[int]:
    """The processes that run, in any sense, as a user; those that are dead already left out.

    As of several moments: who forks quickly may not be seen.
    """
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and _is_of(name, uid)]


def _is_of(name: str, uid: int) -> bool:
    state, users = "Z", ()  # type: tuple[str, tuple[str, ...]]
    try:
        with open(f"/proc/{name}/status", encoding="utf-8", errors="replace") as file:
            for line in file:
                head, _, rest = line.partition(":")
                if head == "State":
                    state = rest.strip()[:1]
                elif head == "Uid":
                    users = tuple(rest.split())
                    break
    except OSError:
        return False
    return state not in "ZX" and str(uid) in users


def signal_all(uid: int, number: int) -> None:
    """Send a signal to all processes of an account.

    Raises:
        ChildFailedError: The signal was not sent.
    """

    nobody = uid + _APART

    def send() -> str:
        os.setgroups([])
        os.setresgid(nobody, nobody, nobody)
        os.setresuid(nobody, uid, nobody)
        if uid == 0 or os.getresuid() != (nobody, uid, nobody) or _may_signal(1):
            raise PermissionError("this process still has rights that would reach everybody")
        try:
            os.kill(-1, number)
        except ProcessLookupError:
            pass
        except PermissionError:  # there are only others
            pass
        return ""

    in_child(send)


def _may_signal(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return False
    return True


def end_all(uid: int, *, patience_seconds: float) -> list[int]:
    """Kill all processes of an account.

    It is done without looking first: of processes that are another every few milliseconds, none
    may be in a list when its entry is read. Afterwards there is nothing that could fork.

    Returns:
        Those that are still there after the time given, as the kernel does not let go of them.
    """
    until = time.monotonic() + patience_seconds
    while True:
        signal_all(uid, signal.SIGKILL)
        left = living(uid)
        if not left or time.monotonic() > until:
            return left
        time.sleep(_PAUSE_SECONDS)
