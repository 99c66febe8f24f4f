"""Which accounts jobs may have: a file of root's, the only thing that the helper believes.

homes = "/var/lib/ijp-homes"

[families.default]
accounts = ["ijp01", "ijp02", "ijp03"]

[families.ingest]
accounts = ["ijpingest1"]
"""

from __future__ import annotations

import os
import pwd
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from batch.accounts import trust

PATH = "/etc/ijp/accounts.toml"
LEAST_UID = 1000
"""No configuration can go below this: those are the accounts of the system itself."""
FAMILY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,63}")
NAME = re.compile(r"[a-z_][a-z0-9_-]{0,30}")

_SCRATCH = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock")  # noqa: S108  # looked through, not used
_SPOOLS = (
    "/var/spool/cron",
    "/var/spool/cron/crontabs",
    "/var/spool/cron/atjobs",
    "/var/spool/cron/atspool",
    "/var/spool/at",
    "/var/spool/at/spool",
    "/var/mail",
    "/var/spool/mail",
    "/var/lib/systemd/linger",
)
_MOST_UID = 2**31 - 16


class ConfigurationError(Exception):
    """The configuration cannot be used; the message has every fault."""


class RefusedError(Exception):
    """This is not among what the configuration allows."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """A Unix account of a pool, as this machine has it."""

    name: str
    uid: int
    gid: int
    home: str


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What the file says.

    Attributes:
        state_folder: Root's own, for locks, leases and what capsules need; on a local disk.
        homes: The folder that every account's home is directly in; on a local disk.
        least_uid: No account below it, nor above ``most_uid``, is ever touched.
        namespaces: Whether programs that ``run`` starts see nothing of the others: processes,
            temporary files, shared memory. Without it they are only cleaned up after.
        scratch: Where anybody can leave files.
        spools: Where files mean something that is to be done for their owner later.
        list_age_seconds: How old the batch system's list of jobs may be that ``tidy`` is given: a
            younger lease may be that of a job which is not on it yet.
        families: The accounts of each pool; no account is in two.
    """

    state_folder: str = "/var/lib/ijp-accounts"
    homes: str
    least_uid: int = LEAST_UID
    most_uid: int = _MOST_UID
    namespaces: bool = True
    scratch: tuple[str, ...] = _SCRATCH
    spools: tuple[str, ...] = _SPOOLS
    list_age_seconds: int = 60
    families: Mapping[str, tuple[str, ...]]

    def pool(self, family: str) -> tuple[str, ...]:
        """The names of a family's accounts.

        Raises:
            RefusedError: There is no such family.
        """
        if family not in self.families:
            raise RefusedError(f"no family {family!r}")
        return self.families[family]

    def account(self, name: str) -> Account:
        """An account of some pool, checked against what this machine says of it.

        Raises:
            RefusedError: It is in no pool, or not what an account of a pool has to be.
        """
        if not any(name in names for names in self.families.values()):
            raise RefusedError(f"no account of a pool: {name!r}")
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            raise RefusedError(f"this machine has no account {name!r}") from None
        faults = _account_faults(self, found)
        if faults:
            raise RefusedError(f"account {name!r}: {'; '.join(faults)}")
        return Account(name=name, uid=found.pw_uid, gid=found.pw_gid, home=found.pw_dir)

    def names(self) -> list[str]:
        """All accounts of all pools."""
        return [name for names in self.families.values() for name in names]


def _account_faults(configuration: Configuration, found: pwd.struct_passwd) -> list[str]:
    faults = []
    least, most = max(configuration.least_uid, LEAST_UID), configuration.most_uid
    if not least <= found.pw_uid <= most:
        faults.append(f"its uid {found.pw_uid} is not within {least} to {most}")
    if found.pw_gid == 0:
        faults.append("its group is root's")
    if found.pw_dir != os.path.join(configuration.homes, found.pw_name):
        faults.append(f"its home {found.pw_dir!r} is not {found.pw_name!r} in the folder of homes")
    others = [one.pw_name for one in pwd.getpwall() if one.pw_uid == found.pw_uid]
    if others != [found.pw_name]:
        faults.append(f"its uid is that of {', '.join(others)}")
    return faults


def read(path: str = PATH) -> Configuration:
    """Read the configuration.

    Raises:
        ConfigurationError: It is absent, wrong, or others than root could have written it.
    """
    try:
        table = tomllib.loads(trust.read(path).decode("utf-8"))
    except (OSError, trust.NotTrustedError, ValueError) as error:
        raise ConfigurationError(f"{path}: {error}") from error
    faults: list[str] = []
    values = _values(table, faults)
    if faults:
        raise ConfigurationError(f"{path}: {'; '.join(faults)}")
    configuration = Configuration(**values)
    for folder in (configuration.homes, os.path.dirname(configuration.state_folder)):
        try:
            trust.check(folder)
        except (OSError, trust.NotTrustedError) as error:
            raise ConfigurationError(f"{path}: {error}") from error
    return configuration


def _values(table: Mapping[str, Any], faults: list[str]) -> dict[str, Any]:
    readers = {
        "state_folder": _folder,
        "homes": _folder,
        "least_uid": _uid,
        "most_uid": _uid,
        "namespaces": _truth,
        "scratch": _folders,
        "spools": _folders,
        "list_age_seconds": _count,
        "families": _families,
    }
    faults += [f"unknown setting {name!r}" for name in table if name not in readers]
    faults += [f"{name} is missing" for name in ("homes", "families") if name not in table]
    values: dict[str, Any] = {}
    for name in table.keys() & readers.keys():
        try:
            values[name] = readers[name](table[name])
        except ValueError as error:
            faults.append(f"{name}: {error}")
    return values


def _folder(value: Any) -> str:
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        raise ValueError(f"must be an absolute path; it is {value!r}")
    if os.path.normpath(value) != value or value == "/":
        raise ValueError(f"must be a plain path below /; it is {value!r}")
    return value


def _folders(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"must be a list of paths; it is {value!r}")
    return tuple(_folder(one) for one in value)


def _uid(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not LEAST_UID <= value <= _MOST_UID:
        raise ValueError(f"must be a number from {LEAST_UID} on; it is {value!r}")
    return value


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"must be a number from 0 on; it is {value!r}")
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false; it is {value!r}")
    return value


def _families(value: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict) or not value:
        raise ValueError("must be tables, such as [families.default]")
    seen: set[str] = set()
    families: dict[str, tuple[str, ...]] = {}
    for family, table in value.items():
        if not FAMILY.fullmatch(family):
            raise ValueError(f"not the name of a family: {family!r}")
        if not isinstance(table, dict) or table.keys() != {"accounts"}:
            raise ValueError(f"{family!r} must have accounts and nothing else")
        names = table["accounts"]
        if not isinstance(names, list) or not names:
            raise ValueError(f"{family!r}: accounts must be a list of names")
        for name in names:
            if not isinstance(name, str) or not NAME.fullmatch(name):
                raise ValueError(f"{family!r}: not the name of an account: {name!r}")
            if name in seen:
                raise ValueError(f"account {name!r} is named twice")
            seen.add(name)
        families[family] = tuple(names)
    return families
