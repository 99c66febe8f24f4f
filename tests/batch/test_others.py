"""Jobs of others come with the look at ours: no command more."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from batch.engine import Capability, EngineState
from batch.engines.gridengine import GridEngine
from batch.engines.slurm import SlurmEngine
from batch.engines.torque import TorqueEngine
from ijp.errors import NotImplementedHereError

CAPTURE = Path(__file__).parent / "captures" / "torque" / "qstat-fx-C-exit3.xml"
SQUEUE = r"""echo >> {folder}/calls
for form in "$@"; do :; done
start=${{form%%%*}}
printf "$start%s\037RUNNING\037None\037\037\037n1\037ana\037short\037\037%s\n" 7 "{mark}"
printf "$start%s\037PENDING\037None\037\037\037\037eva\037long\037\037%s\n" 8 "by hand"
"""


@pytest.fixture
def command(tmp_path):
    """Makes a command of a batch system: ``command("squeue", "echo …")``."""

    def command(name, text):
        path = tmp_path / "commands" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        return {"command_folder": str(path.parent)}

    return command


def test_look_at_our_jobs_shows_others_without_a_command_more(command, tmp_path, make_spec):
    spec = make_spec("true")
    command("sbatch", "echo 7")
    settings = command("squeue", SQUEUE.format(folder=tmp_path, mark=f"a.{spec.mark}"))
    engine = SlurmEngine(settings, tmp_path / "engine")
    batch_id = engine.submit(spec)
    (tmp_path / "calls").write_text("")
    assert engine.status([batch_id])[batch_id].state is EngineState.RUNNING
    (other,) = engine.others()
    assert (other.native_id, other.name, other.owner, other.queue) == (
        "8",
        "by hand",
        "eva",
        "long",
    )
    assert len((tmp_path / "calls").read_text().splitlines()) == 1
    # where nobody has looked since, it does
    assert [one.native_id for one in engine.others()] == ["8"]
    assert len((tmp_path / "calls").read_text().splitlines()) == 2


def test_jobs_of_others_on_torque(command, tmp_path):
    engine = TorqueEngine(command("qstat", f"cat {CAPTURE}"), tmp_path / "engine")
    (other,) = engine.others()
    assert (other.native_id, other.name, other.owner) == ("5869.head", "exit3", "tqalice")
    assert (other.queue, other.status.state) == ("batch", EngineState.ENDED)
    assert other.submitted == datetime.fromtimestamp(1795199226, UTC)


def test_engine_that_does_not_list_them_says_so(command, tmp_path):
    engine = GridEngine(command("qstat", "exit 1"), tmp_path / "engine")
    assert Capability.OTHERS not in engine.capabilities
    with pytest.raises(NotImplementedHereError, match="list jobs of others"):
        engine.others()
