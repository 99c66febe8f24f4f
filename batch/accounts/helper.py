"""``ijp-account-helper``: the only part that is root, with verbs that are fixed.

    ijp-account-helper run FAMILY KEY          a program in an account; its caller is standard input
    ijp-account-helper prologue KEY ACCOUNT    before a batch system starts a job in an account
    ijp-account-helper epilogue KEY ACCOUNT    after it
    ijp-account-helper tidy                    clean and free what a crash has left
    ijp-account-helper tidy-except             the same; standard input: the keys of jobs that live
    ijp-account-helper list                    the accounts, one a line

What there is to choose from is in ``/etc/ijp/accounts.toml``, which only root can write. Nothing of
the caller's environment is heeded, and no shell is started. Exit statuses: 0 done; 64 no such verb
or arguments; 70 something could not be cleaned; 75 in use now; 77 not allowed; 78 not set up.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

import re
import signal
import socket

from batch.accounts import configuration, trust
from batch.accounts.cleaning import NotCleanError
from batch.accounts.configuration import FAMILY, NAME, ConfigurationError, RefusedError
from batch.accounts.leases import BusyError
from batch.accounts.pool import Finding, Pool
from batch.accounts.service import serve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

DONE, WRONG_USE, NOT_CLEAN, BUSY, REFUSED, NOT_SET_UP = 0, 64, 70, 75, 77, 78

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\[\]-]{0,127}")
"""A mark, or the id of a job in any batch system."""
_VERBS = {
    "run": (FAMILY, _KEY),
    "prologue": (_KEY, NAME),
    "epilogue": (_KEY, NAME),
    "tidy": (),
    "tidy-except": (),
    "list": (),
}
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_LONGEST_LIST = 16 * 1024 * 1024


class WrongUseError(Exception):
    """These are not a verb and its arguments."""


def main() -> None:
    """Start again with nothing of the caller's, then do what is asked for."""
    if not (sys.flags.isolated and sys.flags.no_site):
        line = [sys.executable, "-I", "-S", os.path.abspath(__file__), *sys.argv[1:]]
        os.execve(sys.executable, line, {"PATH": _PATH, "LC_ALL": "C.UTF-8"})  # noqa: S606
    os.chdir("/")
    os.umask(0o077)
    # Told what to do by its caller's socket only, whose end is also that of the job.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    sys.exit(answer(sys.argv[1:]))


def answer(arguments: Sequence[str], path: str = configuration.PATH) -> int:
    """Do what the arguments say; gives the exit status, and says on standard error why."""
    try:
        verb, *rest = parse(arguments)
        if os.geteuid() != 0:
            raise ConfigurationError("this program has to be root's; see docs/accounts.md")
        trust.check_code(_TOP)
        return _do(Pool(configuration.read(path)), verb, rest)
    except WrongUseError as error:
        code = _tell(WRONG_USE, error)
    except BusyError as error:
        code = _tell(BUSY, error)
    except RefusedError as error:
        code = _tell(REFUSED, error)
    except NotCleanError as error:
        code = _tell(NOT_CLEAN, error)
    except (ConfigurationError, trust.NotTrustedError, OSError) as error:
        code = _tell(NOT_SET_UP, error)
    return code


def parse(arguments: Sequence[str]) -> list[str]:
    """The verb and its arguments.

    Raises:
        WrongUseError: They are anything else.
    """
    if not arguments or arguments[0] not in _VERBS:
        raise WrongUseError(f"a verb is wanted: {', '.join(_VERBS)}")
    forms = _VERBS[arguments[0]]
    given = list(arguments[1:])
    if len(given) != len(forms):
        raise WrongUseError(f"{arguments[0]} takes {len(forms)} arguments, not {len(given)}")
    for text, form in zip(given, forms, strict=True):
        if not form.fullmatch(text):
            raise WrongUseError(f"{arguments[0]}: not acceptable: {text!r}")
    return list(arguments)


def _do(pool: Pool, verb: str, rest: list[str]) -> int:
    if verb == "run":
        _run(pool, *rest)
    elif verb == "prologue":
        pool.begin(*rest)
    elif verb == "epilogue":
        for line in pool.end(*rest):
            print(f"removed: {line}", file=sys.stderr)
    elif verb == "list":
        _show(pool.look())
    else:
        _show(pool.tidy(_alive() if verb == "tidy-except" else None))
    return DONE


def _run(pool: Pool, family: str, key: str) -> None:
    try:
        caller = socket.socket(fileno=os.dup(0))
        caller.getpeername()
    except OSError:
        raise WrongUseError("run: standard input has to be a socket") from None
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(nothing, number)
    serve(pool, family, key, caller)


def _alive() -> set[str]:
    text = sys.stdin.buffer.read(_LONGEST_LIST + 1)
    keys = text.decode("utf-8", "replace").split()
    if len(text) > _LONGEST_LIST or not all(_KEY.fullmatch(key) for key in keys):
        raise WrongUseError("tidy-except: standard input is not a list of keys")
    return set(keys)


def _show(findings: Sequence[Finding]) -> None:
    for one in findings:
        text = f": {one.text}" if one.text else ""
        print(f"{one.account} ({one.family}) {one.state}{text}")


def _tell(code: int, error: Exception) -> int:
    text = str(error).encode("utf-8", "backslashreplace").decode()
    print(f"ijp-account-helper: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
