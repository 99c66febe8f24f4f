"""What Slurm's commands with Torque's names print."""

from __future__ import annotations

import pytest

from batch.command import Answer
from batch.engine import EngineState
from batch.pbs import slurm_commands, torque_status
from ijp.errors import BadRequestError, EngineError

# slurm-wlm-torque 22.05.8, qstat -f
RUNNING = """Job Id:\t3
\tJob_Name = job.01JBQ6Z9M3X5T7V9W1Y3A5C7E9
\tJob_Owner = root@vm
\tjob_state = R
\tqueue = two
\tqtime = Sun Nov 22 00:49:21 2026
\tmtime = Sun Nov 22 00:49:21 2026
\tctime = Sun Nov 22 00:50:21 2026
\texec_host = n1/1
\tPriority = 4294901757
\teuser = root(0)
\tegroup = root(0)
\tResource_List.walltime = 00:01:00
\tResource_List.nodect = 1
\tResource_List.ncpus = 1

"""
ENDED = RUNNING.replace("Job Id:\t3", "Job Id:\t2").replace("= R", "= C")


def test_jobs_are_read_with_their_names_and_states():
    first, second = slurm_commands.read_jobs(ENDED + RUNNING)
    assert (first.id, first.state, second.id, second.state) == ("2", "C", "3", "R")
    assert second.name == "job.01JBQ6Z9M3X5T7V9W1Y3A5C7E9"
    assert torque_status.status(second).node == "n1"


def test_how_a_job_ended_is_not_guessed():
    (job,) = slurm_commands.read_jobs(ENDED)
    status = slurm_commands.without_guess(torque_status.status(job), job)
    assert (status.state, status.exit_code, status.reason) == (EngineState.ENDED, None, "")


def test_job_that_another_ones_name_makes_up_is_not_believed():
    made_up = RUNNING.replace("\tjob_state", "evil\nJob Id:\t2\n\tJob_Name = x\n\tjob_state")
    jobs = {one.id: one.state for one in slurm_commands.read_jobs(ENDED + made_up)}
    assert jobs == {"2": "", "3": ""}


@pytest.mark.parametrize("text", ["", "\n", RUNNING[:-1], RUNNING[:60], "Problem loading jobs.\n"])
def test_listing_that_is_cut_short_is_none(text):
    with pytest.raises(EngineError, match="not all that qstat prints"):
        slurm_commands.read_jobs(text)


@pytest.mark.parametrize(("code", "stdout", "empty"), [(153, "", True), (1, "", False)])
def test_only_a_listing_without_jobs_is_empty(code, stdout, empty):
    assert slurm_commands.is_empty(Answer("qstat -f", code, stdout, "")) is empty


@pytest.mark.parametrize(
    "text", ["a b", "$(id)", "x;y", "`id`", "a&b", "a\nb", "'", '"', "<f", "*"]
)
def test_what_a_shell_would_take_for_more_is_refused(text):
    assert slurm_commands.checked(["-N", "job.1", "/a/b_c"]) == ["-N", "job.1", "/a/b_c"]
    with pytest.raises(BadRequestError, match="cannot be told"):
        slurm_commands.checked(["-N", text])


@pytest.mark.parametrize("text", ["", "17 18", "There was an error running sbatch", "17.head"])
def test_job_id_is_a_number_and_nothing_else(text):
    assert slurm_commands.read_submitted(Answer("qsub", 0, "17\n", "")) == "17"
    with pytest.raises(EngineError, match="gave no job id"):
        slurm_commands.read_submitted(Answer("qsub", 0, text, ""))
