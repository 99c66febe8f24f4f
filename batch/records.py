"""What an engine that runs commands keeps of each job: a folder by mark.

``jobs/MARK/`` is the engine's own: ``submission.json`` is written before the batch system hears of
the job, ``id`` afterwards, ``cancelled`` when its end was asked for. ``jobs/MARK/run/`` belongs to
the account that the job runs as: ``spec.json`` is what the job's runner reads, ``start.json`` and
``end.json`` are what it leaves (``batch.job.runner``), ``log`` is what the batch system prints.
``arrays/TAG/`` has the same for an array: ``marks``, one a line, ``id`` and the script.

What is in ``run`` may be anything: it is read without following links and up to a limit.

Of all this only what tells of a submission before it is made has to survive a power cut
(``make_durable``). What is written later is found again: an id by one listing, or by what the
runner left.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import pwd
import shutil
import stat
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from batch.check import MARK
from ijp.errors import BadRequestError, EngineError

_LIMIT_BYTES = 8 * 1024 * 1024
_SYNCED_SINGLY = 4
_REMEMBERED = 200_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """What was, or is about to be, given to the batch system.

    Attributes:
        tag: What is written into the system's record of the job: its mark, or for an element of
            an array that of the array's first.
        index: Which element of the array it is, from 1; None if there is no array.
        run_as: The account whose job it is there; "" is the engine's own.
    """

    tag: str
    index: int | None = None
    run_as: str = ""


class JobRecords:
    """The records below a folder."""

    def __init__(self, folder: Path) -> None:
        """Make the folders; others than the owner can only pass through them.

        Raises:
            EngineError: They cannot be made.
        """
        self._folder = folder
        self._jobs = str(folder / "jobs")
        self._held = threading.local()
        self._submissions: dict[str, tuple[int, Submission]] = {}
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            for place in (folder, folder / "jobs", folder / "arrays"):
                _make_folder(place, 0o711)
        except OSError as error:
            raise EngineError(f"cannot use the folder {folder}: {error}") from error

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one that submits."""
        with open(self._folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._held.descriptors = (lock.fileno(),)
            try:
                yield
            finally:
                self._held.descriptors = ()
                # Not only closed: what a command leaves running has it too.
                fcntl.flock(lock, fcntl.LOCK_UN)

    @property
    def lock_descriptors(self) -> tuple[int, ...]:
        """What a command has to inherit that submits: it may outlive whoever started it."""
        descriptors: tuple[int, ...] = getattr(self._held, "descriptors", ())
        return descriptors

    def job(self, mark: str) -> Path:
        """The folder of a job."""
        return self._folder / "jobs" / mark

    def run(self, mark: str) -> Path:
        """What belongs to the job's account."""
        return self.job(mark) / "run"

    def array(self, tag: str) -> Path:
        """The folder of an array."""
        return self._folder / "arrays" / tag

    def exists(self, mark: str) -> bool:
        """Whether there is anything about this mark."""
        return bool(MARK.fullmatch(mark)) and self.job(mark).is_dir()

    def prepare(self, mark: str, submission: Submission, spec: Mapping[str, Any]) -> None:
        """Write down what is about to be submitted; ``make_durable`` is still to come.

        Raises:
            BadRequestError: There is no such account.
            EngineError: It cannot be written.
        """
        try:
            shutil.rmtree(self.run(mark), ignore_errors=True)
            _make_folder(self.job(mark), 0o711)
            _make_folder(self.run(mark), 0o700, submission.run_as)
            _write(self.run(mark) / "spec.json", json.dumps(spec), user=submission.run_as)
            _write(self.job(mark) / "submission.json", json.dumps(asdict(submission)))
        except OSError as error:
            raise EngineError(f"cannot record the job {mark}: {error}") from error

    def prepare_array(self, tag: str, marks: Sequence[str], run_as: str) -> None:
        """Write down which marks an array's elements are, the first being number 1."""
        try:
            shutil.rmtree(self.array(tag), ignore_errors=True)
            _make_folder(self.array(tag), 0o711)
            _make_folder(self.array(tag) / "run", 0o700, run_as)
            _write(self.array(tag) / "marks", "".join(f"{mark}\n" for mark in marks), 0o644)
        except OSError as error:
            raise EngineError(f"cannot record the array {tag}: {error}") from error

    def make_durable(self, marks: Sequence[str], tag: str | None = None) -> None:
        """See that what was prepared survives a power cut, before the batch system hears of it.

        Many jobs are one barrier for the whole file system, not two for each of them.

        Args:
            tag: Of the array that they are; None if they are none.
        """
        try:
            if len(marks) > _SYNCED_SINGLY:
                _sync_file_system(self._folder)
                return
            for mark in marks:
                _sync(self.job(mark) / "submission.json")
                _sync(self.run(mark) / "spec.json")
                _sync(self.run(mark))
                _sync(self.job(mark))
            if tag is not None:
                _sync(self.array(tag) / "marks")
                _sync(self.array(tag))
                _sync(self._folder / "arrays")
            _sync(self._folder / "jobs")
        except OSError as error:
            raise EngineError(f"cannot keep the records of {len(marks)} jobs: {error}") from error

    def submission(self, mark: str) -> Submission | None:
        """What was about to be submitted under a mark; None if nothing was."""
        if not MARK.fullmatch(mark):
            return None
        path = f"{self._jobs}/{mark}/submission.json"
        try:
            found = os.lstat(path)
        except OSError:
            return None
        identity = hash((found.st_ino, found.st_mtime_ns, found.st_size))
        known = self._submissions.get(mark)
        if known is not None and known[0] == identity:
            return known[1]
        kept = read_json(path)
        if kept is None:
            return None
        submission = Submission(**{**kept, "tag": sys.intern(kept["tag"])})
        if len(self._submissions) >= _REMEMBERED:
            self._submissions = {}
        self._submissions[mark] = (identity, submission)
        return submission

    def native_id(self, mark: str) -> str | None:
        """The batch system's own id; None if it is not known."""
        if not self.exists(mark):
            return None
        return _word(self.job(mark) / "id")

    def set_native_id(self, mark: str, native_id: str) -> None:
        """Keep the batch system's own id."""
        try:
            _write(self.job(mark) / "id", native_id)
        except OSError as error:
            raise EngineError(f"cannot record the job {mark}: {error}") from error

    def array_id(self, tag: str) -> str | None:
        """The batch system's own id of an array; None if it is not known."""
        return _word(self.array(tag) / "id")

    def set_array_id(self, tag: str, native_id: str) -> None:
        """Keep it."""
        try:
            _write(self.array(tag) / "id", native_id)
        except OSError as error:
            raise EngineError(f"cannot record the array {tag}: {error}") from error

    def start(self, mark: str) -> Mapping[str, Any] | None:
        """What the runner wrote when it began; None if it did not, or not yet."""
        return read_json(f"{self._jobs}/{mark}/run/start.json")

    def end(self, mark: str) -> Mapping[str, Any] | None:
        """What the runner wrote when the program had ended; None if it did not, or not yet."""
        return read_json(f"{self._jobs}/{mark}/run/end.json")

    def spec(self, mark: str) -> dict[str, Any]:
        """What the runner reads."""
        return dict(read_json(self.run(mark) / "spec.json") or {})

    def replace_spec(self, mark: str, spec: Mapping[str, Any], run_as: str) -> None:
        """Change what the runner is going to read."""
        try:
            _write(self.run(mark) / "spec.json", json.dumps(spec), user=run_as, durable=True)
        except OSError as error:
            raise EngineError(f"cannot change the job {mark}: {error}") from error

    def log(self, mark: str) -> str:
        """What the batch system itself printed about the job; "" if nothing."""
        submission = self.submission(mark)
        path = self.run(mark) / "log"
        if submission is not None and submission.index is not None:
            path = self.array(submission.tag) / "run" / f"log-{submission.index}"
        return read_text(path) or ""

    def set_cancelled(self, mark: str) -> None:
        """Keep in mind that the job's end was asked for."""
        try:
            (self.job(mark) / "cancelled").touch()
        except OSError as error:
            raise EngineError(f"cannot record the job {mark}: {error}") from error

    def is_cancelled(self, mark: str) -> bool:
        """Whether the job's end was asked for."""
        return (self.job(mark) / "cancelled").exists()

    def remove(self, mark: str) -> None:
        """Forget a job, and its array with the last of its elements."""
        if not self.exists(mark):
            return
        submission = self.submission(mark)
        self._submissions.pop(mark, None)
        shutil.rmtree(self.job(mark), ignore_errors=True)
        if submission is not None and submission.index is not None:
            marks = (read_text(self.array(submission.tag) / "marks") or "").split()
            if not any(self.exists(one) for one in marks):
                shutil.rmtree(self.array(submission.tag), ignore_errors=True)


def read_text(path: Path | str) -> str | None:
    """The text of a small ordinary file; None if there is none, or it is anything else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        try:
            return file.read(_LIMIT_BYTES).decode("utf-8", "replace")
        except OSError:
            return None


def _word(path: Path) -> str | None:
    """The word in a file; None also if a power cut left something else in it."""
    text = (read_text(path) or "").strip()
    return text if text and text.isprintable() else None


def read_json(path: Path | str) -> Mapping[str, Any] | None:
    """An object in a small file; None if there is none."""
    text = read_text(path)
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _make_folder(place: Path, mode: int, user: str = "") -> None:
    place.mkdir(mode=mode, exist_ok=True)
    place.chmod(mode)
    if user:
        _give(user, place)


def _write(
    path: Path, text: str, mode: int = 0o600, *, user: str = "", durable: bool = False
) -> None:
    """Write a file that appears as a whole; safe in a folder of somebody else's."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        if durable:
            file.flush()
            os.fsync(descriptor)
        os.fchmod(descriptor, mode)
        if user:
            _give(user, descriptor)
    os.rename(new, path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_file_system(folder: Path) -> None:
    """Wait until all that was written below is on the disk; one journal commit for thousands."""
    library = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if library.syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(descriptor)


def _give(user: str, what: int | Path) -> None:
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        raise BadRequestError(f"no account of this machine: {user!r}") from None
    os.chown(what, account.pw_uid, account.pw_gid)
