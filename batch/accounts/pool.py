"""Giving accounts to jobs, one at a time each, and taking them back clean."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from batch.accounts import cleaning
from batch.accounts.cleaning import NotCleanError
from batch.accounts.configuration import Account, Configuration, RefusedError
from batch.accounts.leases import HOOK, QUARANTINE, RUN, BusyError, Lease, Leases
from batch.local.processes import boot_id

_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is to be said of one account.

    Attributes:
        state: "free", "in use", "waiting to be cleaned", "quarantined" or "unusable".
        text: Whose it is, what is left of whom, or why it cannot be used.
    """

    account: str
    family: str
    state: str
    text: str


class Pool:
    """All accounts of one machine; root's to use."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.leases = Leases(configuration)

    @contextmanager
    def taken(self, family: str, key: str) -> Iterator[Account]:
        """Have an account of a family for a job, clean, for as long as the context lasts.

        It is cleaned afterwards too; one that cannot be cleaned is put into quarantine.

        Raises:
            BusyError: None is free.
            RefusedError: There is no such family.
        """
        names = list(self.configuration.pool(family))
        random.shuffle(names)
        faults: list[str] = []
        for name in names:
            with ExitStack() as held:
                try:
                    account = self.configuration.account(name)
                    held.enter_context(self.leases.locked(name))
                except BusyError:
                    continue
                except RefusedError as error:
                    faults.append(str(error))
                    continue
                lease = self.leases.read(name)
                if lease is not None and _is_held(lease):
                    continue
                if _is_quarantined(lease) or not self._cleaned(account):
                    faults.append(f"account {name} is in quarantine")
                    continue
                self.leases.write(name, key, RUN)
                try:
                    yield account
                finally:
                    if self._cleaned(account):
                        self.leases.remove(name)
                return
        told = "; ".join(["all accounts of it are in use", *faults])
        raise BusyError(f"family {family!r}: {told}")

    def begin(self, key: str, name: str) -> None:
        """Before a batch system starts a job in an account: lock it, have it clean.

        Raises:
            BusyError: Another job has it, or it cannot be cleaned.
            RefusedError: It is in no pool.
        """
        account = self.configuration.account(name)
        with self.leases.locked(name):
            lease = self.leases.read(name)
            if lease is not None and _is_held(lease) and lease.key != key:
                raise BusyError(f"account {name} is in use by job {lease.key}")
            if _is_quarantined(lease) or not self._cleaned(account):
                raise BusyError(f"account {name} is in quarantine")
            self.leases.write(name, key, HOOK)
            cleaning.tell(self.configuration, account, "lease", key.encode(), everybody=True)

    def end(self, key: str, name: str) -> list[str]:
        """After that job: clean the account and give it back; nothing if it is not the job's.

        Returns:
            What the job had left.

        Raises:
            NotCleanError: It is in quarantine now.
            RefusedError: It is in no pool.
            BusyError: Somebody else does something about the account, for minutes.
        """
        account = self.configuration.account(name)
        # A prologue that is let in nowhere, or whoever looks, has the lock for a moment.
        with self.leases.locked(name, patience_seconds=_PATIENCE_SECONDS):
            lease = self.leases.read(name)
            if lease is None or lease.key != key or lease.kind != HOOK:
                return []
            removed = self._clean(account)
            self.leases.remove(name)
            return removed

    def tidy(self, alive: Collection[str] | None = None) -> list[Finding]:
        """Clean and free the accounts whose job is gone; the others are left alone.

        Args:
            alive: The keys of the jobs that the batch system has on this machine, as of at most
                ``list_age_seconds`` ago. None is that it was not asked: then a lease that a
                prologue made counts until the machine is started anew.
        """
        done = []
        for family, name in self._all():
            try:
                account = self.configuration.account(name)
                with self.leases.locked(name):
                    lease = self.leases.read(name)
                    if lease is not None and _is_held(lease) and not self._is_gone(lease, alive):
                        continue
                    removed = self._clean(account)
                    if lease is not None:
                        self.leases.remove(name)
            except NotCleanError as error:
                done.append(_finding(name, family, "quarantined", str(error)))
            except (RefusedError, BusyError):
                continue
            else:
                if lease is not None or removed:
                    whose = f"job {lease.key or 'unknown'}" if lease is not None else "nobody"
                    what = f"; removed {'; '.join(removed)}" if removed else ""
                    done.append(_finding(name, family, "free", f"it was left by {whose}{what}"))
        return done

    def heal(self) -> None:
        """Clean and free the accounts whose helper was killed; quick where there is none."""
        for name in self.configuration.names():
            with suppress(BusyError, RefusedError, NotCleanError):
                lease = self.leases.read(name)
                if lease is None or lease.kind != RUN:
                    continue
                with self.leases.locked(name):
                    if self.leases.read(name) == lease:
                        self._clean(self.configuration.account(name))
                        self.leases.remove(name)

    def look(self) -> list[Finding]:
        """The state of every account, and what is wrong with it; nothing is changed."""
        return [self._finding(family, name) for family, name in self._all()]

    def _finding(self, family: str, name: str) -> Finding:
        try:
            account = self.configuration.account(name)
        except RefusedError as error:
            return _finding(name, family, "unusable", str(error))
        lease = self.leases.read(name)
        text = f"job {lease.key or 'unknown'}" if lease is not None else ""
        try:
            with self.leases.locked(name):
                if lease is not None and _is_quarantined(lease):
                    return _finding(name, family, "quarantined", lease.reason)
                if lease is not None and _is_held(lease):
                    return _finding(name, family, "in use", text)
                left = cleaning.found(self.configuration, account)
        except BusyError:
            return _finding(name, family, "in use", text)
        except NotCleanError as error:
            return _finding(name, family, "unusable", str(error))
        if lease is not None:
            left.insert(0, f"{text} was not seen to its end")
        if left:
            return _finding(name, family, "waiting to be cleaned", "; ".join(left))
        warnings = (_can_log_in(name), _further_groups(account))
        return _finding(name, family, "free", "; ".join(one for one in warnings if one))

    def _all(self) -> Iterator[tuple[str, str]]:
        for family, names in self.configuration.families.items():
            for name in names:
                yield family, name

    def _is_gone(self, lease: Lease, alive: Collection[str] | None) -> bool:
        age_seconds = time.time() - lease.since
        is_on_list = alive is None or lease.key in alive
        return not is_on_list and age_seconds >= self.configuration.list_age_seconds

    def _cleaned(self, account: Account) -> bool:
        try:
            self._clean(account)
        except NotCleanError:
            return False
        return True

    def _clean(self, account: Account) -> list[str]:
        try:
            return cleaning.clean(self.configuration, account)
        except NotCleanError as error:
            self.leases.write(account.name, "", QUARANTINE, str(error))
            raise


def _finding(name: str, family: str, state: str, text: str) -> Finding:
    return Finding(account=name, family=family, state=state, text=text)


def _is_quarantined(lease: Lease | None) -> bool:
    """Whether cleaning failed before; trying again may take long and is left to ``tidy``."""
    return lease is not None and lease.kind == QUARANTINE


def _is_held(lease: Lease) -> bool:
    """Whether an account is in use whose lock can be had: between a prologue and its epilogue."""
    return lease.kind == HOOK and lease.boot == boot_id()


def _further_groups(account: Account) -> str:
    """A warning if jobs that a batch system starts in the account would have more groups."""
    further = set(os.getgrouplist(account.name, account.gid)) - {account.gid}
    return f"it is in further groups: {sorted(further)}; take it out of them" if further else ""


def _can_log_in(name: str) -> str:
    """A warning if somebody could log in to the account with a password."""
    if not os.access("/etc/shadow", os.R_OK):
        return ""
    with open("/etc/shadow", encoding="utf-8", errors="replace") as file:
        for line in file:
            user, _, rest = line.partition(":")
            if user == name and rest[:1] not in ("!", "*"):
                return "it has a password; lock it: passwd -l"
    return ""
