"""What jobs make, whose it is, and what it was made from."""

from __future__ import annotations

import pytest

from ijp.datastore import Selection
from ijp.errors import NotAuthorizedError, NotFoundError


@pytest.fixture(scope="module")
def montage(people, segmented, run_job):
    """A job on the result of a job: the second step of a processing."""
    return run_job(
        people["ana"], "montage", dataset_ids=segmented["outputs"]["datasets"], one_job=True
    )


def test_result_is_nobody_elses_until_a_rule_allows_it(people, ana, ben, root, segmented):
    """req. 3: not found, not downloaded, not taken as input; and then it is."""
    (made,) = segmented["outputs"]["datasets"]
    chosen = Selection(dataset_ids=[made])

    def found() -> bool:
        return made in [one["id"] for one in ben.datasets(type="segmentation")["datasets"]]

    assert not found()
    with pytest.raises((NotAuthorizedError, NotFoundError)):
        people.datastore("ben").get_data(chosen)
    with pytest.raises(NotFoundError):
        ben.submit("montage", dataset_ids=[made])
    rule = root.create("Rule", what=f"SELECT d FROM Dataset d WHERE d.id = {made}", crudFlags="R")
    try:
        assert found()
        assert ben.form("montage", dataset_ids=[made])["command"]
    finally:
        root.delete("Rule", [rule])
    assert not found()


def test_two_steps_are_two_jobs_in_the_catalog_linked_by_the_dataset_between(
    root, segmented, montage, images
):
    """req. 12: Application, Job, input and output collections."""
    (middle,), (last,) = segmented["outputs"]["datasets"], montage["outputs"]["datasets"]

    def recorded(made: int) -> dict:
        (job,) = root.search(
            "SELECT j FROM Job j JOIN j.outputDataCollection.dataCollectionDatasets o "
            f"WHERE o.dataset.id = {made} INCLUDE j.application, "
            "j.inputDataCollection AS i, i.dataCollectionDatasets AS ids, ids.dataset"
        )
        return job

    first, second = recorded(middle), recorded(last)
    assert (first["application"]["name"], second["application"]["name"]) == ("segment", "montage")
    assert first["application"]["version"] == segmented["application"]["version"]

    def inputs(job: dict) -> list[int]:
        taken = job["inputDataCollection"]["dataCollectionDatasets"]
        return [one["dataset"]["id"] for one in taken]

    assert inputs(first) == [images["cell"]]
    assert inputs(second) == [middle]


def test_derived_dataset_is_traced_back_to_the_raw_one(ana, browse, segmented, montage, images):
    """req. 13: by a search, by the graph, and in the picture."""
    (last,) = montage["outputs"]["datasets"]
    ancestors = {one["id"] for one in ana.datasets(origin=str(last))["datasets"]}
    assert ancestors == {images["cell"], *segmented["outputs"]["datasets"]}
    graph = ana.provenance(last, depth=5)
    edges = {(one["source"], one["target"]) for one in graph["edges"]}
    first, second = (
        next(
            node["id"]
            for node in graph["nodes"]
            if node["kind"] == "job" and (node["id"], f"dataset:{made}") in edges
        )
        for made in (segmented["outputs"]["datasets"][0], last)
    )
    assert (f"dataset:{images['cell']}", first) in edges
    assert (f"dataset:{segmented['outputs']['datasets'][0]}", second) in edges
    page = browse("ana").open(f"/datasets/{last}/provenance")
    for word in ("cell", "segment", "montage"):
        assert word in page.text
    assert f"/datasets/{images['cell']}" in page.link("cell")


def test_users_cannot_forge_a_history(people, segmented, images):
    """req. 12: the portal alone writes it."""
    ana = people.catalog("ana")
    (application,) = ana.search("SELECT a.id FROM Application a WHERE a.name = 'segment'")
    with pytest.raises(NotAuthorizedError):
        ana.create("Job", application={"id": application})
    with pytest.raises(NotAuthorizedError):
        ana.create("DataCollection", dataCollectionDatasets=[{"dataset": {"id": images["ihc"]}}])


def test_results_stay_registered_and_can_be_fetched_later(site, people, segmented):
    """req. 109, 110: in a session of a later day; users read what they made."""
    later = site.client("ana")
    (made,) = segmented["outputs"]["datasets"]
    assert later.dataset(made)["name"] == f"cell segmented {segmented['id']}"
    files = {one["name"]: one for one in later.datafiles(made)}
    assert files.keys() == {"labels.tif", "objects.csv", "preview.png"}
    chosen = Selection(datafile_ids=[files["objects.csv"]["id"]])
    with people.datastore("ana").get_data(chosen) as download:
        table = b"".join(download.blocks()).decode()
    assert table.startswith("label,area,")
    assert people.catalog("root").get("Dataset", made)["createId"] == "simple/ana"


def test_wrapper_fetches_lays_out_stores_and_is_recorded(root, segmented, images):
    """req. 121: by the sample wrapper "segment"."""
    (made,) = segmented["outputs"]["datasets"]
    read = root.search(
        "SELECT f.name FROM Job j JOIN j.inputDataCollection.dataCollectionDatafiles i "
        "JOIN i.datafile f JOIN j.outputDataCollection.dataCollectionDatasets o "
        f"WHERE o.dataset.id = {made}"
    )
    assert read == ["cell.png"], "what was really read"
    assert root.search(f"SELECT COUNT(f) FROM Datafile f WHERE f.dataset.id = {made}") == [3]
    values = dict(
        root.search(
            "SELECT p.type.name, p.numericValue FROM DatasetParameter p "
            f"WHERE p.dataset.id = {made}"
        )
    )
    assert values["nObjects"] >= 1


def test_what_a_processing_job_wrote_is_searched_by(ana, named, segmented):
    """req. 91: a parameter of the output finds it."""
    (made,) = segmented["outputs"]["datasets"]
    count = {one["name"]: one["value"] for one in ana.dataset(made)["parameters"]}["nObjects"]
    found = named(ana, type="segmentation", p=f"nObjects:eq:{count:g}")
    assert made in [one["id"] for one in found.values()]
    assert made not in [one["id"] for one in named(ana, p=f"nObjects:gt:{count:g}").values()]


def test_what_an_augmentation_job_added_is_searched_by(people, run_job, named, images):
    """req. 92: nothing of it before, a hit afterwards; the dataset is the same."""
    ana = people["ana"]
    before = {one["name"] for one in ana.dataset(images["ihc"])["parameters"]}
    assert "entropy" not in before
    assert "ihc" not in named(ana, type="image", p="entropy:gt:0")
    job = run_job(ana, "augment", dataset_ids=[images["ihc"]])
    assert "ihc" in named(ana, type="image", p="entropy:gt:0")
    assert job["outputs"] == {"datasets": [], "augmented": [images["ihc"]]}
    catalog = people.catalog("root")
    catalog.delete(
        "DatasetParameter",
        catalog.search(
            f"SELECT p.id FROM DatasetParameter p WHERE p.dataset.id = {images['ihc']} "
            "AND p.type.name IN ('entropy', 'edgeDensity')"
        ),
    )
