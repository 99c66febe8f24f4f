"""Calls PSI/J: ``python -m batch.callers.psij EXECUTOR submit|status|cancel …``."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import psij
from psij.executors.batch.batch_scheduler_executor import BatchSchedulerExecutor

from batch.callers.answering import answered

GONE = "GONE"
_CANCEL_SECONDS = 20.0
_PAUSE_SECONDS = 0.05


class Calls:
    """The calls of one executor."""

    def __init__(self, executor: str, work_folder: str, native_ids: Sequence[str]) -> None:
        Path(work_folder).mkdir(parents=True, exist_ok=True)
        config = psij.JobExecutorConfig(work_directory=Path(work_folder))
        self._executor = psij.JobExecutor.get_instance(executor, config=config)
        self._native_ids = native_ids
        self._found: dict[str, str] | None = None
        self._is_one_by_one = False

    def submit(self, content: dict[str, Any]) -> str:
        """Submit a job; gives the id that the system has for it."""
        attributes = psij.JobAttributes(**content["attributes"])
        if content["wall_seconds"]:
            attributes.duration = timedelta(seconds=content["wall_seconds"])
        spec = psij.JobSpec(
            name=content["name"],
            executable="/bin/sh",
            arguments=["-c", content["command"]],
            directory=Path("/"),
            inherit_environment=False,
            environment={},
            resources=psij.ResourceSpecV1(**content["resources"]),
            attributes=attributes,
            launcher="single",
        )
        job = psij.Job(spec)
        self._executor.submit(job)
        return str(job.native_id)

    def status(self, native_id: str) -> str:
        """The name of a job's state; "GONE" if there is no such job."""
        if not isinstance(self._executor, BatchSchedulerExecutor):
            job = self._attached(native_id)
            return GONE if job is None else str(job.status.state.name)
        if self._found is None and not self._is_one_by_one:
            try:
                self._found = self._shown(self._executor, self._native_ids)
            except Exception:
                # One job that is gone, or one odd line, spoils the answer for all.
                self._is_one_by_one = True
        found = self._found
        if found is None:
            found = self._shown_alone(self._executor, native_id)
        return found.get(native_id, GONE)

    def cancel(self, native_id: str) -> int:
        """End a job; gives 1."""
        job = self._attached(native_id)
        if job is None:
            return 1
        job.cancel()
        # A thread of PSI/J does it, and ends with this process.
        until = time.monotonic() + _CANCEL_SECONDS
        while self._is_there(native_id) and time.monotonic() < until:
            time.sleep(_PAUSE_SECONDS)
        return 1

    @staticmethod
    def _shown(executor: BatchSchedulerExecutor, native_ids: Sequence[str]) -> dict[str, str]:
        command = executor.get_status_command(list(native_ids))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = executor.parse_status_output(done.returncode, done.stdout)
        return {one: str(status.state.name) for one, status in found.items()}

    def _shown_alone(self, executor: BatchSchedulerExecutor, native_id: str) -> dict[str, str]:
        try:
            return self._shown(executor, [native_id])
        except Exception:
            if native_id in executor.list():
                raise
            return {}

    def _is_there(self, native_id: str) -> bool:
        if isinstance(self._executor, BatchSchedulerExecutor):
            return False
        return self._attached(native_id) is not None

    def _attached(self, native_id: str) -> psij.Job | None:
        job = psij.Job()
        try:
            self._executor.attach(job, native_id)
        except Exception as problem:
            if type(problem).__name__ in ("NoSuchProcess", "ValueError"):
                return None
            raise
        return job


def main(target: str, *arguments: str) -> int:
    """Make one call; gives the exit code."""
    executor, _, work_folder = target.partition(":")
    calls = Calls(executor, work_folder, arguments[2:] if arguments[0] == "status" else ())
    return answered(arguments, submit=calls.submit, status=calls.status, cancel=calls.cancel)


if __name__ == "__main__":
    try:
        code = main(*sys.argv[1:])
    except Exception as problem:
        print(f"{type(problem).__name__}: {problem}", file=sys.stderr)
        code = 1
    sys.exit(code)
