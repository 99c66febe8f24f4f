"""A program in an account: with nothing of root's, and seeing nothing of other jobs.

In namespaces of its own, the program has its own list of processes, shared memory, /tmp, /var/tmp
and /dev/shm. Process 1 there is ours, and when it ends the kernel kills whatever else there is.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Sequence

from batch.accounts import ending, removal
from batch.accounts.configuration import Account
from batch.local.launch import NotStartedError, Program, become_subreaper

_CLONE_NEWNS, _CLONE_NEWIPC, _CLONE_NEWPID = 0x00020000, 0x08000000, 0x20000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 2, 4, 8
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_INSIDE_HOME = ((".tmp", "/tmp"), (".var-tmp", "/var/tmp"))  # noqa: S108  # where they appear

_libc = ctypes.CDLL(None, use_errno=True)


class AccountProgram(Program):
    """A program that is started by root and runs as an account, in the account's home."""

    def __init__(self, account: Account, mark: str, argv: bytes, environment: bytes) -> None:
        super().__init__(mark, argv, environment, os.fsencode(account.home))
        self._account = account
        self.user = account.uid

    def enter(self) -> None:
        account = self._account
        os.setgroups([account.gid])
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
        os.umask(0o077)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        # To become somebody else takes this away.
        _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.closerange(3, self.reporting)
        os.closerange(self.reporting + 1, os.sysconf("SC_OPEN_MAX"))


class Capsule:
    """A started program with everything that it starts."""

    def __init__(
        self,
        program: AccountProgram,
        account: Account,
        outputs: Sequence[int],
        *,
        cpu_seconds: int | None,
        process_limit: int,
        namespaces: bool,
    ) -> None:
        """Start it.

        Raises:
            NotStartedError: There is no program that could be started; nothing is left of it.
            OSError: There can be no such capsule here.
        """
        self._account = account
        self._reading, writing = os.pipe()
        begin = (program, outputs, cpu_seconds, process_limit)
        self.outer = os.fork()
        if self.outer == 0:
            try:
                os.close(self._reading)
                _outer(account, begin, writing, namespaces=namespaces)
            finally:
                os._exit(1)
        os.close(writing)
        line = self._line()
        if not line.startswith("started "):
            os.waitpid(self.outer, 0)
            os.close(self._reading)
            raise _why_not(line)
        self.top = int(line.split()[1])
        """The process that all of the job's are below, as this process counts them."""

    def fileno(self) -> int:
        """What can be read as soon as the program has ended."""
        return self._reading

    def ask_to_end(self) -> None:
        """Ask all its processes to end."""
        for number in (signal.SIGTERM, signal.SIGCONT):
            ending.signal_all(self._account.uid, number)

    def end(self) -> int | None:
        """End what is left, after the program has ended or to end it.

        Returns:
            The program's wait status; None if it was killed by this.
        """
        os.set_blocking(self._reading, False)
        try:
            status = self._line()
        except BlockingIOError:
            status = ""
        os.kill(self.outer, signal.SIGKILL)
        os.waitpid(self.outer, 0)
        os.close(self._reading)
        return int(status) if status else None

    def _line(self) -> str:
        """What the capsule says next; each line is written at once."""
        text = b""
        while not text.endswith(b"\n"):
            part = os.read(self._reading, 1)
            if not part:
                break
            text += part
        return text.decode("utf-8", "surrogateescape").rstrip("\n")


Begin = tuple[AccountProgram, Sequence[int], "int | None", int]


def _outer(account: Account, begin: Begin, writing: int, *, namespaces: bool) -> None:
    """Between the helper and the capsule: the helper itself stays where it is."""
    os.setsid()
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if not namespaces:
        become_subreaper()
        _inner(begin, writing, os.getpid())
        return
    own, told = os.pipe()
    try:
        _call("unshare", _CLONE_NEWPID)
    except OSError as error:
        _say(writing, f"failed {error.strerror}")
        return
    inner = os.fork()
    if inner == 0:
        try:
            _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            os.close(told)
            # How the helper counts this process, only its parent can tell.
            top = int(os.read(own, 32) or b"0")
            os.close(own)
            try:
                _furnish(account)
            except OSError as error:
                _say(writing, f"failed {error.strerror}")
            else:
                _inner(begin, writing, top)
        finally:
            os._exit(1)
    os.write(told, b"%d" % inner)
    os.close(own)
    os.close(told)
    os.close(writing)
    os.waitpid(inner, 0)


def _inner(begin: Begin, writing: int, top: int) -> None:
    """Start the program, say so, take leave of all that ends, and say how the program ended."""
    program, outputs, cpu_seconds, process_limit = begin
    try:
        pid = program.start(outputs, cpu_seconds=cpu_seconds, process_limit=process_limit)
    except NotStartedError as error:
        _say(writing, f"not started {error.exit_code} {error.reason!r}")
        return
    except OSError as error:
        _say(writing, f"failed {error.strerror}")
        return
    for output in outputs:
        os.close(output)
    _say(writing, f"started {top}")
    while True:
        ended, status = os.wait()
        if ended == pid:
            _say(writing, str(status))
            return


def _furnish(account: Account) -> None:
    """Give this process, the first of the capsule, mounts and memory of its own."""
    _call("unshare", _CLONE_NEWNS | _CLONE_NEWIPC)
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    home = os.open(account.home, removal.FOLDER)
    for name, place in _INSIDE_HOME:
        os.mkdir(name, 0o700, dir_fd=home)
        made = os.open(name, removal.FOLDER, dir_fd=home)
        os.fchown(made, account.uid, account.gid)
        _mount(f"/proc/self/fd/{made}", place, None, _MS_BIND)
        _mount("none", place, None, _MS_BIND | 0x20 | _MS_NOSUID | _MS_NODEV)
        os.close(made)
    os.close(home)
    _mount("tmpfs", "/dev/shm", "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=1777")  # noqa: S108
    if os.path.isdir("/dev/mqueue"):
        _mount("mqueue", "/dev/mqueue", "mqueue", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    _mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)


def _say(writing: int, line: str) -> None:
    os.write(writing, line.replace("\n", " ").encode("utf-8", "surrogateescape") + b"\n")


def _why_not(line: str) -> Exception:
    kind, _, rest = line.partition(" started ")
    if kind == "not":
        code, _, reason = rest.partition(" ")
        return NotStartedError(reason[1:-1], int(code))
    return OSError(f"no capsule: {line.removeprefix('failed ') or 'it ended at once'}")


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    texts = [text.encode() if text is not None else None for text in (source, target, kind)]
    _call("mount", *texts, flags, options.encode() or None)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
