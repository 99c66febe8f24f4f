"""Submitting, and the list of jobs when there are many."""

from __future__ import annotations

import statistics
import time

from sqlalchemy import text

from bench.measure import Result, median_seconds
from bench.pages import USER, browser, fetch
from bench.site import Site
from ijp.portal import FINAL_STATES

MANY = 100_000


def start(site: Site) -> Result:
    """From the request to the program's own clock."""
    portal = site.user(USER)
    found: list[float] = []
    for _ in range(15):
        began = time.time()
        (job,) = portal.submit("clock")
        while portal.job(job["id"])["state"] not in FINAL_STATES:
            time.sleep(0.02)
        found.append(float(b"".join(portal.output(job["id"]))) - began)
    seconds = statistics.median(found)
    return Result(
        "submit to running process",
        f"{1000 * seconds:.0f} ms",
        "none",
        "≤ 150 ms",
        seconds <= 0.15,
    )


def thousand(site: Site) -> Result:
    """1,000 jobs by one call."""
    portal = site.user(USER)
    ids: list[int] = []
    for kind in ("kind1", "kind2", "kind3"):
        found = portal.datasets(type=kind, limit="500")
        ids += [one["id"] for one in found["datasets"]]
    if len(ids) < 1000:
        raise RuntimeError(f"only {len(ids)} datasets can be read")
    began = time.perf_counter()
    jobs = portal.submit("bench form", dataset_ids=ids[:1000], one_job=False)
    seconds = time.perf_counter() - began
    return Result(
        f"{len(jobs)} jobs submitted in one call",
        f"{seconds:.2f} s",
        "none",
        "≤ 5 s for 1,000",
        seconds <= 5 and len(jobs) == 1000,
    )


def long_list(site: Site) -> Result:
    """The page of jobs with 100,000 in the table."""
    fill_history(site, MANY)
    who = browser(site, USER)
    seconds = median_seconds(lambda: fetch(who, f"{site.url}/jobs"))
    return Result(
        f"page of jobs, {MANY:,} in the table",
        f"{1000 * seconds:.0f} ms",
        "none",
        "≤ 300 ms",
        seconds <= 0.3,
    )


def fill_history(site: Site, number: int) -> None:
    """Make so many jobs that have ended, like the first one of the job type "clock"."""
    columns = (
        "catalog_session_id, name, job_type, job_type_version, creates_provenance, program,"
        " arguments, wants, raw_arguments, options, resources, dataset_ids, datafile_ids,"
        " investigation_id, cancelled, progress_message, failure, reason, started_at, ended_at,"
        " exit_code, user_name"
    )
    template = "(SELECT * FROM portal.job WHERE job_type = 'clock' ORDER BY id LIMIT 1) template"
    statement = (
        "WITH made AS (INSERT INTO portal.submission (user_name, key, content_hash, created_at,"
        " name, job_type) SELECT user_name, 'many ' || n, '', now() - n * interval '1 minute',"
        f" name, job_type FROM generate_series({number}, 1, -1) n, {template}"
        " RETURNING id, created_at, split_part(key, ' ', 2) AS n) "
        f"INSERT INTO portal.job (submission_id, public_id, state, submitted_at, recorded,"
        f" {columns}) SELECT made.id, lpad(made.n, 26, '0'), 'Completed', made.created_at, true,"
        f" {columns} FROM made, {template}"
    )
    with site.tables("portal").begin() as connection:
        connection.execute(text(statement))
        for table in ("job", "submission"):
            connection.execute(text(f"ANALYZE portal.{table}"))
