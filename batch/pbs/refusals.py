"""Exit codes of PBS commands, which are PBS's error numbers modulo 256, and what they mean.

The text is for people: on some errors there is none. Torque and OpenPBS number differently.
"""

from __future__ import annotations

from batch.command import Answer

UNKNOWN_JOB = 153
"""In both systems. Torque's qhold, qrls and qalter say nothing else about it."""
WRONG_STATE = 170
"""Torque: the job is not in a state for this, or has completed."""

TORQUE_FINAL = {
    2: "an option that qsub does not take",
    27: "a wrong syntax of nodes",
    154: "an unknown attribute",
    168: "an illegal value",
    172: "no such queue",
    177: "no such account, or not allowed for it",
    189: "no such resource",
    190: "more than the queue allows, or than the nodes have",
    193: "no queue takes it",
    199: "no such group, or not in it",
    208: "it cannot wait for this job",
    235: "an illegal array",
}
"""Refusals of qsub that stay the same however often it is tried."""

OPENPBS_FINAL = {
    2: "an option that qsub does not take",
    166: "an illegal value",
    170: "no such queue",
    175: "no such account, or not allowed for it",
    187: "no such resource",
}

OPENPBS_FINISHED = 35
"""OpenPBS: the job has finished."""


def said(answer: Answer) -> str:
    """What a command said, or that it said nothing."""
    return f"exit code {answer.exit_code}: {answer.first_line}"
