"""The accounting file of a PBS server: what is left of jobs that left the queue.

A line is ``MM/DD/YYYY HH:MM:SS;TYPE;ID;key=value key=value``; values are not quoted and have no
blanks. A job deleted before it ran has a D record only, one deleted for its dependency an A record,
a purged one none at all.
"""

from __future__ import annotations

import logging
import re
import stat
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from batch.pbs.job import JOB_ID

log = logging.getLogger(__name__)

_LINE = re.compile(
    r"([0-9]{2}/[0-9]{2}/[0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2});([A-Za-z]);([^;]*);(.*)"
)
_FILE = re.compile(r"[0-9]{8}")
_MOST_AT_ONCE = 1 << 26
# Begun, ended, deleted by somebody, aborted by the server, queued, requeued.
_KINDS = frozenset("SEDAQR")
_KEPT = {
    "jobname",
    "Exit_status",
    "start",
    "end",
    "exec_host",
    "resources_used.cput",
    "resources_used.mem",
    "Resource_List.walltime",
    "Resource_List.cput",
    "Resource_List.vmem",
}


@dataclass(frozen=True, kw_only=True)
class Record:
    """A line.

    Attributes:
        kind: S, E, D, A, Q, R or another letter.
        written: Local time of the server, without its zone.
        values: "" is the name of what has no "=".
    """

    kind: str
    id: str
    written: datetime
    values: dict[str, str] = field(default_factory=dict)


def read_line(line: str) -> Record | None:
    """The record in a line; None if it is none."""
    found = _LINE.fullmatch(line.strip())
    if found is None or not JOB_ID.fullmatch(found[3]):
        return None
    try:
        written = datetime.strptime(found[1], "%m/%d/%Y %H:%M:%S")  # noqa: DTZ007
    except ValueError:
        return None
    values: dict[str, str] = {}
    for word in found[4].split(" "):
        name, _, value = word.partition("=")
        if word:
            values.setdefault(name, value)
    return Record(kind=found[2], id=found[3], written=written, values=values)


class AccountingFiles:
    """The files of a server, read on from where they were read before.

    Attributes:
        folder: ``server_priv/accounting``, with a file of each day.
    """

    def __init__(
        self,
        folder: Path,
        *,
        is_ours: Callable[[str], object] = bool,
        most_days: int = 8,
    ) -> None:
        """Nothing is read yet.

        Args:
            is_ours: Whether to remember a job of this name. Of others nothing is kept as soon as
                they have begun; a record of a deletion has no name.
            most_days: How many of the last days are read.
        """
        self.folder = folder
        self._is_ours = is_ours
        self._most_days = most_days
        self._read_to: dict[str, int] = {}
        self._last: dict[str, list[Record]] = {}

    def of(self, job_ids: Collection[str]) -> dict[str, list[Record]]:
        """The records of each job, oldest first; of a number used again those of its last use."""
        self._read_on()
        return {one: self._last[one] for one in job_ids if one in self._last}

    def _read_on(self) -> None:
        for path in self._files():
            for record in self._new_records(path):
                if "jobname" in record.values and not self._is_ours(record.values["jobname"]):
                    self._last.pop(record.id, None)
                    continue
                if record.kind == "Q" or record.id not in self._last:
                    self._last[record.id] = []
                self._last[record.id].append(record)

    def _files(self) -> list[Path]:
        try:
            names = sorted(one.name for one in self.folder.iterdir() if _FILE.fullmatch(one.name))
        except OSError as error:
            log.warning("the accounting files cannot be read: %s", error)
            return []
        return [self.folder / name for name in names[-self._most_days :]]

    def _new_records(self, path: Path) -> Iterator[Record]:
        """What was written since the last look; a line that is not finished is left for later."""
        begin = self._read_to.get(path.name, 0)
        try:
            with path.open("rb") as file:
                if not stat.S_ISREG(path.stat().st_mode):
                    return
                file.seek(begin)
                while content := file.read(_MOST_AT_ONCE):
                    end = content.rfind(b"\n") + 1
                    if not end:
                        break
                    begin += end
                    file.seek(begin)
                    for line in content[:end].decode("utf-8", "replace").splitlines():
                        record = read_line(line)
                        if record is not None and record.kind in _KINDS:
                            kept = record.values.keys() & _KEPT
                            values = {name: record.values[name] for name in kept}
                            yield replace(record, values=values)
        except OSError as error:
            log.warning("%s cannot be read: %s", path, error)
        self._read_to[path.name] = begin
