"""Starting a job's program: its own process group, limits, environment and directory; no shell."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal

from batch.local.processes import MARK_NAME, descendants, processes, send, tasks_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PATH = b"/usr/local/bin:/usr/bin:/bin"
_OPEN_FILES = 4096
_OOM_SCORE = b"500"
_NICER = 5
_TASKS_PER_PROCESS = 4
_NOT_FOUND, _NOT_RUN = 127, 126

_libc = ctypes.CDLL(None, use_errno=True)


class NotStartedError(Exception):
    """The program was not started; ``exit_code`` is what a shell would give."""

    def __init__(self, reason: str, exit_code: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.exit_code = exit_code


class NoAccountError(Exception):
    """No account can be had for a job now; the message says why."""


class RefusedError(Exception):
    """No account can ever be had like this; the message says why."""


def become_subreaper() -> None:
    """Have all descendants that lose their parent become children of this process."""
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "cannot become a subreaper")


class Program:
    """What to run, as bytes, and where its outputs go."""

    def __init__(self, mark: str, argv: bytes, environment: bytes, folder: bytes) -> None:
        """Take argv and environment apart, each a sequence of texts with a NUL after each.

        Programs go behind whatever else the host does; ``nicer`` is by how much. ``top`` is the
        process that all of the job's are below.
        """
        self.argv = argv.split(b"\0")[:-1]
        pairs = (pair.partition(b"=") for pair in environment.split(b"\0")[:-1])
        self.environment = {b"PATH": _PATH, **{name: value for name, _, value in pairs}}
        self.environment[MARK_NAME.encode()] = mark.encode()
        self.folder = folder
        self.nicer = _NICER
        self.user = os.getuid()
        self.top = os.getpid()
        self.pid = 0
        self.reporting = -1

    def enter(self) -> None:
        """In the child, just before it becomes the program: become somebody else, for instance."""

    def ask_to_end(self) -> None:
        """Ask all processes of the job to end."""
        for number in (signal.SIGTERM, signal.SIGCONT):
            send((one.pid for one in descendants(processes(), [self.top])), number)

    def kill(self) -> None:
        """End the program."""
        os.kill(self.pid, signal.SIGKILL)

    def exit_of(self, status: int) -> int:
        """How the program ended, its exit code or a signal's number below 0."""
        return os.waitstatus_to_exitcode(status)

    def start(self, outputs: Sequence[int], *, cpu_seconds: int | None, process_limit: int) -> int:
        """Start it with these descriptors as standard output and error; its pid.

        Raises:
            NotStartedError: It could not be started; there is no process.
            OSError: No process or pipe can be made.
        """
        limits = _limits(self.user, cpu_seconds, process_limit)
        report, reporting = os.pipe()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become(parent, outputs, limits, reporting)
        os.close(reporting)
        told = os.read(report, 4096)
        os.close(report)
        if told:
            os.waitpid(pid, 0)
            raise self._failure(told)
        self.pid = pid
        return pid

    def _become(
        self, parent: int, outputs: Sequence[int], limits: dict[int, int], reporting: int
    ) -> None:
        """In the child: become the program, or tell why not and exit."""
        step = b"prepare"
        try:
            # Of the job only what escapes its supervisor's death has to be looked for then.
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(_NOT_RUN)
            os.setsid()
            os.nice(self.nicer)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            for place, descriptor in enumerate(outputs, start=1):
                os.dup2(descriptor, place)
            _set_limits(limits)
            for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            self.reporting = reporting
            self.enter()
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


def _limits(user: int, cpu_seconds: int | None, process_limit: int) -> dict[int, int]:
    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_NOFILE: _OPEN_FILES}
    if cpu_seconds is not None:
        # Per process only; the supervisor adds them up, and this holds even without it.
        limits[resource.RLIMIT_CPU] = cpu_seconds + 1
    if user:
        # Counts all that the user has, threads too, so it is wide: the supervisor counts exactly,
        # this keeps an explosion from growing faster than it can be killed. It never binds root.
        tasks = tasks_of(user) + _TASKS_PER_PROCESS * process_limit
        limits[resource.RLIMIT_NPROC] = tasks
    return limits


def _set_limits(limits: dict[int, int]) -> None:
    for kind, wanted in limits.items():
        _, most = resource.getrlimit(kind)
        least = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(kind, (least, most if kind == resource.RLIMIT_CPU else least))
    try:
        # When the machine runs out of memory, the kernel takes jobs before servers.
        descriptor = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(descriptor, _OOM_SCORE)
        os.close(descriptor)
    except OSError:
        return
