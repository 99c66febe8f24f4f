"""What Slurm's commands with Torque's names (its package ``slurm-wlm-torque``) do otherwise.

They take fewer options, list jobs as text and not as XML, know no exit status, and give what they
are told to a shell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from batch.command import Answer
from batch.engine import Capability, EngineState, JobStatus
from batch.pbs.job import JOB_ID, PbsJob
from ijp.errors import BadRequestError, EngineError

CAPABILITIES = frozenset({Capability.LIVE_OUTPUT, Capability.RAW_OPTIONS, Capability.RUN_AS})
LISTING = ("qstat", "-f")

_NOTHING_LISTED = 153
_RECORD = re.compile(r"^Job Id:\t", re.MULTILINE)
_ATTRIBUTE = re.compile(r"^\t([A-Za-z_.]{1,60}) = (.*)$", re.MULTILINE)
_PLAIN = re.compile(r"[A-Za-z0-9_./:=,@+%-]*")
_SUBMITTED = re.compile(r"\s*([0-9]+)\s*")


def checked(arguments: Sequence[str]) -> list[str]:
    """The arguments, none of which a shell would take for more than itself.

    Raises:
        BadRequestError: Names those that it would.
    """
    wrong = [one for one in arguments if not _PLAIN.fullmatch(one)]
    if wrong:
        raise BadRequestError(f"Slurm's qsub cannot be told this: {wrong}")
    return list(arguments)


def read_submitted(answer: Answer) -> str:
    """The job's number.

    Raises:
        EngineError: That is not what qsub printed.
    """
    found = _SUBMITTED.fullmatch(answer.stdout)
    if found is None:
        raise EngineError(f"qsub gave no job id: {answer.first_line!r}")
    return found[1]


def is_empty(answer: Answer) -> bool:
    """Whether a listing failed only because there is no job at all."""
    return answer.exit_code == _NOTHING_LISTED and not answer.stdout.strip()


def read_jobs(text: str) -> list[PbsJob]:
    """The jobs of a ``qstat -f``; one that is listed twice has no state, as one of them is made up.

    Raises:
        EngineError: This is not all that qstat prints.
    """
    if not _RECORD.match(text) or not text.endswith("\n\n"):
        raise EngineError(f"this is not all that qstat prints: {text[:100]!r}…{text[-60:]!r}")
    jobs: dict[str, PbsJob] = {}
    for record in _RECORD.split(text)[1:]:
        job_id, _, rest = record.partition("\n")
        if not JOB_ID.fullmatch(job_id):
            continue
        attributes = dict(_ATTRIBUTE.findall(rest))
        state = "" if job_id in jobs else attributes.get("job_state", "")
        jobs[job_id] = PbsJob(id=job_id, state=state, attributes=attributes)
    return list(jobs.values())


def without_guess(status: JobStatus, job: PbsJob) -> JobStatus:
    """What is known of a job: of one that has ended, only that."""
    is_guess = status.state is EngineState.ENDED and "exit_status" not in job.attributes
    return replace(status, reason="") if is_guess else status
