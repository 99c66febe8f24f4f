"""The imaging facility on the real pictures of scikit-image (req. 26, 43-45, 51, 89-93, 121, 123).

What the programs found is compared with what scikit-image finds here.
"""

from __future__ import annotations

import csv
import io
import shutil
from datetime import UTC, datetime

import numpy as np
import pytest
from skimage import (
    color,
    data,
    filters,
    measure,
    metrics,
    morphology,
    transform,
    util,
)
from skimage import (
    io as pictures,
)

from portal.demo import PICTURES


def picture(name: str) -> np.ndarray:
    """A picture as the package that ships it reads it, without transparency."""
    return {
        "cell": data.cell,
        "ihc": data.immunohistochemistry,
        "microaneurysms": data.microaneurysms,
        "retina": data.retina,
        "brick": data.brick,
        "coffee": data.coffee,
        "coins": data.coins,
        "grass": data.grass,
        "gravel": data.gravel,
    }[name]()


def brightness(name: str) -> np.ndarray:
    """From 0 to 1."""
    found = picture(name)
    return color.rgb2gray(found) if found.ndim == 3 else util.img_as_float(found)


@pytest.fixture(scope="module")
def images(imaging):
    """Ids of the loaded pictures by name."""
    return {name: int(one["id"]) for name, one in imaging.datasets(type="image").items()}


# ingest


def test_every_picture_is_a_dataset(images):
    """req. 89"""
    names = [*PICTURES["MIC-2026-1"], *PICTURES["MAT-2026-3"]]
    assert sorted(images) == sorted(name.partition(".")[0] for name in names)


@pytest.mark.parametrize(
    "name",
    ["cell", "ihc", "microaneurysms", "retina", "brick", "coffee", "coins", "grass", "gravel"],
)
def test_metadata_are_those_of_the_picture(imaging, images, name):
    """req. 90: derived by the ingest job."""
    found, values = picture(name), brightness(name)
    parameters = imaging.parameters(images[name])
    assert datetime.fromisoformat(parameters.pop("acquired")) <= datetime.now(UTC)
    assert parameters.pop("subject") == name
    assert parameters == {
        "width": found.shape[1],
        "height": found.shape[0],
        "channels": 1 if found.ndim == 2 else 3,
        "bitDepth": 8,
        "meanIntensity": pytest.approx(values.mean()),
        "contrast": pytest.approx(np.subtract(*np.percentile(values, [99, 1]))),
        "sharpness": pytest.approx(1000 * filters.laplace(values).var()),
    }


def test_files_are_what_the_instrument_left(imaging, images):
    """req. 90: downloadable from the data service, byte by byte."""
    files = imaging.files(images["coins"])
    original = imaging.drop / "MAT-2026-3" / "coins.png"
    assert files["coins.png"] == original.read_bytes()
    preview = pictures.imread(io.BytesIO(files["preview.png"]))
    assert preview.shape == picture("coins").shape
    assert (
        max(pictures.imread(io.BytesIO(imaging.files(images["retina"])["preview.png"])).shape)
        == 512
    )


def test_second_time_loads_only_what_is_new(imaging):
    """req. 89: whenever data arrive."""
    folder = imaging.drop / "later"
    folder.mkdir()
    shutil.copy(imaging.drop / "MIC-2026-1" / "cell.png", folder / "first.png")
    assert imaging.ingest("ingest", "later", "MIC-2026-1")["out"] == "first.png: loaded\n"
    shutil.copy(imaging.drop / "MIC-2026-1" / "cell.png", folder / "second.png")
    assert imaging.ingest("ingest", "later", "MIC-2026-1")["out"] == (
        "first.png: is there already\nsecond.png: loaded\n"
    )


def test_bad_files_do_not_stop_the_others(imaging):
    """A truncated picture, text, a link out of the drop folder, hidden and nested files."""
    folder = imaging.drop / "mixed"
    (folder / "nested").mkdir(parents=True)
    whole = (imaging.drop / "MIC-2026-1" / "cell.png").read_bytes()
    (folder / "good.png").write_bytes(whole)
    (folder / "cut.png").write_bytes(whole[:500])
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("not at all")
    (folder / "notes.txt").write_text("measured by ana")
    (folder / ".hidden.png").write_bytes(whole)
    (folder / "link.png").symlink_to(imaging.drop / "MIC-2026-1" / "cell.png")
    (folder / "bad\nname.png").write_bytes(whole)
    done = imaging.ingest("ingest", "mixed", "MIC-2026-1", state="Failed")
    assert done["out"] == "good.png: loaded\n"
    for name, fault in (
        ("cut.png", "not a picture: "),
        ("empty.png", "not a picture: "),
        ("text.png", "not a picture: "),
        ("notes.txt", "not a picture\n"),
        ("link.png", "a link, which is not followed\n"),
        ("bad\nname.png", "'bad\\nname' cannot be the name of a dataset"),
    ):
        assert f"{name}: {fault}" in done["err"]
    assert done["err"].endswith("ingest: 6 of the files could not be loaded, see above\n")
    assert "good" in imaging.datasets(text="good")
    assert not imaging.datasets(text="hidden")


def test_two_pictures_of_one_stem_are_two_datasets(imaging):
    folder = imaging.drop / "twins"
    folder.mkdir()
    shutil.copy(imaging.drop / "MIC-2026-1" / "cell.png", folder / "twin.png")
    shutil.copy(imaging.drop / "MIC-2026-1" / "retina.jpg", folder / "twin.jpg")
    imaging.ingest("ingest", "twins", "MIC-2026-1")
    found = imaging.datasets(text="twin")
    assert sorted(found) == ["twin.jpg", "twin.png"]


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("nosuch", "no folder 'nosuch' in the drop folder (there are: "),
        ("../secrets", "the file name '../secrets' leaves its folder"),
        ("/etc", "the file name '/etc' leaves its folder"),
    ],
)
def test_folder_that_is_not_there_is_told(imaging, folder, message):
    done = imaging.ingest("ingest", folder, "MIC-2026-1", state="Failed")
    assert message in done["err"]
    assert done["err"].count("\n") == 1


def test_investigation_must_be_chosen(imaging):
    """Without one every file would seem to be there already."""
    done = imaging.run("ingest", "dora", "Failed", options={"Folder": "MIC-2026-1"})
    assert done["err"] == "ingest: choose the investigation that the pictures belong to\n"


def test_scientists_do_not_ingest(imaging):
    """Families: only data managers see the job type."""
    assert "ingest" not in [one["name"] for one in imaging.portal.user("ana").job_types()]
    assert "ingest" in [one["name"] for one in imaging.portal.user("dora").job_types()]


# segment


def objects(values: np.ndarray, *, smooth: float, threshold: str, smallest: int, dark: bool):
    """What segment does, once more."""
    blurred = filters.gaussian(values, smooth)
    level = getattr(filters, f"threshold_{threshold}")(blurred)
    mask = blurred < level if dark else blurred > level
    found = measure.label(morphology.remove_small_objects(mask, max_size=smallest - 1))
    return found, level


def result_of(imaging, job):
    (made,) = job["outputs"]["datasets"]
    return made, imaging.parameters(made), imaging.files(made)


def test_segment_a_grey_picture(imaging, images):
    """req. 91"""
    options = {"Threshold by": "li", "Minimum area": 60, "Smoothing": 2}
    job = imaging.run("segment", dataset_ids=[images["coins"]], options=options)
    made, parameters, files = result_of(imaging, job)
    labels, level = objects(brightness("coins"), smooth=2, threshold="li", smallest=60, dark=False)
    areas = np.array([one.area for one in measure.regionprops(labels)])
    assert parameters == {
        "nObjects": labels.max(),
        "threshold": pytest.approx(level),
        "meanArea": pytest.approx(areas.mean()),
        "coverage": pytest.approx(100 * areas.sum() / labels.size),
    }
    assert areas.min() >= 60
    stored = pictures.imread(io.BytesIO(files["labels.tif"]))
    assert stored.dtype == np.uint16
    assert np.array_equal(stored, labels)
    rows = list(csv.DictReader(io.StringIO(files["objects.csv"].decode())))
    assert [float(row["area"]) for row in rows] == areas.tolist()
    centres = [one.centroid for one in measure.regionprops(labels)]
    assert float(rows[0]["centroid-0"]) == pytest.approx(centres[0][0], rel=1e-4)
    assert float(rows[0]["centroid-1"]) == pytest.approx(centres[0][1], rel=1e-4)
    assert pictures.imread(io.BytesIO(files["preview.png"])).shape == (303, 384, 3)
    assert f"coins: {labels.max()} objects" in job["out"]
    found = imaging.datasets(p=[f"nObjects:eq:{labels.max()}", "coverage:gt:1"])
    assert made in {one["id"] for one in found.values()}


def test_segment_one_channel_of_a_colour_picture(imaging, images):
    options = {"Channel": "red", "Dark objects": True, "Minimum area": 200}
    job = imaging.run("segment", dataset_ids=[images["ihc"]], options=options)
    _, parameters, files = result_of(imaging, job)
    red = util.img_as_float(picture("ihc")[..., 0])
    labels, level = objects(red, smooth=1, threshold="otsu", smallest=200, dark=True)
    assert (parameters["nObjects"], parameters["threshold"]) == (labels.max(), pytest.approx(level))
    assert np.array_equal(pictures.imread(io.BytesIO(files["labels.tif"])), labels)


def test_touching_objects_are_split(imaging, images):
    """Every coin of the picture is one object then, and none is lost."""
    chosen = {"Smoothing": 2, "Minimum area": 100}
    together = imaging.run("segment", dataset_ids=[images["coins"]], options=chosen)
    split = imaging.run(
        "segment",
        dataset_ids=[images["coins"]],
        options={**chosen, "Split touching objects": True, "Name of the result": "split coins"},
    )
    _, before, _ = result_of(imaging, together)
    made, after, _ = result_of(imaging, split)
    assert after["nObjects"] > before["nObjects"]
    assert after["coverage"] == pytest.approx(before["coverage"], rel=0.01)
    assert imaging.portal.user("ana").dataset(made)["name"] == "split coins"


def test_picture_without_objects(imaging, images):
    options = {"Minimum area": 1_000_000}
    job = imaging.run("segment", dataset_ids=[images["brick"]], options=options)
    _, parameters, files = result_of(imaging, job)
    assert parameters["nObjects"] == 0
    assert files["objects.csv"] == b"label,area,centroid-0,centroid-1,eccentricity,intensity_mean\n"


def test_options_follow_the_picture(imaging, images):
    """req. 104, 119, 120"""
    ana = imaging.portal.user("ana")

    def hidden(*names):
        form = ana.form("segment", dataset_ids=[images[name] for name in names])
        return {one["key"] for one in form["options"] if not one["offered"]}

    assert hidden("coins") == {"Channel"}
    assert hidden("coffee") == set()
    assert hidden("coins", "coffee") == {"Channel"}
    assert imaging.parameters(images["retina"])["width"] ** 2 < 2_000_000
    assert hidden("retina") == set()


def test_history_leads_back_to_the_drop_folder(imaging, images):
    """req. 121"""
    job = imaging.run("segment", dataset_ids=[images["cell"]])
    (made,) = job["outputs"]["datasets"]
    graph = imaging.portal.user("ana").provenance(made)
    labels = {node["id"]: node["label"] for node in graph["nodes"]}
    ways = {(labels[edge["source"]], labels[edge["target"]]) for edge in graph["edges"]}
    name = f"cell segmented {job['id']}"
    assert {("ingest", "cell"), ("cell", "segment"), ("segment", name)} <= ways


# augment, montage, compare, date


def test_augmented_picture_is_found_by_what_was_added(imaging, images):
    """req. 92"""
    ids = [images["coins"], images["gravel"]]
    job = imaging.run("augment", dataset_ids=ids, one_job=True)
    assert job["outputs"] == {"datasets": [], "augmented": ids}
    for name in ("coins", "gravel"):
        parameters = imaging.parameters(images[name])
        in_steps = util.img_as_ubyte(brightness(name))
        edges = 100 * np.mean(filters.sobel(brightness(name)) > 0.05)
        assert parameters["entropy"] == pytest.approx(measure.shannon_entropy(in_steps))
        assert parameters["edgeDensity"] == pytest.approx(edges)
        found = imaging.datasets(p=[f"entropy:ge:{parameters['entropy'] - 1e-9}", "entropy:le:8"])
        assert name in found
    assert imaging.datasets(p=["edgeDensity:ge:0"]).keys() == {"coins", "gravel"}


def test_second_augmentation_replaces_the_values(imaging, images):
    imaging.run("augment", dataset_ids=[images["coins"]])
    imaging.run("augment", dataset_ids=[images["coins"]])
    found = imaging.portal.user("ana").dataset(images["coins"])["parameters"]
    assert [one["name"] for one in found].count("entropy") == 1


def test_montage_of_many_in_one_job(imaging, images):
    """req. 43, 45"""
    names = ["coins", "coffee", "gravel", "grass", "brick"]
    job = imaging.run(
        "montage",
        dataset_ids=[images[name] for name in names],
        options={"Size of a picture": 64, "Pictures in a row": 3},
    )
    _, parameters, files = result_of(imaging, job)
    assert parameters == {"nPictures": 5, "width": 3 * 64 + 4 * 4, "height": 2 * 64 + 3 * 4}
    sheet = util.img_as_float(pictures.imread(io.BytesIO(files["montage.png"])))
    assert sheet.shape == (140, 208, 3)
    assert sheet[0].min() == 1.0  # a white frame
    gravel = transform.resize(brightness("gravel"), (64, 64), anti_aliasing=True)
    third = sheet[4:68, 4 + 2 * 68 : 4 + 2 * 68 + 64]
    assert np.abs(third - gravel[..., None]).max() < 1 / 255
    assert "5 pictures on a sheet of 208 x 140 px" in job["out"]


def test_montage_of_results(imaging, images):
    job = imaging.run("segment", dataset_ids=[images["coins"]])
    made = [*job["outputs"]["datasets"], images["coins"]]
    job = imaging.run("montage", dataset_ids=made)
    assert imaging.parameters(job["outputs"]["datasets"][0])["nPictures"] == 2


def files(imaging, **search) -> dict[str, int]:
    """Ids of the datafiles that a search finds, by name."""
    found = imaging.portal.user("ana")._json("GET", "/datafiles", params=search)["datafiles"]
    return {one["name"]: one["id"] for one in found}


def test_montage_of_single_files_that_lists_find(imaging, images):
    """req. 95: a list for datafiles, words and a size."""
    search = {"item.Contents": "PNG", "item.Colour": "1", "p": "datafile.fileSize:gt:1000"}
    ids = [files(imaging, text=name, **search)[name] for name in ("brick.png", "gravel.png")]
    assert not files(imaging, text="coffee.png", **search)
    job = imaging.run("montage", datafile_ids=ids, dataset_ids=[images["coins"]], one_job=True)
    assert imaging.parameters(job["outputs"]["datasets"][0])["nPictures"] == 3


def test_montage_of_a_table_says_what_is_wrong(imaging, images):
    job = imaging.run("segment", dataset_ids=[images["coins"]])
    (made,) = job["outputs"]["datasets"]
    (table,) = files(imaging, dataset=made, **{"item.Contents": "CSV"}).values()
    failed = imaging.run("montage", state="Failed", datafile_ids=[table])
    assert "objects.csv: not a picture" in failed["err"]


def test_compare_two(imaging, images):
    job = imaging.run("compare", dataset_ids=[images["brick"], images["gravel"]])
    _, parameters, files = result_of(imaging, job)
    first, second = brightness("brick"), brightness("gravel")
    second = transform.resize(second, first.shape, anti_aliasing=True)
    expected = metrics.structural_similarity(first, second, data_range=1.0)
    assert parameters["similarity"] == pytest.approx(expected)
    counts = [np.histogram(one, 64, (0, 1))[0] / one.size for one in (first, second)]
    distance = np.abs(np.cumsum(counts[0]) - np.cumsum(counts[1])).sum() / 64
    assert parameters["histogramDistance"] == pytest.approx(distance)
    assert pictures.imread(io.BytesIO(files["similarity.png"])).shape == first.shape


def test_compare_with_itself(imaging, images):
    shutil.copytree(imaging.drop / "MAT-2026-3", imaging.drop / "again", dirs_exist_ok=True)
    for one in (imaging.drop / "again").iterdir():
        one.rename(one.with_name(f"again {one.name}"))
    imaging.ingest("ingest", "again", "MAT-2026-3")
    twin = imaging.datasets(text="again grass")["again grass"]["id"]
    job = imaging.run("compare", dataset_ids=[images["grass"], twin])
    _, parameters, _ = result_of(imaging, job)
    assert parameters == {"similarity": pytest.approx(1.0), "histogramDistance": 0.0}


@pytest.mark.parametrize("names", [["coins"], ["coins", "grass", "brick"]])
def test_compare_refuses_other_numbers(imaging, images, names):
    job = imaging.run("compare", state="Failed", dataset_ids=[images[name] for name in names])
    assert job["err"] == (f"compare: exactly two datasets can be compared, {len(names)} given\n")


def test_dataset_without_a_picture_is_named(imaging):
    made = imaging.portal.root.create(
        "Dataset",
        name="no picture",
        complete=True,
        type={
            "id": imaging.portal.root.search(
                "SELECT t.id FROM DatasetType t WHERE t.name = 'image'"
            )[0]
        },
        investigation={"id": imaging.portal.investigation("MIC-2026-1")},
    )
    job = imaging.run("segment", state="Failed", dataset_ids=[made])
    assert job["err"] == "segment: dataset no picture has no picture\n"


def test_date_needs_no_data(imaging):
    """req. 26"""
    job = imaging.run("date", options={"Universal time": True})
    assert "UTC" in job["out"]
    assert str(datetime.now(UTC).year) in job["out"]


# failing


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"Exit code": 1}, "the program ended with code 1"),
        ({"How": "exit code"}, "the program ended with code 3"),
        ({"How": "signal"}, "the program was ended by signal 11 (SIGSEGV)"),
        ({"How": "memory"}, "memory limit of 256 MiB reached"),
    ],
)
def test_failure_on_purpose_is_told_in_words(imaging, options, reason):
    job = imaging.run("fail on purpose", state="Failed", options=options)
    assert job["reason"] == reason
    assert job["out"] == "this job is going to fail\n"


def test_half_a_dataset_is_never_found(imaging):
    """A job that fails in the middle leaves nothing."""
    job = imaging.run(
        "fail on purpose",
        state="Failed",
        options={"How": "half a dataset"},
        investigation_id=imaging.portal.investigation("MIC-2026-1"),
    )
    assert "is not complete" in job["out"]
    assert job["outputs"]["datasets"] == []
    assert imaging.portal.root.search("SELECT d.id FROM Dataset d WHERE d.name LIKE 'half%'") == []


@pytest.mark.slow
def test_job_that_takes_too_long_is_ended(imaging):
    """The one minute that it may take."""
    job = imaging.run("fail on purpose", state="Failed", options={"How": "time"})
    assert job["reason"] == "wall time limit of 60 s reached"


def test_job_of_another_user_is_out_of_reach(imaging, images):
    """ben reads the materials and nothing of the microscope's."""
    ben = imaging.portal.user("ben")
    assert images["coins"] in [one["id"] for one in ben.datasets()["datasets"]]
    assert images["cell"] not in [one["id"] for one in ben.datasets()["datasets"]]
