"""How one command for many jobs is made and what follows if it fails; the commands are scripts."""

from __future__ import annotations

import pytest

from batch.engines.slurm import SlurmEngine
from ijp.errors import EngineError, NotFoundError

# A batch system of files: jobs/ID has the state, the comment and what is wrong with cancelling it.
SBATCH = """#!/bin/sh
cd {folder}
number=$(( $(cat number) + 1 )); echo $number > number
for one in "$@"; do case $one in --job-name=*) name=${{one#--job-name=}};; esac; done
echo PENDING "$name" > jobs/$number
echo $number
"""
SQUEUE = """#!/bin/sh
echo squeue >> {folder}/calls
for form in "$@"; do :; done
start=${{form%%%*}}
s=$(printf '\\037')
cd {folder}/jobs
for id in *; do
    read -r state name < $id
    none="${{s}}N/A${{s}}N/A"
    printf '%s' "$start$id$s$state${{s}}Priority$none$s${{s}}ana${{s}}short${{s}}N/A$s$name
"
done
"""
SCANCEL = """#!/bin/sh
echo scancel $# >> {folder}/calls
cd {folder}/jobs
code=0
for id in "$@"; do
    if [ -e ../stuck-$id ]; then echo "Kill job error on job id $id: no" >&2; code=1; continue; fi
    read -r state name < $id
    echo CANCELLED "$name" > $id
done
exit $code
"""


@pytest.fixture
def system(tmp_path):
    """The folder of such a system."""
    folder = tmp_path / "system"
    (folder / "jobs").mkdir(parents=True)
    (folder / "number").write_text("0\n")
    (folder / "calls").touch()
    commands = {"sbatch": SBATCH, "squeue": SQUEUE, "scancel": SCANCEL}
    commands["scontrol"] = "#!/bin/sh\nexit 0\n"
    for name, text in commands.items():
        (folder / name).write_text(text.format(folder=folder))
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def engine(system, tmp_path):
    return SlurmEngine({"command_folder": str(system), "array_limit": 1}, tmp_path / "engine")


@pytest.fixture
def submitted(engine, make_spec):
    def submit(number):
        return engine.submit_many([make_spec("true") for _ in range(number)])

    return submit


def calls(system):
    lines = (system / "calls").read_text().splitlines()
    (system / "calls").write_text("")
    return lines


def test_hundreds_are_cancelled_by_one_look_and_one_command(engine, system, submitted):
    batch_ids = submitted(60)
    calls(system)
    assert engine.cancel_many(batch_ids) == [None] * 60
    assert calls(system) == ["squeue", "scancel 60"]


def test_command_line_stays_short(engine, system, submitted, monkeypatch):
    monkeypatch.setattr("batch.command_engine._IDS_AT_ONCE", 25)
    batch_ids = submitted(60)
    calls(system)
    assert engine.cancel_many(batch_ids) == [None] * 60
    assert calls(system) == ["squeue", "scancel 25", "scancel 25", "scancel 10"]


def test_job_that_cannot_be_cancelled_is_found_among_the_others(engine, system, submitted):
    batch_ids = submitted(16)
    (system / "stuck-11").touch()
    answers = engine.cancel_many(batch_ids)
    assert [place for place, one in enumerate(answers) if one is not None] == [10]
    assert "Kill job error on job id 11" in answers[10].message
    assert len(calls(system)) < 8


def test_system_that_does_not_answer_is_told_for_each(engine, system, submitted):
    batch_ids = submitted(3)
    (system / "squeue").write_text("#!/bin/sh\nexit 1\n")
    answers = engine.cancel_many(batch_ids)
    assert [type(one).__mro__[1] for one in answers] == [EngineError] * 3


def test_account_of_each_job_is_heeded(engine, submitted, monkeypatch):
    """Jobs of different accounts are never in one command."""
    batch_ids = submitted(4)
    users = dict(zip((one.rpartition("/")[2] for one in batch_ids), "abab", strict=True))
    monkeypatch.setattr(engine, "_run_as", users.__getitem__)
    told = []
    plain = engine.run

    def run(arguments, *, user="", keep=()):
        if arguments[0] == "scancel":
            told.append((user, len(arguments) - 1))
            user = ""
        return plain(arguments, user=user, keep=keep)

    monkeypatch.setattr(engine, "run", run)
    assert engine.cancel_many(batch_ids) == [None] * 4
    assert told == [("a", 2), ("b", 2)]


def test_unknown_job_needs_no_command(engine, system, submitted):
    (batch_id,) = submitted(1)
    calls(system)
    answers = engine.cancel_many(["7/" + "Z" * 26, batch_id])
    assert isinstance(answers[0], NotFoundError)
    assert answers[1] is None
    assert calls(system) == ["squeue", "scancel 1"]
