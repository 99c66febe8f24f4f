"""Starting a job's program: its own process group, limits, environment and directory; no shell."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal

from batch.local.processes import MARK_NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PATH = b"/usr/local/bin:/usr/bin:/bin"
_OPEN_FILES = 4096
_OOM_SCORE = b"500"
_NOT_FOUND, _NOT_RUN = 127, 126

_libc = ctypes.CDLL(None, use_errno=True)


class NotStartedError(Exception):
    """The program was not started; ``exit_code`` is what a shell would give."""

    def __init__(self, reason: str, exit_code: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.exit_code = exit_code


def become_subreaper() -> None:
    """Have all descendants that lose their parent become children of this process."""
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "cannot become a subreaper")


class Program:
    """What to run, as bytes, and where its outputs go."""

    def __init__(self, mark: str, argv: bytes, environment: bytes, folder: bytes) -> None:
        """Take argv and environment apart, each a sequence of texts with a NUL after each."""
        self.argv = argv.split(b"\0")[:-1]
        pairs = (pair.partition(b"=") for pair in environment.split(b"\0")[:-1])
        self.environment = {b"PATH": _PATH, **{name: value for name, _, value in pairs}}
        self.environment[MARK_NAME.encode()] = mark.encode()
        self.folder = folder

    def start(self, outputs: Sequence[int], cpu_seconds: int | None) -> int:
        """Start it with these descriptors as standard output and error; its pid.

        Raises:
            NotStartedError: It could not be started; there is no process.
            OSError: No process or pipe can be made.
        """
        report, reporting = os.pipe()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become(parent, outputs, cpu_seconds, reporting)
        os.close(reporting)
        told = os.read(report, 4096)
        os.close(report)
        if told:
            os.waitpid(pid, 0)
            raise self._failure(told)
        return pid

    def _become(
        self, parent: int, outputs: Sequence[int], cpu_seconds: int | None, reporting: int
    ) -> None:
        """In the child: become the program, or tell why not and exit."""
        step = b"prepare"
        try:
            # Of the job only what escapes its supervisor's death has to be looked for then.
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(_NOT_RUN)
            os.setpgid(0, 0)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            for place, descriptor in enumerate(outputs, start=1):
                os.dup2(descriptor, place)
            _set_limits(cpu_seconds)
            for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            step = b"folder"
            os.chdir(self.folder)
            step = b"program"
            self._execute()
        except OSError as error:
            os.write(reporting, b"%s %d" % (step, error.errno or 0))
        finally:
            os._exit(_NOT_FOUND)

    def _execute(self) -> None:
        program = self.argv[0]
        if b"/" in program:
            os.execve(program, self.argv, self.environment)  # noqa: S606  # as it shall be
        seen = OSError(errno.ENOENT, "")
        for folder in self.environment[b"PATH"].split(b":"):
            try:
                path = os.path.join(folder, program)
                os.execve(path, self.argv, self.environment)  # noqa: S606  # as it shall be
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                    seen = error
        raise seen

    def _failure(self, told: bytes) -> NotStartedError:
        step, _, number = told.partition(b" ")
        why = os.strerror(int(number))
        program, folder = os.fsdecode(self.argv[0]), os.fsdecode(self.folder)
        if step == b"folder":
            return NotStartedError(f"cannot enter the job's folder {folder}: {why}", _NOT_RUN)
        if step != b"program":
            return NotStartedError(f"cannot prepare the job: {why}", _NOT_RUN)
        if int(number) not in (errno.ENOENT, errno.ENOTDIR):
            return NotStartedError(f"program cannot be run: {program}: {why}", _NOT_RUN)
        if b"/" in self.argv[0] and os.path.exists(os.path.join(self.folder, self.argv[0])):
            why = "what its first line names is missing"
            return NotStartedError(f"program cannot be run: {program}: {why}", _NOT_FOUND)
        return NotStartedError(f"program not found: {program}", _NOT_FOUND)


def _set_limits(cpu_seconds: int | None) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _OPEN_FILES if most == resource.RLIM_INFINITY else min(most, _OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    if cpu_seconds is not None:
        # Per process only; the supervisor adds them up, and this holds even without it.
        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        wanted = cpu_seconds + 1
        least = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(resource.RLIMIT_CPU, (least, most))
    try:
        # When the machine runs out of memory, the kernel takes jobs before servers.
        descriptor = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(descriptor, _OOM_SCORE)
        os.close(descriptor)
    except OSError:
        pass
