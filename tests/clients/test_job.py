"""``ijp.job``, used by programs that run as real jobs (req. 7, 91, 92, 121, 122)."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from ijp.errors import BadRequestError
from ijp.job import Parameter, safe_name

pytestmark = pytest.mark.slow

_HEAD = "#!/usr/bin/env python3\nimport subprocess, sys\nfrom ijp.job import *\n"


_RUNNER = """#!/usr/bin/env python3
import runpy, sys
runpy.run_path(sys.argv[sys.argv.index("--option") + 1], run_name="__main__")
"""


@pytest.fixture
def run_source(portal, program, fresh, tmp_path):
    """Runs a function body as a job of ana; ``job`` is there: ``run_source(source, [id])``."""
    program("scripted", _RUNNER)

    def run_source(body: str, dataset_ids=(), state: str = "Completed"):
        source = textwrap.indent(textwrap.dedent(body), "    ")
        path = tmp_path / fresh("run") / "scripted"
        path.parent.mkdir()
        path.write_text(f"{_HEAD}def main(job):\n{source}\nrun(main)\n")
        ids = list(dataset_ids) or [portal.dataset(fresh("input"))]
        (job,) = portal.user().submit(
            "scripted", dataset_ids=ids, options={"Option": str(path)}, one_job=True
        )
        done = portal.wait(job)
        error = b"".join(portal.user().output(job["id"], stream="err")).decode()
        assert done["state"] == state, (done["reason"], error)
        done["error"] = error
        done["output"] = b"".join(portal.user().output(job["id"])).decode()
        return done

    return run_source


def parameters_of(portal, dataset_id):
    found = portal.user().dataset(dataset_id)["parameters"]
    return {(one["name"], one["units"]): one["value"] for one in found}


def test_unmodified_program_is_wrapped_in_less_than_50_lines(
    portal, program, fresh, example_of, tmp_path
):
    """req. 7, 121, 122: the very example of the documentation, run on real data."""
    wrapper = example_of("jobs.md", "python")
    assert len(wrapper.splitlines()) < 50
    stranger = tmp_path / "find-spots"  # it knows nothing of the portal
    stranger.write_text(
        "#!/bin/sh\nset -eu\n"
        'while [ $# -gt 2 ]; do echo "option: $1"; shift; done\n'
        'echo "x,y" > "$2"\ntr -cd "*" < "$1" | sed "s/\\*/1,2\\n/g" >> "$2"\n'
    )
    stranger.chmod(0o755)
    assert "/opt/find-spots" in wrapper
    program("spots", wrapper.replace("/opt/find-spots", str(stranger)))
    ids = [
        portal.dataset(fresh("picture"), files={"picture.png": content, "note.txt": b"**"})
        for content in (b"..*..*", b"***")
    ]
    (job,) = portal.user().submit(
        "spots", dataset_ids=ids, options={"Option": "very thorough"}, one_job=True
    )
    done = portal.completed(job)
    written = b"".join(portal.user().output(job["id"])).decode()
    assert written == "option: --option\noption: very thorough\n" * 2
    made = done["outputs"]["datasets"]
    assert [parameters_of(portal, id) for id in made] == [
        {("nSpots", ""): 2.0},
        {("nSpots", ""): 3.0},
    ]
    assert [one["name"] for one in portal.user().datafiles(made[0])] == ["spots.csv"]
    nodes = {node["id"] for node in portal.user().provenance(made[0])["nodes"]}
    assert f"dataset:{ids[0]}" in nodes


def test_job_knows_what_it_was_started_on(portal, run_source, fresh):
    name = fresh("known")
    made = portal.dataset(name, channels=2, files={"a.txt": b"hello", "in/b.txt": b"more"})
    done = run_source(
        """
        (dataset,) = job.datasets
        files = sorted((one.name, one.size, one.format) for one in dataset.files)
        place = job.fetch(dataset)
        print([job.user, job.facility, job.investigation_id, job.job_type])
        print([dataset.id, dataset.name, dataset.type, dict(dataset.parameters), files])
        print(sorted(str(one.relative_to(place)) for one in place.rglob("*") if one.is_file()))
        print((place / "in" / "b.txt").read_bytes(), job.datafiles)
        """,
        [made],
    )
    assert done["output"].splitlines() == [
        str(["simple/ana", "TEST", portal.investigation("A"), "scripted"]),
        str(
            [
                made,
                name,
                "raw",
                {"numChannels": 2.0},
                [("a.txt", 5, "text"), ("in/b.txt", 4, "text")],
            ]
        ),
        "['a.txt', 'in/b.txt']",
        "b'more' []",
    ]
    files = [one["id"] for one in portal.user().datafiles(made)]
    assert sorted(done["inputs"]["datafilesRead"]) == sorted(files)


def test_files_of_one_name_have_places_of_their_own(portal, run_source, fresh):
    ids = [portal.dataset(fresh("same"), files={"a.txt": text}) for text in (b"one", b"two")]
    done = run_source(
        """
        places = [job.fetch_file(dataset.files[0]) for dataset in job.datasets]
        print([place.read_text() for place in places])
        """,
        ids,
    )
    assert done["output"] == "['one', 'two']\n"


def test_new_dataset_has_files_and_parameters_and_is_found(portal, run_source, fresh):
    """req. 91: what a job writes can be searched for."""
    name = fresh("made")
    done = run_source(
        f"""
        from datetime import datetime, timezone
        when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
        with job.new_dataset({name!r}, "derived", description="as a test",
                             parameters=[Parameter("note", "early")], start=when) as made:
            made.add_file(b"text", name="a.txt")
            path = job.folder / "b.csv"
            path.write_text("x\\n")
            made.add_file(path, format="text")
            made.set("total", 12, "B")
            made.set("taken", when)
            made.set("length", 2.5, "mm", error=0.5)
        """
    )
    (made,) = done["outputs"]["datasets"]
    dataset = portal.user().dataset(made)
    assert (dataset["name"], dataset["description"], dataset["complete"]) == (
        name,
        "as a test",
        True,
    )
    assert parameters_of(portal, made) == {
        ("note", ""): "early",
        ("total", "B"): 12.0,
        ("taken", ""): "2026-01-02T03:04:05.000Z",
        ("length", "mm"): 2.5,
    }
    files = {one["name"]: (one["format"], one["size"]) for one in portal.user().datafiles(made)}
    assert files == {"a.txt": ("text", 4), "b.csv": ("text", 2)}
    found = portal.user().datasets(p=["total:eq:12", "length [mm]:gt:2"])["datasets"]
    assert [one["id"] for one in found] == [made]


def test_parameter_added_later_is_found(portal, run_source, fresh):
    """req. 92"""
    made = portal.dataset(fresh("augmented"))
    done = run_source(
        """
        job.augment(job.datasets[0], [Parameter("note", "seen"), Parameter("length", 7, "km")])
        """,
        [made],
    )
    assert done["outputs"] == {"datasets": [], "augmented": [made]}
    found = portal.user().datasets(p=["length [km]:eq:7"])["datasets"]
    assert [one["id"] for one in found] == [made]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise ValueError('not my day')", "ValueError: not my day"),
        ("made.set('nosuch', 1)", "the catalog has no parameter type 'nosuch' for datasets"),
        ("made.set('total', 1, 'kg')", "parameter 'total' is in 'B', not in 'kg'"),
        ("made.set('length', 1)", "parameter 'length' can be in 'mm', 'km': say which"),
        ("made.set('note', 1)", "parameter 'note' takes STRING, not NUMERIC"),
        ("made.set('total', float('nan'), 'B')", "parameter total: nan is not a number"),
        ("made.set('total', True, 'B')", "parameter total: give a number or text"),
        ("made.add_file(b'x', name='a.txt', format='gif')", "no datafile format 'gif'"),
        ("made.add_file(b'x')", "bytes need a name to be stored under"),
        ("made.add_file(b'x', name='../a.txt')", "cannot be the name of a file"),
        ("job.new_dataset('y', 'nosuch')", "the catalog has no DatasetType 'nosuch'"),
        ("job.new_dataset('a/b', 'derived')", "'a/b' cannot be the name of a dataset"),
    ],
)
def test_half_a_dataset_is_removed_and_the_reason_told(portal, run_source, fresh, body, message):
    """Nobody ever finds half a dataset."""
    name = fresh("half")
    done = run_source(
        f"""
        with job.new_dataset({name!r}, "derived") as made:
            made.add_file(b"text", name="early.txt")
            {body}
        """,
        state="Failed",
    )
    assert message in done["error"]
    assert done["exitCode"] == 1
    assert done["outputs"]["datasets"] == []
    assert portal.root.search(f"SELECT d.id FROM Dataset d WHERE d.name = '{name}'") == []


def test_problem_is_one_line_and_a_bug_a_traceback(run_source):
    done = run_source("job.new_dataset('y', 'nosuch')", state="Failed")
    assert done["error"].startswith("scripted: ")
    assert done["error"].count("\n") == 1
    done = run_source("nonsense", state="Failed")
    assert "NameError: name 'nonsense' is not defined" in done["error"]


@pytest.mark.parametrize(
    ("command", "ending"),
    [
        ("['sh', '-c', 'exit 7']", "sh ended with code 7"),
        ("['sh', '-c', 'kill -9 $$']", "sh was ended by signal 9"),
        ("'exit 3', shell=True", "exit 3 ended with code 3"),
    ],
)
def test_wrapped_program_that_fails_is_told_in_a_line(run_source, command, ending):
    """req. 7"""
    done = run_source(f"subprocess.run({command}, check=True)", state="Failed")
    assert done["error"].endswith(f": {ending}\n")
    assert done["error"].count("\n") == 1


def test_name_that_is_taken_is_told(portal, run_source, fresh):
    name = fresh("taken")
    source = f"job.new_dataset({name!r}, 'derived').complete()"
    run_source(source)
    done = run_source(source, state="Failed")
    assert "exists" in done["error"]


def test_progress_is_shown(portal, program, fresh):
    """req. 106"""
    program(
        "slow",
        _HEAD + "import time\n"
        "def main(job):\n"
        "    for thing in job.track([1, 2], 'adding up'):\n"
        "        time.sleep(1.2)\n"
        "run(main)\n",
    )
    (job,) = portal.user().submit("slow", dataset_ids=[portal.dataset(fresh("slow"))])
    seen = set()
    while (now := portal.user().job(job["id"]))["state"] not in ("Completed", "Failed"):
        seen.add((now["progress"], now["progressMessage"]))
        time.sleep(0.1)
    assert {(0.0, "adding up"), (0.5, "adding up")} <= seen
    assert (now["progress"], now["state"]) == (1.0, "Completed")


def test_progress_that_cannot_be_told_costs_nothing(run_source):
    done = run_source(
        """
        job.progress(0.5, "x" * 2000)
        job.progress(7.0)
        job.progress(-1)
        """
    )
    assert done["error"].startswith("progress was not told: ")


def test_tracking_of_many_things_tells_now_and_then(run_source):
    """A call for each of ten thousand members would cost more than the work."""
    done = run_source(
        """
        import time
        told = []
        job.progress = lambda fraction, message="": told.append(fraction)
        begun = time.monotonic()
        assert list(job.track(range(10_000))) == list(range(10_000))
        print(len(told) <= 2 + 2 * (1 + time.monotonic() - begun), told[0], told[-1])
        """
    )
    assert done["output"] == "True 0.0 1.0\n"


def test_input_that_was_not_selected_is_not_given(portal, run_source, fresh):
    """security: the token is good for what the job was started on."""
    other = portal.dataset(fresh("other"))
    (file,) = portal.user().datafiles(other)
    done = run_source(f"job.fetch_file(InputFile({file['id']}, 'a.txt', 5))", state="Failed")
    assert f"datafile {file['id']} is not an input of this job" in done["error"]
    done = run_source(
        f"""
        job.augment(InputDataset({other}, "x", "raw", 1, {{}}, ()), [Parameter("note", "x")])
        """,
        state="Failed",
    )
    assert f"dataset {other} is neither input nor output of this job" in done["error"]


def test_fewer_bytes_than_the_catalog_says_are_an_error(portal, run_source, fresh):
    done = run_source(
        """
        file = job.datasets[0].files[0]
        job.fetch_file(InputFile(file.id, file.name, file.size + 1))
        """,
        state="Failed",
    )
    assert "5 bytes came, 6 were expected" in done["error"]


def test_fetch_goes_on_when_the_connection_breaks(portal, run_source, fresh):
    content = bytes(range(256)) * 9000
    made = portal.dataset(fresh("breaking"), files={"big.bin": content})
    done = run_source(
        """
        import hashlib, ijp.job
        from ijp.errors import UnavailableError
        whole, breaks = ijp.job.blocks_of, [1, 1]
        def breaking(answer, size):
            for block in whole(answer, 65536):
                yield block
                if breaks:
                    breaks.pop()
                    raise UnavailableError("broken")
        ijp.job.blocks_of = breaking
        path = job.fetch_file(job.datasets[0].files[0])
        print(hashlib.sha256(path.read_bytes()).hexdigest(), breaks)
        """,
        [made],
    )
    assert done["output"] == f"{hashlib.sha256(content).hexdigest()} []\n"


def test_job_waits_for_a_portal_that_is_being_restarted(portal, tmp_path):
    """A server of some seconds' absence costs no job of hours."""
    (job,) = portal.user().submit("tool", arguments=["token", str(tmp_path / "token"), "20"])
    portal.wait(job, "Executing")
    while not (tmp_path / "token").exists() or not (tmp_path / "token").read_text():
        time.sleep(0.05)
    found = json.loads((tmp_path / "token").read_text())
    late = _Relay(portal.url)
    file = tmp_path / "job.json"
    file.write_text(json.dumps(found | {"url": late.url}))
    script = "from ijp.job import Job; print(Job.from_environment().id)"
    waiting = subprocess.Popen(
        [sys.executable, "-c", script],
        env=dict(os.environ) | {"IJP_JOB_FILE": str(file)},
        stdout=subprocess.PIPE,
        text=True,
    )
    time.sleep(3)
    assert waiting.poll() is None
    late.start()
    assert waiting.communicate(timeout=40)[0] == f"{job['id']}\n"
    late.stop()
    portal.user().cancel(job["id"])


class _Relay:
    """A port that begins to pass connections on when it is told to."""

    def __init__(self, target: str) -> None:
        self._target = ("127.0.0.1", int(target.rpartition(":")[2]))
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._stopped = False

    def start(self) -> None:
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def stop(self) -> None:
        self._stopped = True
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        self._socket.settimeout(0.1)
        while not self._stopped:
            try:
                inner, _ = self._socket.accept()
            except TimeoutError:
                continue
            with inner, socket.create_connection(self._target) as outer:
                request = inner.recv(65536).replace(b"keep-alive", b"close")
                outer.sendall(request)
                while block := outer.recv(65536):
                    inner.sendall(block)


def test_program_that_was_started_by_hand_says_so():
    done = subprocess.run(
        [sys.executable, "-c", "import ijp.job; ijp.job.run(print)"],
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "IJP_JOB_FILE"},
    )
    assert done.returncode == 1
    assert done.stderr == "-c: IJP_JOB_FILE is not set: run this program as a job of the portal\n"


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../b", "", "a\0b", ".."])
def test_names_that_leave_their_folder_are_refused(name):
    """A file name with ``..``."""
    with pytest.raises(BadRequestError, match="leaves its folder"):
        safe_name(name)


@pytest.mark.parametrize("name", ["a", "a/b", "a b.txt", "..a", "...", "a\\b"])
def test_other_names_stay(name):
    assert safe_name(name) == name
    assert (Path("/base") / safe_name(name)).is_relative_to("/base")


def test_parameter_on_the_wire():
    assert Parameter("a", 1).on_wire() == {"name": "a", "numericValue": 1.0}
    assert Parameter("a", 1, "mm", 0.5).on_wire() == {
        "name": "a",
        "units": "mm",
        "numericValue": 1.0,
        "error": 0.5,
    }
    assert Parameter("a", "text").on_wire() == {"name": "a", "stringValue": "text"}
