"""Data come in by jobs of the facility, whenever they arrive."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from ijp.datastore import Selection


@pytest.fixture
def drop(site):
    """A folder of the drop folder, as an instrument leaves it."""
    folder = site.folder / "drop" / "arrived"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def place_of(root, name: str) -> int:
    """The id of an investigation."""
    (id,) = root.search(f"SELECT i.id FROM Investigation i WHERE i.name = '{name}'")
    return int(id)


def test_what_an_instrument_left_is_loaded_by_a_job(people, root, drop, run_job, named):
    """req. 89, 90: datasets, files and derived metadata; the file is what it was."""
    pixels = np.zeros((30, 40, 3), np.uint8)
    pixels[5:10, 5:15] = 255
    Image.fromarray(pixels).save(drop / "fresh.png")
    dora = people["dora"]
    options = {"Folder": "arrived"}
    investigation = place_of(root, "AST-2026-2")
    run_job(dora, "ingest", options=options, investigation_id=investigation)
    made = named(people["ben"], type="image")["fresh"]
    try:
        values = {one["name"]: one["value"] for one in made["parameters"]}
        derived = [values[name] for name in ("width", "height", "channels", "bitDepth", "subject")]
        assert derived == [40, 30, 3, 8, "fresh"]
        assert values["meanIntensity"] == pytest.approx(50 / 1200)
        (file,) = [one for one in dora.datafiles(made["id"]) if one["name"] == "fresh.png"]
        with people.datastore("ben").get_data(Selection(datafile_ids=[file["id"]])) as download:
            assert b"".join(download.blocks()) == (drop / "fresh.png").read_bytes()
        # Later the same again, with one more picture: what is there is left as it is.
        Image.fromarray(pixels[:, :, 0]).save(drop / "later.png")
        job = run_job(dora, "ingest", options=options, investigation_id=investigation)
        said = b"".join(dora.output(job["id"])).decode()
        assert said == "fresh.png: is there already\nlater.png: loaded\n"
    finally:
        found = list(named(people["ben"], type="image").values())
        gone = [one["id"] for one in found if one["name"] in ("fresh", "later")]
        people.datastore("dora").delete(Selection(dataset_ids=gone))
        root.delete("Dataset", gone)


def test_loading_is_no_special_kind_of_job(
    site, people, root, drop, facility, run_job, named, wait_until
):
    """req. 93: any name, any program; the portal has no code for it."""
    text = (facility.folder / "job_types" / "ingest.xml").read_text()
    text = text.replace("<name>ingest</name>", "<name>bring in</name>")
    facility.write("job_types/other.xml", text)
    Image.fromarray(np.full((8, 9), 7, np.uint8)).save(drop / "by_another.png")
    dora = people["dora"]
    wait_until(lambda: "bring in" in [one["name"] for one in dora.job_types()])
    job = run_job(
        dora,
        "bring in",
        options={"Folder": "arrived"},
        investigation_id=place_of(root, "MIC-2026-1"),
    )
    assert "by_another" in named(people["ana"], type="image")
    assert {one["name"] for one in people["ana"].job_types()}.isdisjoint({"bring in", "ingest"})
    people.datastore("dora").delete(Selection(dataset_ids=job["outputs"]["datasets"]))
    root.delete("Dataset", job["outputs"]["datasets"])
