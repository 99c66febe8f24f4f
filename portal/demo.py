"""The demonstration: a facility with real pictures, and a scientist's day on it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from ijp.portal import FINAL_STATES, PortalClient, Record

PICTURES = {
    "MIC-2026-1": ("cell.png", "ihc.png", "microaneurysms.png", "retina.jpg"),
    "AST-2026-2": ("hubble_deep_field.jpg", "moon.png", "rocket.jpg"),
    "MAT-2026-3": ("brick.png", "coffee.png", "coins.png", "grass.png", "gravel.png"),
}
"""Names of the pictures that the scikit-image distribution ships, by investigation."""

_JOB_SECONDS = 300.0

Say = Callable[[str], None]


class DemoError(Exception):
    """Something of the demonstration was not as it should be."""


def fill_drop_folder(folder: Path) -> None:
    """Put the pictures where the instruments of the facility leave theirs."""
    source = Path(str(files("skimage"))) / "data"
    for investigation, names in PICTURES.items():
        place = folder / investigation
        place.mkdir(parents=True, exist_ok=True)
        for name in names:
            if not (source / name).exists():
                raise DemoError(f"the installed scikit-image ships no picture {name}")
            if not (place / name).exists():
                shutil.copyfile(source / name, place / name)


def day(url: str, passwords: dict[str, str], say: Say) -> None:
    """A data manager loads what instruments left; a scientist searches, runs and looks.

    Raises:
        DemoError: A step did not give what it should.
    """
    _load(_logged_in(url, "dora", passwords), say)
    ana = _logged_in(url, "ana", passwords)
    hits = _search(ana, say)
    made = _segment(ana, hits, say)
    _provenance(ana, made, say)
    _check_rights(_logged_in(url, "ben", passwords), made)


def _logged_in(url: str, user: str, passwords: dict[str, str]) -> PortalClient:
    portal = PortalClient(url)
    portal.login("simple", {"username": user, "password": passwords[user]})
    return portal


def _load(dora: PortalClient, say: Say) -> None:
    known = {one["name"] for one in _datasets(dora, type="image")}
    for investigation, names in PICTURES.items():
        wanted = {Path(name).stem for name in names}
        if wanted <= known:
            say(f"  {investigation}: {len(wanted)} pictures are loaded already")
            continue
        place = dora.form("ingest", options={"Folder": investigation}).get("investigations", [])
        ids = [one["id"] for one in place if one["name"] == investigation]
        if not ids:
            raise DemoError(f"the data manager cannot write to investigation {investigation}")
        options = {"Folder": investigation}
        (job,) = dora.submit("ingest", options=options, investigation_id=ids[0])
        _await(dora, [job], say)
        say(f"  {investigation}: {len(wanted)} pictures loaded by job {job['id']}")


def _datasets(portal: PortalClient, **search: object) -> list[Record]:
    return list(portal.datasets(limit="200", **search)["datasets"])


_CONDITIONS = ["contrast:ge:0.5", "width:le:600"]


def _search(ana: PortalClient, say: Say) -> list[Record]:
    hits = _datasets(ana, type="image", p=_CONDITIONS, sort="name")
    say("  contrast ≥ 0.5 and width ≤ 600 px: " + ", ".join(one["name"] for one in hits))
    if not {"cell", "coins"} & {one["name"] for one in hits}:
        raise DemoError(f"the search found {[one['name'] for one in hits]}")
    return hits[:3]


def _segment(ana: PortalClient, hits: list[Record], say: Say) -> list[int]:
    found = {one["name"]: one["id"] for one in _datasets(ana, type="segmentation")}
    names = [f"{one['name']} segmented" for one in hits]
    if known := [id for name, id in found.items() if any(name.startswith(one) for one in names)]:
        say(f"  done before: {len(known)} results")
        return sorted(known)[: len(hits)]
    jobs = ana.submit(
        "segment",
        dataset_ids=[one["id"] for one in hits],
        options={"Minimum area": 50, "Smoothing": 1.5},
        one_job=False,
    )
    say(f"  {len(jobs)} jobs: " + " ".join(jobs[0]["command"]))
    _await(ana, jobs, say)
    made: list[int] = []
    for job in jobs:
        outputs = ana.job(job["id"])["outputs"]["datasets"]
        if len(outputs) != 1:
            raise DemoError(f"job {job['id']} made {len(outputs)} datasets, one was expected")
        made.append(int(outputs[0]))
    for id in made:
        dataset = ana.dataset(id)
        shown = {one["name"]: one["value"] for one in dataset["parameters"]}
        if not shown.get("nObjects"):
            raise DemoError(f"{dataset['name']}: no objects were found")
        say(f"  {dataset['name']}: {shown['nObjects']:g} objects")
    return made


def _await(portal: PortalClient, jobs: list[Record], say: Say) -> None:
    until = time.monotonic() + _JOB_SECONDS
    for job in jobs:
        while (found := portal.job(job["id"]))["state"] not in FINAL_STATES:
            if time.monotonic() > until:
                raise DemoError(f"job {job['id']} is still {found['state']}: {found['reason']}")
            time.sleep(0.1)
        if found["state"] != "Completed":
            words = b"".join(portal.output(job["id"], stream="err")).decode("utf-8", "replace")
            say(words)
            raise DemoError(f"job {job['id']} {found['state']}: {found['reason']}")


def _provenance(ana: PortalClient, made: list[int], say: Say) -> None:
    for id in made:
        graph = ana.provenance(id)
        labels = {node["id"]: node for node in graph["nodes"]}
        kinds = {node["kind"] for node in graph["nodes"]}
        if not {"dataset", "job"} <= kinds:
            raise DemoError(f"the provenance of dataset {id} shows only {sorted(kinds)}")
        chain = _chain(graph["edges"], f"dataset:{id}")
        if sum(one.startswith("dataset:") for one in chain) < 2:
            raise DemoError(f"dataset {id} cannot be followed to the data it was made from")
        say("  " + " ← ".join(f"{labels[one]['label']}" for one in chain))


def _chain(edges: list[Record], start: str) -> list[str]:
    """From a dataset back through jobs and datasets, the first way at each fork."""
    chain = [start]
    while True:
        back = [
            one["source"]
            for one in edges
            if one["target"] == chain[-1]
            and one["source"].split(":")[0] in ("job", "dataset")
            and one["source"] not in chain
        ]
        if not back:
            return chain
        chain.append(sorted(back)[0])


def _check_rights(ben: PortalClient, made: list[int]) -> None:
    visible = {one["id"] for one in _datasets(ben)}
    secret = [id for id in made if id in visible]
    for id in secret:
        if ben.dataset(id)["investigation"]["name"] == "MIC-2026-1":
            raise DemoError(f"ben can see dataset {id} of an investigation that is not his")
