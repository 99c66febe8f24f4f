"""A job's folder: its outputs, the file with its token, and the directory it works in."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STDOUT = "out"
STDERR = "err"
JOB_FILE = "job.json"
WORK = "work"


def of(work_folder: Path, mark: str) -> Path:
    """Where an attempt's folder is; folders are spread, so that no directory has too many.

    Args:
        mark: Of the attempt; that of a job's first is its public id.
    """
    return work_folder / "jobs" / mark[-2:] / mark


def prepare(folder: Path, content: Mapping[str, Any]) -> None:
    """Make the folder, its working directory, and the file that only its account can read.

    Doing it again gives a file with the new content.

    Raises:
        OSError: Such as a full disk.
    """
    (folder / WORK).mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    part = folder / f".{JOB_FILE}.part"
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as target:
        json.dump(dict(content), target)
    part.replace(folder / JOB_FILE)


def tidy(folder: Path) -> None:
    """Remove what an ended job needs no more; its outputs stay."""
    (folder / JOB_FILE).unlink(missing_ok=True)
    shutil.rmtree(folder / WORK, ignore_errors=True)
