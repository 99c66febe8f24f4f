"""Which job has which account: a lock and a lease for each, in a folder of root's.

The lock (flock) is held by whatever changes something about the account, and by the helper for as
long as a job runs that it started itself; the kernel lets go of it however that ends. The lease is
a file with the job's key. It survives crashes: an account whose lease is there while nobody holds
its lock was in use when something was killed, and is cleaned before anybody has it again.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from batch.accounts import trust
from batch.accounts.configuration import Configuration
from batch.local.processes import boot_id

RUN, HOOK, QUARANTINE = "run", "hook", "quarantine"
_PAUSE_SECONDS = 0.02


class BusyError(Exception):
    """The account, or all of a pool, has a job now; asking again later helps."""


@dataclass(frozen=True, kw_only=True)
class Lease:
    """Who has an account.

    Attributes:
        key: The job: its mark, or the id that its batch system has for it.
        kind: "run" while a helper starts and watches its program, "hook" between the prologue and
            the epilogue of a batch system, "quarantine" if it could not be cleaned.
        boot: During which run of the machine; another one has ended all jobs.
        since: Seconds since 1970.
        reason: Why it is in quarantine.
    """

    key: str
    kind: str
    boot: str
    since: float
    reason: str = ""


class Leases:
    """The leases of one machine."""

    def __init__(self, configuration: Configuration) -> None:
        """Make the folders where they are absent.

        Raises:
            trust.NotTrustedError: What is there is not root's alone.
            OSError: They cannot be made.
        """
        self._folder = configuration.state_folder
        for place in ("", "locks", "leases", "jobs"):
            path = os.path.join(self._folder, place).rstrip("/")
            try:
                # Accounts have to get to their own folder in "jobs", and see nothing on the way.
                os.mkdir(path, 0o700)
                os.chmod(path, 0o711 if place in ("", "jobs") else 0o700)
            except FileExistsError:
                pass
            trust.check(path)

    @contextmanager
    def locked(self, account: str, *, patience_seconds: float = 0) -> Iterator[None]:
        """Be the only one who does anything about an account.

        Raises:
            BusyError: Somebody else is, and still so after the time given.
        """
        until = time.monotonic() + patience_seconds
        creating = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        lock = os.open(os.path.join(self._folder, "locks", account), creating, 0o600)
        try:
            while not _is_got(lock):
                if time.monotonic() >= until:
                    raise BusyError(f"account {account} is in use")
                time.sleep(_PAUSE_SECONDS)
            yield
        finally:
            os.close(lock)

    def read(self, account: str) -> Lease | None:
        """The lease; None if nobody has the account."""
        try:
            with open(self._lease(account), encoding="utf-8") as file:
                return Lease(**json.load(file))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            # Cut short by a power failure: whose it was nobody knows, but somebody's.
            return Lease(key="", kind=RUN, boot="", since=0)

    def write(self, account: str, key: str, kind: str, reason: str = "") -> None:
        """Give the account to a job, or to nobody ("quarantine")."""
        lease = Lease(key=key, kind=kind, boot=boot_id(), since=time.time(), reason=reason)
        new = f"{self._lease(account)}.new"
        with open(new, "w", encoding="utf-8") as file:
            json.dump(asdict(lease), file)
            file.flush()
            os.fsync(file.fileno())
        os.rename(new, self._lease(account))

    def remove(self, account: str) -> None:
        """Have the account free."""
        os.unlink(self._lease(account))

    def _lease(self, account: str) -> str:
        return os.path.join(self._folder, "leases", account)


def _is_got(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
