"""What batch systems run as root before and after a job: thin calls of the account helper.

The helper ends with 77 for accounts that are in no pool: their jobs are none of ours and run as
they would without us. Whatever keeps a job of ours from an account now sends it back into the
queue; how, differs. None of these scripts can fail a job, and none takes a node out of service.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

_HEAD = """#!/bin/sh
# {name}: made by `ijpd accounts hooks {system}`; docs/accounts.md
"""
_TORQUE_PROLOGUE = """
{helper} prologue "$1" "$2"
case $? in
    0 | 77) exit 0 ;;
    # Without a pause Torque would start the job again at once, several times a second.
    *) sleep {pause}; exit 2 ;;
esac
"""
_TORQUE_EPILOGUE = """
{helper} epilogue "$1" "$2"
exit 0
"""
_SLURM_PROLOG = """
unset LD_PRELOAD LD_LIBRARY_PATH BASH_ENV ENV
{helper} prologue "$SLURM_JOB_ID" "$SLURM_JOB_USER"
case $? in
    0 | 77) exit 0 ;;
esac
# An exit code would take the whole node out of service: the job is sent back instead, and this
# waits until it is. Should Slurm start it all the same, its runner sees that it has no lease.
for try in 1 2 3 4 5 6 7 8 9 10; do
    case "$({squeue} -h -j "$SLURM_JOB_ID" -o %T)" in
        RUNNING | CONFIGURING) {scontrol} requeue "$SLURM_JOB_ID" ;;
        *) break ;;
    esac
    sleep 1
done
sleep {pause}
exit 0
"""
_SLURM_EPILOG = """
unset LD_PRELOAD LD_LIBRARY_PATH BASH_ENV ENV
{helper} epilogue "$SLURM_JOB_ID" "$SLURM_JOB_USER"
exit 0
"""
# The elements of an array have the same number, so their own numbers are part of the key.
_GRIDENGINE_KEY = """
case "${{3:-0}}" in
    0) key="$1.undefined" ;;
    *) key="$1.$3" ;;
esac
"""
_GRIDENGINE_PROLOG = f"""
# In the queue: prolog root@/…/prolog $job_id $job_owner $ja_task_id{_GRIDENGINE_KEY}
{{helper}} prologue "$key" "$2"
case $? in
    0 | 77) exit 0 ;;
    *) sleep {{pause}}; exit 99 ;;
esac
"""
_GRIDENGINE_EPILOG = f"""
# In the queue: epilog root@/…/epilog $job_id $job_owner $ja_task_id{_GRIDENGINE_KEY}
{{helper}} epilogue "$key" "$2"
exit 0
"""
_HOOKS: Mapping[str, Mapping[str, str]] = {
    "torque": {"prologue": _TORQUE_PROLOGUE, "epilogue": _TORQUE_EPILOGUE},
    "slurm": {"prolog": _SLURM_PROLOG, "epilog": _SLURM_EPILOG},
    "gridengine": {"prolog": _GRIDENGINE_PROLOG, "epilog": _GRIDENGINE_EPILOG},
}
SYSTEMS = tuple(_HOOKS)


def scripts(
    system: str, helper: str, *, pause_seconds: int = 10, commands: str = "/usr/bin"
) -> dict[str, str]:
    """The scripts of a batch system, by file name; they have to be root's, with mode 0500."""
    return {
        name: _HEAD.format(name=name, system=system)
        + body.format(
            helper=shlex.quote(helper),
            pause=pause_seconds,
            scontrol=shlex.quote(f"{commands}/scontrol"),
            squeue=shlex.quote(f"{commands}/squeue"),
        ).lstrip("\n")
        for name, body in _HOOKS[system].items()
    }
