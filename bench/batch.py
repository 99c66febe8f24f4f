"""The batch layer on a real Slurm: what a submission costs, how often it is asked, what polls take.

The engine's commands are counted as they are run. Where it says "played" the commands are stand-ins
that print what Slurm would, and the time is that of our process alone.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

import requests
from sqlalchemy import create_engine, text

from batch.engine import JobSpec
from batch.engines.slurm import SlurmEngine
from bench import pages, postgresql
from bench.jobs import fill_history
from bench.measure import Result
from bench.site import Batch, Site, served
from bench.slurm import CountedSlurm, counted, played
from ijp.portal import FINAL_STATES, PortalClient
from portal import settings
from portal.app import make_services
from portal.following import Following
from portal.services import Services

USERS = [f"batch{number}" for number in range(100)]
ACCEPTED = "given to the batch system"
HISTORY = 1_000_000
LIVE = 10_000
PLAYED = 100_000
_INTERVAL_SECONDS = 2.0
_LONG_INTERVAL_SECONDS = 30.0
_WINDOW_SECONDS = 20.0

_NAP = "#!/bin/sh\ndate +%s.%N\nsleep 2\ndate +%s.%N\n"
_SLEEP = "#!/bin/sh\nexec sleep 3600\n"
_JOB_TYPE = """<jobType>
  <name>{name}</name><executable>{program}</executable><type>batch</type>
</jobType>
"""


def measure(folder: Path) -> list[Result]:
    """All of it; takes some minutes."""
    place = folder / "batch"
    place.mkdir()
    (place / "postgresql").mkdir()
    found: list[Result] = []
    with postgresql.server(place / "postgresql") as server, counted(place) as slurm:
        interval = f"poll_interval_seconds = {_INTERVAL_SECONDS}\njobs_per_user = 200000\n"
        told = f"poll_interval_seconds = {_LONG_INTERVAL_SECONDS}\njob_reports = true\n"
        with _served(place / "told", server, slurm.batch(told)) as site:
            _keep(found, _seen(site, f"reported, polls each {_LONG_INTERVAL_SECONDS:g} s", 2))
        with _served(place / "site", server, slurm.batch(interval)) as site:
            polled = f"polled each {_INTERVAL_SECONDS:g} s"
            _keep(found, _submission(site, slurm))
            _keep(found, _seen(site, polled, _INTERVAL_SECONDS + 2))
            _keep(found, *_array(site, slurm))
            _keep(found, _calls(site, slurm))
            _keep(found, _poll(site, "a poll of 10,000 jobs", 1.0, 100))
            _keep(found, _page(site, slurm))
        _keep(found, _played_poll(place / "site", place))
    return found


def _keep(found: list[Result], *results: Result) -> None:
    """Add them; what is known is told at once, as all of it takes long."""
    for one in results:
        print(f"  {one.name}: {one.measured}", file=sys.stderr, flush=True)
        found.append(one)


@contextmanager
def _served(folder: Path, server: str, batch: Batch) -> Iterator[Site]:
    """A site with a database of its own and the job types of this section."""
    admin = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE bench_{folder.name}"))
    admin.dispose()
    database_url = f"{server}/bench_{folder.name}"
    with served(folder, database_url, [pages.USER, *USERS], batch=batch) as site:
        facility = folder / "facility"
        (facility / "job_types" / "clock.xml").write_text(pages.CLOCK)
        for name, content in (("nap", _NAP), ("long sleep", _SLEEP)):
            program = facility / "bin" / name.replace(" ", "_")
            program.write_text(content)
            program.chmod(0o755)
            described = _JOB_TYPE.format(name=name, program=program.name)
            (facility / "job_types" / f"{program.name}.xml").write_text(described)
        yield site


def load() -> str:
    """How many processes want a core, on average of a minute."""
    return f"load {os.getloadavg()[0]:.0f}"


def _submission(site: Site, slurm: CountedSlurm) -> Result:
    """From the request until Slurm has the job, and ``sbatch`` of that script in turn with it.

    Slurm starts none of them meanwhile: their starts would be measured instead.
    """
    portal = site.user(pages.USER)
    whole: list[float] = []
    bare: list[float] = []
    slurm.start_jobs(False)
    for _ in range(21):
        began = time.time()
        (job,) = portal.submit("clock")
        whole.append(_accepted_at(portal, job["id"]) - began)
        script = site.folder / "work" / "engine" / "jobs" / job["publicId"] / "script"
        command = ["sbatch", "--parsable", "--export=NONE", "--chdir=/", "-p", "batch"]
        command += ["--input=/dev/null", "--output=/dev/null", str(script)]
        bare.append(_seconds(partial(_run, slurm, command)))
    slurm.empty()
    seconds, limit = statistics.median(whole[1:]), statistics.median(bare[1:])
    more = seconds - limit
    return Result(
        f"REST submission until Slurm has the job ({load()})",
        f"{1000 * seconds:.0f} ms, {1000 * more:.0f} ms more",
        f"sbatch {1000 * limit:.0f} ms",
        "≤ 20 ms more",
        more <= 0.02,
    )


def _run(slurm: CountedSlurm, command: Sequence[str]) -> None:
    line = [str(slurm.commands / command[0]), *command[1:]]
    environment = {"PATH": "/usr/bin:/bin", **slurm.site.environment}
    subprocess.run(line, env=environment, check=True, capture_output=True)


def _seconds(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def _accepted_at(portal: PortalClient, job_id: int) -> float:
    """When the dispatcher noted that the batch system has it."""
    while True:
        for event in portal.job(job_id)["events"]:
            if event["text"] == ACCEPTED:
                return datetime.fromisoformat(event["at"]).timestamp()
        time.sleep(0.02)


def _seen(site: Site, how: str, most_seconds: float) -> Result:
    """From what a job's own clock says of its start and end to what the interface tells."""
    portal = site.user(pages.USER)
    found: list[float] = []
    for _ in range(4):
        (job,) = portal.submit("nap")
        executing = ended = 0.0
        while not ended:
            state = portal.job(job["id"])["state"]
            executing = executing or (time.time() if state == "Executing" else 0.0)
            ended = time.time() if state in FINAL_STATES else 0.0
            time.sleep(0.05)
        started_at, ended_at = map(float, b"".join(portal.output(job["id"])).split())
        found += [(executing or ended) - started_at, ended - ended_at]
    worst = max(found)
    return Result(
        f"start or end of a job until it is seen, {how} ({load()})",
        f"{statistics.median(found):.1f} s, worst {worst:.1f} s",
        "none",
        f"≤ {most_seconds:g} s",
        worst <= most_seconds,
    )


def _array(site: Site, slurm: CountedSlurm) -> list[Result]:
    """A sweep of 1,000, and its end."""
    portal = site.user(pages.USER)
    before = slurm.calls()
    began = time.perf_counter()
    sweep = portal.submit_batch("long sleep", _rows(1000))
    answered = time.perf_counter() - began
    _await(site, "batch_id IS NULL AND state = 'Staging'", 0)
    seconds = time.perf_counter() - began
    calls = (slurm.calls() - before)["sbatch"]
    submitted = Result(
        f"sweep of 1,000 until Slurm has it ({load()})",
        f"{seconds:.2f} s ({answered:.2f} s the request), {calls} sbatch",
        "none",
        "≤ 2 s, 1 sbatch",
        seconds <= 2 and calls == 1,
    )
    before = slurm.calls()
    began = time.perf_counter()
    portal.act("cancel", sweeps=[sweep["sweepId"]])
    _await(site, "state NOT IN ('Completed', 'Failed', 'Cancelled')", 0)
    seconds = time.perf_counter() - began
    calls = (slurm.calls() - before)["scancel"]
    ended = Result(
        f"the same cancelled, until all have ended ({load()})",
        f"{seconds:.1f} s, {calls} scancel",
        "none",
        "≤ 10 scancel",
        calls <= 10,
    )
    return [submitted, ended]


def _rows(number: int) -> bytes:
    return b"name\n" + b"".join(b"row %d\n" % one for one in range(number))


def _await(site: Site, condition: str, number: int) -> None:
    """Wait until so many jobs are so."""
    query = text(f"SELECT count(*) FROM portal.job WHERE {condition}")
    until = time.monotonic() + 600
    while True:
        with site.tables("portal").connect() as connection:
            found = connection.execute(query).scalar()
        if found == number:
            return
        if time.monotonic() > until:
            raise RuntimeError(f"{found} jobs, and not {number}: {condition}")
        time.sleep(0.02)


def _calls(site: Site, slurm: CountedSlurm) -> Result:
    """Commands in a minute: 10 jobs of one user, 10,000 of a hundred."""
    site.user(pages.USER).submit_batch("long sleep", _rows(10))
    few = _calls_a_minute(site, slurm, 10)
    for name in USERS:
        site.user(name).submit_batch("long sleep", _rows(LIVE // len(USERS)))
    many = _calls_a_minute(site, slurm, LIVE + 10)
    # Of two windows of the same length one may have a poll more.
    spare = 60 / _WINDOW_SECONDS
    return Result(
        f"commands in a minute, 10,000 jobs of 100 users ({load()})",
        f"{many:.0f}",
        f"10 jobs of 1 user {few:.0f}",
        "≤ the same",
        many <= few + spare,
    )


def _calls_a_minute(site: Site, slurm: CountedSlurm, live: int) -> float:
    _await(site, "state IN ('Queued', 'Executing')", live)
    # Until those that run have started, and the portal knows.
    time.sleep(3 * _INTERVAL_SECONDS)
    before = slurm.calls()
    time.sleep(_WINDOW_SECONDS)
    return (slurm.calls() - before).total() * 60 / _WINDOW_SECONDS


def _services(folder: Path) -> Services:
    return make_services(settings.read(folder / "ijp.toml"), requests.Session())


def _poll(site: Site, what: str, most_seconds: float, most_mebibytes: int) -> Result:
    return _poll_of(_services(site.folder), what, most_seconds, most_mebibytes)


def _poll_of(services: Services, what: str, most_seconds: float, most_mebibytes: int) -> Result:
    """Our processor time and memory for a poll after which nothing has changed."""
    following = Following(services)
    following.follow()
    taken: list[float] = []
    for _ in range(3):
        began = time.process_time()
        following.follow()
        taken.append(time.process_time() - began)
    Path("/proc/self/clear_refs").write_text("5")
    before = _memory_mebibytes("VmRSS")
    Following(services).follow()
    more = _memory_mebibytes("VmHWM") - before
    seconds = statistics.median(taken)
    return Result(
        f"{what}, our processor time ({load()})",
        f"{seconds:.2f} s, +{more:.0f} MiB",
        "none",
        f"≤ {most_seconds:g} s, {most_mebibytes} MiB",
        seconds <= most_seconds and more <= most_mebibytes,
    )


def _memory_mebibytes(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {name}")


def _page(site: Site, slurm: CountedSlurm) -> Result:
    """The list of jobs with a million that have ended."""
    fill_history(site, HISTORY)
    who = pages.browser(site, pages.USER)
    url = f"{site.url}/jobs"
    for _ in range(3):
        pages.fetch(who, url)
    before = slurm.calls()
    began = time.monotonic()
    taken = sorted(_seconds(lambda: pages.fetch(who, url)) for _ in range(60))
    calls = (slurm.calls() - before).total()
    polls = (time.monotonic() - began) / _INTERVAL_SECONDS + 1
    late = taken[round(0.95 * len(taken)) - 1]
    return Result(
        f"page of jobs, {HISTORY:,} ended and {LIVE:,} live ({load()})",
        f"median {1000 * statistics.median(taken):.0f} ms, p95 {1000 * late:.0f} ms, "
        f"{calls} commands beside",
        f"{polls:.0f} polls in that time",
        "p95 ≤ 300 ms, no commands but polls",
        late <= 0.3 and calls <= polls,
    )


def _played_poll(folder: Path, place: Path) -> Result:
    """100,000 jobs of which Slurm's stand-in says that all wait; nobody serves the site now."""
    commands = played(place / "played", PLAYED)
    file = folder / "ijp.toml"
    head, mark, _ = file.read_text().partition("[portal.engine_settings]\n")
    file.write_text(f'{head}{mark}command_folder = "{commands}"\n')
    services = _services(folder)
    with services.database.begin() as connection:
        # What is live belongs to the real one.
        ended = "UPDATE portal.job SET state = 'Cancelled', recorded = true WHERE state NOT IN"
        connection.execute(text(f"{ended} ('Completed', 'Failed', 'Cancelled')"))
    engine = services.engine
    assert isinstance(engine, SlurmEngine)
    for start in range(1, PLAYED, 1000):
        engine.submit_many([_spec(place, number) for number in range(start, start + 1000)])
    _store(services)
    return _poll_of(services, f"a poll of {PLAYED:,} jobs, Slurm played", 10.0, 200)


def _spec(place: Path, number: int) -> JobSpec:
    return JobSpec(
        mark=f"P{number:025}",
        owner="batch",
        argv=("true",),
        environment={},
        folder=place,
        stdout=place / f"{number}.out",
        stderr=place / f"{number}.err",
        name="clock",
    )


def _store(services: Services) -> None:
    """The rows of those jobs."""
    columns = (
        "submission_id, catalog_session_id, name, job_type, job_type_version, creates_provenance,"
        " program, arguments, wants, raw_arguments, options, resources, dataset_ids,"
        " datafile_ids, investigation_id, submitted_at, user_name"
    )
    chosen = ", ".join(f"template.{one.strip()}" for one in columns.split(","))
    statement = (
        f"INSERT INTO portal.job (public_id, batch_id, state, reason, cancelled,"
        f" progress_message, failure, recorded, {columns})"
        " SELECT 'P' || lpad(n::text, 25, '0'), ((n - 1) / 1000 + 1) || '_' || ((n - 1) % 1000 + 1)"
        " || '/P' || lpad(n::text, 25, '0'), 'Queued', 'waiting for a free slot', false, '', '',"
        f" false, {chosen} FROM generate_series(1, {PLAYED}) n,"
        " (SELECT * FROM portal.job WHERE job_type = 'clock' ORDER BY id LIMIT 1) template"
    )
    with services.database.begin() as connection:
        connection.execute(text(statement))
        connection.execute(text("ANALYZE portal.job"))
