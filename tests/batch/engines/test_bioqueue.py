"""What plug-ins of BioQueue's form may do, and that none of it is more than one job's trouble."""

from __future__ import annotations

import pytest

from batch.engine import EngineState
from batch.engines.bioqueue import BioQueueEngine
from ijp.errors import BadRequestError, EngineError, NotFoundError

pytestmark = pytest.mark.slow

SUBMITS = "def submit_job(protocol, job_id, job_step, **more): return '4711'\n"
QUEUED = "def query_job_status(job_id): return 2\n"
CANCELS = "def cancel_job(job_id): return 1\n"


@pytest.fixture
def make_engine_of(tmp_path):
    """Makes an engine whose plug-in has this text."""

    def make(text, *, timeout_seconds=20.0):
        plugin = tmp_path / "plugin.py"
        plugin.write_text(text)
        settings = {"command_folder": "/usr/bin", "plugin": str(plugin)}
        return BioQueueEngine(
            {**settings, "timeout_seconds": timeout_seconds, "record_wait_seconds": 0.2},
            tmp_path / "engine",
        )

    return make


def test_plugin_is_given_what_a_job_may_use(make_engine_of, make_spec, tmp_path):
    given = tmp_path / "given"
    engine = make_engine_of(
        "def submit_job(protocol, job_id, job_step, cpu=0, mem='', vrt_mem='', queue='',"
        " log_file='', wall_time='', workspace=''):\n"
        f"    values = (type(job_id), job_step, cpu, mem, vrt_mem, queue, wall_time)\n"
        f"    open({str(given)!r}, 'w').write(repr(values))\n"
        f"    return 7\n{QUEUED}{CANCELS}"
    )
    limits = {"cores": 3, "memory_mib": 100, "virtual_memory_mib": 200, "wall_seconds": 86400}
    engine.submit(make_spec("true", **limits))
    assert given.read_text() == "(<class 'int'>, 1, 3, '100M', '200M', '', '24:01:00')"
    engine.submit(make_spec("true"))
    assert given.read_text() == "(<class 'int'>, 1, 1, '', '', '', '')"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("return 0", "submitting gave no job id: 0"),
        ("return ''", "no job id: ''"),
        ("return None", "no job id: None"),
        ("return 'qsub: submit error (no such queue)'", "submit error"),
        ("return ['x']", "no job id"),
        ("return True", "no job id: True"),
        ("raise ValueError('out of order')", "ValueError: out of order"),
        ("import sys; sys.exit('gone')", "gone"),
        ("import os; os._exit(0)", "gave no job id"),
        ("return job", "NameError"),
    ],
)
def test_submission_that_goes_wrong_is_an_error(make_engine_of, make_spec, text, named):
    plugin = f"def submit_job(*most, **more):\n    {text}\n"
    engine = make_engine_of(plugin + QUEUED + CANCELS)
    spec = make_spec("true")
    with pytest.raises(EngineError, match=named.replace("(", r"\(").replace(")", r"\)")):
        engine.submit(spec)
    assert engine.find([spec.mark]) == {}


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("return 2", EngineState.QUEUED),
        ("return 1", EngineState.RUNNING),
        ("return 3", EngineState.UNKNOWN),
        ("return 99", EngineState.UNKNOWN),
        ("return 'running'", EngineState.UNKNOWN),
        ("print('noise'); return 2", EngineState.QUEUED),
        ("return -3", None),
    ],
)
def test_codes_are_translated(make_engine_of, make_spec, text, state):
    engine = make_engine_of(f"{SUBMITS}def query_job_status(job_id):\n    {text}\n{CANCELS}")
    batch_id = engine.submit(make_spec("true"))
    states = {one: status.state for one, status in engine.status([batch_id]).items()}
    assert states == ({} if state is None else {batch_id: state})


def test_completed_is_no_success_without_the_runners_record(make_engine_of, make_spec):
    """A plug-in that says so of everything, as of a cluster that it cannot reach."""
    engine = make_engine_of(f"{SUBMITS}def query_job_status(job_id): return 0\n{CANCELS}")
    batch_id = engine.submit(make_spec("true"))
    status = engine.status([batch_id])[batch_id]
    assert (status.state, status.succeeded) == (EngineState.ENDED, False)
    assert status.reason == "the batch system ended it before it began"


NUMBERED = (
    "import os\ndef submit_job(protocol, job_id, job_step, workspace='', **more):\n"
    "    place = os.path.join(os.path.dirname(__file__), 'count')\n"
    "    open(place, 'a').write('x')\n    return str(os.path.getsize(place))\n"
)


@pytest.mark.parametrize(
    "trouble",
    ["raise KeyError(job_id)", "return None", "return {}", "import sys; sys.exit(3)"],
)
def test_trouble_with_one_job_hides_no_other(make_engine_of, make_spec, trouble):
    engine = make_engine_of(
        f"{NUMBERED}def query_job_status(job_id):\n    if job_id == '1':\n        {trouble}\n"
        f"    return 1\n{CANCELS}"
    )
    first, second = engine.submit_many([make_spec("true"), make_spec("true")])
    states = {one: status.state for one, status in engine.status([first, second]).items()}
    assert states == {first: EngineState.UNKNOWN, second: EngineState.RUNNING}


def test_trouble_with_all_jobs_is_an_error(make_engine_of, make_spec):
    engine = make_engine_of(
        f"{SUBMITS}def query_job_status(job_id): raise OSError('no server')\n{CANCELS}"
    )
    batch_id = engine.submit(make_spec("true"))
    with pytest.raises(EngineError, match="OSError: no server"):
        engine.status([batch_id])


def test_question_that_hangs_hides_no_other(make_engine_of, make_spec):
    engine = make_engine_of(
        f"{NUMBERED}def query_job_status(job_id):\n    import time\n"
        f"    if job_id == '1': time.sleep(1000)\n    return 1\n{CANCELS}",
    )
    first, second = engine.submit_many([make_spec("true"), make_spec("true")])
    states = {one: status.state for one, status in engine.status([first, second]).items()}
    assert states == {first: EngineState.UNKNOWN, second: EngineState.RUNNING}


def test_all_jobs_are_asked_for_however_slow_the_answers_are(make_engine_of, make_spec):
    engine = make_engine_of(
        f"{NUMBERED}def query_job_status(job_id):\n    import time\n"
        f"    time.sleep(0.4)\n    return 1\n{CANCELS}",
        timeout_seconds=3,
    )
    batch_ids = engine.submit_many([make_spec("true") for _ in range(5)])
    states = {status.state for status in engine.status(batch_ids).values()}
    assert (len(batch_ids), states) == (5, {EngineState.RUNNING})


def test_submission_that_hangs_is_ended(make_engine_of, make_spec):
    engine = make_engine_of(
        f"import time\ndef submit_job(*most, **more): time.sleep(1000)\n{QUEUED}{CANCELS}",
        timeout_seconds=1,
    )
    with pytest.raises(EngineError, match="no answer after 1 s"):
        engine.submit(make_spec("true"))


@pytest.mark.parametrize("text", ["return 0", "raise OSError('no')"])
def test_job_that_is_not_cancelled_is_told(make_engine_of, make_spec, text):
    engine = make_engine_of(f"{SUBMITS}{QUEUED}def cancel_job(job_id): {text}\n")
    batch_id = engine.submit(make_spec("true"))
    with pytest.raises(EngineError):
        engine.cancel(batch_id)
    assert engine.status([batch_id])[batch_id].state is EngineState.QUEUED


def test_answer_that_nobody_waited_for_is_found(make_engine_of, make_spec):
    """As after a crash between the plug-in's answer and the record of it."""
    engine = make_engine_of(SUBMITS + QUEUED + CANCELS)
    spec = make_spec("true")
    batch_id = engine.submit(spec)
    (engine._records.job(spec.mark) / "id").unlink()
    assert engine.find([spec.mark]) == {spec.mark: batch_id}
    assert engine.submit(spec) == batch_id


def test_job_that_was_submitted_twice_runs_once(make_bioqueue, make_spec, wait_for, wait_until):
    """The first submission left no answer; its job runs all the same."""
    engine = make_bioqueue()
    spec = make_spec("sh", "-c", "echo run >> ran; while ! [ -e go ]; do sleep 0.05; done")
    engine.submit(spec)
    wait_until(lambda: (spec.folder / "ran").exists())
    for name in ("id", "answer"):
        (engine._records.job(spec.mark) / name).unlink()
    batch_id = engine.submit(spec)
    (spec.folder / "go").touch()
    assert wait_for(engine, batch_id).succeeded
    assert (spec.folder / "ran").read_text() == "run\n"


@pytest.mark.parametrize("plugin", ["", "no module!", "/no/such/file.py", "/etc/passwd", "-c"])
def test_plugin_that_is_none_is_named(tmp_path, plugin):
    settings = {"command_folder": "/usr/bin", "plugin": plugin}
    with pytest.raises(BadRequestError, match="plugin must name a module or an existing file"):
        BioQueueEngine(settings, tmp_path / "engine")


def test_plugin_that_cannot_be_loaded_is_an_error(make_engine_of, make_spec):
    engine = make_engine_of("import no_such_module_anywhere\n")
    with pytest.raises(EngineError, match="No module named 'no_such_module_anywhere'"):
        engine.submit(make_spec("true"))


def test_unknown_job_is_not_cancelled(make_engine_of):
    with pytest.raises(NotFoundError):
        make_engine_of(SUBMITS + QUEUED + CANCELS).cancel("4711/" + "0" * 26)
