"""What an account has left on this machine: finding it, and removing it."""

from __future__ import annotations

import errno
import os
import stat

from batch.accounts import ending, ipc, removal
from batch.accounts.configuration import Account, Configuration
from batch.accounts.forked import ChildFailedError

_PATIENCE_SECONDS = 10.0
_SHOWN = 5


class NotCleanError(Exception):
    """Something of the account is still there; the message says what."""


def found(configuration: Configuration, account: Account) -> list[str]:
    """What there is of an account that must not be there when a job begins, in words.

    Raises:
        NotCleanError: That cannot be found out.
    """
    try:
        return _found(configuration, account)
    except (OSError, ChildFailedError) as error:
        raise NotCleanError(f"{account.name}: {error}") from error


def _found(configuration: Configuration, account: Account) -> list[str]:
    lines = []
    if pids := ending.living(account.uid):
        lines.append(f"processes: {_some([str(pid) for pid in pids])}")
    for spool in configuration.spools:
        if names := _in_spool(spool, account):
            lines.append(f"in {spool}: {_some(names)}")
    lines += ipc.left(account.uid)
    for place in configuration.scratch:
        with _Folder(place) as opened:
            names = removal.owned(opened, account.uid) if opened is not None else []
        if names:
            lines.append(f"in {place}: {_some(names)}")
    with _Folder(job_folder(configuration, account)) as opened:
        if opened is not None and os.listdir(opened):
            lines.append("what a job of it was told")
    return lines + _in_home(configuration, account)


def job_folder(configuration: Configuration, account: Account) -> str:
    """Where what only the account's job may read is put; the folder itself is root's."""
    return os.path.join(configuration.state_folder, "jobs", account.name)


def clean(configuration: Configuration, account: Account) -> list[str]:
    """End and remove all that an account has on this machine, and make its home anew.

    Returns:
        What there was.

    Raises:
        NotCleanError: Something is still there: no job may have this account.
    """
    there = found(configuration, account)
    try:
        # First what starts processes, then the processes, then what they may have been writing.
        for spool in configuration.spools:
            _empty_spool(spool, account)
        if pids := ending.end_all(account.uid, patience_seconds=_PATIENCE_SECONDS):
            raise NotCleanError(f"processes that cannot be killed: {_some(map(str, pids))}")
        if _found(configuration, account) or not _has_home(configuration, account):
            _remove(configuration, account)
    except (OSError, removal.RemovalError, ChildFailedError) as error:
        raise NotCleanError(f"{account.name}: {error}") from error
    if still := found(configuration, account):
        raise NotCleanError(f"{account.name}: {'; '.join(still)}")
    return there


def _remove(configuration: Configuration, account: Account) -> None:
    """Remove everything, of an account that has no processes, and have its home."""
    ipc.remove(account.uid)
    for place in configuration.scratch:
        with _Folder(place) as opened:
            if opened is not None:
                removal.remove_owned(opened, account.uid)
    with _Folder(job_folder(configuration, account)) as opened:
        if opened is not None:
            removal.empty(opened)
    _make_home(configuration, account)


def tell(
    configuration: Configuration, account: Account, name: str, content: bytes, *, everybody: bool
) -> str:
    """Write a file that only the account can read, or everybody, and nobody change; its path."""
    folder = job_folder(configuration, account)
    try:
        os.mkdir(folder, 0o711)
        os.chmod(folder, 0o711)  # noqa: S103  # its account passes through it
    except FileExistsError:
        pass
    path = os.path.join(folder, name)
    creating = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, creating, 0o400), "wb") as file:
        file.write(content)
        if everybody:
            os.fchmod(file.fileno(), 0o444)
        else:
            os.fchown(file.fileno(), account.uid, account.gid)
    return path


def _some(names: object) -> str:
    texts = [repr(one) if not one.isdigit() else one for one in names]  # type: ignore[attr-defined]
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more


class _Folder:
    """A folder of root's, open as long as it is needed; None where there is no such folder."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: int | None = None

    def __enter__(self) -> int | None:
        try:
            self._descriptor = os.open(self._path, removal.FOLDER)
        except OSError as error:
            # A link is as good as nothing: what it leads to has a name of its own.
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)


def _in_spool(spool: str, account: Account) -> list[str]:
    """Files of the account's, and such as are called like it, whoever they belong to."""
    with _Folder(spool) as opened:
        if opened is None:
            return []
        names = []
        for name in os.listdir(opened):
            try:
                told = os.stat(name, dir_fd=opened, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if not stat.S_ISDIR(told.st_mode) and (
                told.st_uid == account.uid or name == account.name
            ):
                names.append(name)
        return names


def _empty_spool(spool: str, account: Account) -> None:
    names = _in_spool(spool, account)
    with _Folder(spool) as opened:
        for name in names:
            assert opened is not None
            try:
                os.unlink(name, dir_fd=opened)
            except FileNotFoundError:
                continue


def _in_home(configuration: Configuration, account: Account) -> list[str]:
    with _Folder(configuration.homes) as homes:
        try:
            home = os.open(account.name, removal.FOLDER, dir_fd=homes)
        except FileNotFoundError:
            return []
        except OSError as error:
            return [f"its home is something else: {error.strerror}"]
    try:
        told = os.fstat(home)
        if (told.st_uid, told.st_gid, stat.S_IMODE(told.st_mode)) != (
            account.uid,
            account.gid,
            0o700,
        ):
            return ["its home belongs to somebody else, or others may enter it"]
        names = os.listdir(home)
    finally:
        os.close(home)
    return [f"in its home: {_some(names)}"] if names else []


def _has_home(configuration: Configuration, account: Account) -> bool:
    return os.path.lexists(os.path.join(configuration.homes, account.name))


def _make_home(configuration: Configuration, account: Account) -> None:
    """Have an empty home, whatever is in its place."""
    with _Folder(configuration.homes) as homes:
        assert homes is not None
        try:
            told = os.stat(account.name, dir_fd=homes, follow_symlinks=False)
            if not stat.S_ISDIR(told.st_mode):
                os.unlink(account.name, dir_fd=homes)
                os.mkdir(account.name, 0o700, dir_fd=homes)
        except FileNotFoundError:
            os.mkdir(account.name, 0o700, dir_fd=homes)
        home = os.open(account.name, removal.FOLDER, dir_fd=homes)
    try:
        removal.empty(home)
        os.fchown(home, account.uid, account.gid)
        os.fchmod(home, 0o700)
        for name in os.listxattr(home):
            os.removexattr(home, name)
    finally:
        os.close(home)
