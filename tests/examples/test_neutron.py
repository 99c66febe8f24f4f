"""The neutron and X-ray facility, made of files only, on real files (req. 5, 24, 51, 89-91)."""

from __future__ import annotations

import csv
import io
import shutil

import h5py
import numpy as np
import pytest
from PIL import Image

PLACE = "NX-2026-1"


def expected(**values):
    """Parameters as the portal gives them."""
    return {
        name: pytest.approx(value) if isinstance(value, float) else value
        for name, value in values.items()
    }


FACTS = {
    "538039": expected(
        title="Scan of sample with GDA",
        definition="NXmx",
        instrument="i16",
        numEntries=1.0,
        numDimensions=1.0,
        numValues=61.0,
    ),
    "AgBehenate_228": expected(
        title="Glassy carbon C6 fixed",
        definition="NXsas",
        instrument="USAXS",
        numEntries=1.0,
        numDimensions=2.0,
        numValues=195 * 487.0,
        totalCounts=123204419.0,
        peakCounts=1032661.0,
    ),
    "Focus_2021-03-16_051": expected(
        title="Focus",
        definition="NXstxm",
        instrument="instrument",
        numEntries=1.0,
        numDimensions=2.0,
        numValues=1250.0,
        duration=15.0,
    ),
    "Sample_Image_2021-03-16_095": expected(
        title="Sample",
        definition="NXstxm",
        instrument="instrument",
        numEntries=1.0,
        numDimensions=2.0,
        numValues=5000.0,
        duration=43.0,
    ),
    "Therm_6_2": expected(
        definition="NXmx",
        instrument="instrument",
        numEntries=1.0,
        numDimensions=1.0,
        numValues=488.0,
        duration=27.0,
    ),
    "focus2007n001335": expected(
        title="vanadium at 6AA and 300K",
        instrument="FOCUS at SINQ",
        numEntries=1.0,
        numDimensions=2.0,
        numValues=375 * 713.0,
        duration=16057.0,
        totalCounts=550085.0,
        peakCounts=220.0,
    ),
    "lrcs3701": expected(
        title="MgB2 PDOS 43.37g 8K 120meV E0@240Hz T0@120Hz",
        instrument="LRMECS",
        numEntries=2.0,
        numDimensions=2.0,
        numValues=148 * 750.0,
        duration=191912.0,
        totalCounts=2666912.0,
        peakCounts=6252.0,
    ),
    "nexus-example": expected(
        title="NeXus NXsas example",
        definition="NXsas",
        instrument="APS 9-ID-C USAXS pinSAXS",
        numEntries=1.0,
        numDimensions=3.0,
        numValues=10 * 195 * 487.0,
        duration=14269.0,
        totalCounts=4809206181.0,
        peakCounts=78939.0,
    ),
    "p45-1168": expected(
        instrument="instrument", numEntries=1.0, numDimensions=2.0, numValues=25.0
    ),
    "sans2009n012333": expected(
        title="High pressure experiments on vesicles",
        instrument="SANS at SINQ",
        numEntries=1.0,
        numDimensions=2.0,
        numValues=128 * 128.0,
        duration=163.0,
        totalCounts=375950.0,
        peakCounts=583.0,
    ),
}
"""What each of the ten files says of itself, with its oddities."""

STARTS = {
    "538039": None,
    "AgBehenate_228": None,  # an empty date
    "Focus_2021-03-16_051": "2021-03-16T11:42:07.000Z",
    "Sample_Image_2021-03-16_095": "2021-03-16T14:06:05.000Z",
    "Therm_6_2": "2019-02-14T14:25:57.000Z",
    "focus2007n001335": "2007-09-03T16:16:36.000Z",
    "lrcs3701": "2001-02-07T14:54:21.000Z",
    "nexus-example": "2016-06-23T18:02:31.000Z",
    "p45-1168": None,
    "sans2009n012333": "2009-09-13T20:55:37.000Z",
}
"""Five spellings of a date become one."""


@pytest.fixture(scope="module")
def loaded(neutron, nexus_files):
    """The ten files, ingested: ids of their datasets by name."""
    folder = neutron.drop / "ten"
    folder.mkdir()
    for one in nexus_files:
        shutil.copy(one, folder)
    done = neutron.ingest("ingest NeXus", "ten", PLACE)
    assert done["out"].count(": loaded\n") == 10
    return {name: int(one["id"]) for name, one in neutron.datasets(type="nexus").items()}


def test_facility_is_another_one(neutron):
    """req. 5, 24: the same package, other files."""
    assert [one["name"] for one in neutron.portal.user("ana").job_types()] == ["profile"]
    assert neutron.portal.root.search("SELECT f.name FROM Facility f") == ["NXF"]


def test_ten_files_are_ten_datasets(loaded):
    """req. 89"""
    assert loaded.keys() >= FACTS.keys()


@pytest.mark.parametrize("name", FACTS)
def test_metadata_of_a_real_file(neutron, loaded, name):
    """req. 90"""
    assert neutron.parameters(loaded[name]) == FACTS[name]
    (start,) = neutron.portal.root.search(
        f"SELECT d.startDate FROM Dataset d WHERE d.id = {loaded[name]}"
    )
    assert start == STARTS[name]


def test_file_is_stored_byte_by_byte(neutron, loaded, nexus_files):
    for one in nexus_files[:3]:
        assert neutron.files(loaded[one.stem]) == {one.name: one.read_bytes()}


def test_search_by_what_was_derived(neutron, loaded):
    """req. 91, 97"""
    found = neutron.datasets(p=["definition:eq:NXsas", "peakCounts:gt:100000"])
    assert found.keys() == {"AgBehenate_228"}
    assert neutron.datasets(p=["instrument:like:%SINQ"]).keys() == {
        "focus2007n001335",
        "sans2009n012333",
    }


def test_files_are_found_by_the_lists_of_the_facility(neutron, loaded):
    """req. 95"""
    lists = {"item.Contents": ["NeXus", "CSV"], "item.Definition": "NXsas"}
    found = neutron.portal.user("ana")._json("GET", "/datafiles", params=lists)["datafiles"]
    assert {one["dataset"]["name"] for one in found} == {*neutron.datasets(p="definition:eq:NXsas")}
    assert found


def test_profile_sums_what_was_counted(neutron, loaded, nexus_files):
    """req. 26, 91"""
    job = neutron.run("profile", dataset_ids=[loaded["focus2007n001335"]])
    (made,) = job["outputs"]["datasets"]
    (path,) = [one for one in nexus_files if one.stem == "focus2007n001335"]
    with h5py.File(path) as file:
        sums = file["entry1/FOCUS/merged/counts"][()].sum(axis=0)
    files = neutron.files(made)
    rows = list(csv.DictReader(io.StringIO(files["profile.csv"].decode())))
    assert [float(row["sum"]) for row in rows] == sums.tolist()
    assert neutron.parameters(made) == {"totalCounts": sums.sum(), "peakChannel": sums.argmax()}
    assert Image.open(io.BytesIO(files["preview.png"])).size == (640, 320)


def test_logarithm_is_offered_for_counts_only(neutron, loaded):
    """req. 104, 119: numDimensions >= 2 && peakCounts > 10"""
    ana = neutron.portal.user("ana")

    def offered(name):
        (option,) = ana.form("profile", dataset_ids=[loaded[name]])["options"]
        return option["offered"]

    names = sorted(name for name in FACTS if offered(name))
    assert names == [
        "AgBehenate_228",
        "focus2007n001335",
        "lrcs3701",
        "nexus-example",
        "sans2009n012333",
    ]
    ids = [loaded[name] for name in names]
    job = neutron.run("profile", dataset_ids=ids, options={"Logarithmic": True}, one_job=True)
    assert len(job["outputs"]["datasets"]) == 5


def test_file_without_counts_has_a_profile_too(neutron, loaded):
    job = neutron.run("profile", dataset_ids=[loaded["p45-1168"]])
    assert neutron.parameters(job["outputs"]["datasets"][0]).keys() == {"peakChannel"}


# files that nobody wants


def entry(file, **fields):
    """A minimal NeXus file's only entry."""
    group = file.create_group("entry")
    group.attrs["NX_class"] = "NXentry"
    for name, value in fields.items():
        group[name] = value
    return group


def test_bad_files_do_not_stop_the_others(neutron):
    """Corrupt, cut, empty, no HDF5, no entry; links of the file system; a hostile name."""
    folder = neutron.drop / "bad"
    folder.mkdir()
    with h5py.File(folder / "good.nxs", "w") as file:
        entry(file, title="good").create_group("data").attrs["NX_class"] = "NXdata"
        file["entry/data/counts"] = np.arange(1000).reshape(10, 100)
    whole = (folder / "good.nxs").read_bytes()
    (folder / "cut.nxs").write_bytes(whole[: len(whole) // 2])
    (folder / "corrupt.nxs").write_bytes(whole[:600] + b"\xff" * 400 + whole[1000:])
    (folder / "empty.nxs").touch()
    (folder / "text.nxs").write_text("a table of counts")
    with h5py.File(folder / "no_entry.nxs", "w") as file:
        file["data"] = [1, 2]
    (folder / "link.nxs").symlink_to(folder / "good.nxs")
    (folder / "loop.nxs").symlink_to(folder / "loop.nxs")
    (folder / "folder.nxs").mkdir()
    shutil.copy(folder / "good.nxs", folder / "a\n..nxs")
    done = neutron.ingest("ingest NeXus", "bad", PLACE, state="Failed")
    assert done["out"] == "good.nxs: loaded\n"
    for name, fault in (
        ("cut.nxs", "not an HDF5 file, or a damaged one"),
        ("corrupt.nxs", "not an HDF5 file, or a damaged one"),
        ("empty.nxs", "not an HDF5 file, or a damaged one"),
        ("text.nxs", "not an HDF5 file, or a damaged one"),
        ("no_entry.nxs", "it has no NXentry group"),
        ("link.nxs", "not a file of its own, which a link is not"),
        ("loop.nxs", "not a file of its own, which a link is not"),
        ("folder.nxs", "not a file of its own, which a link is not"),
        ("a\n..nxs", "'a\\n.' cannot be the name of a dataset"),
    ):
        assert f"{name}: {fault}" in done["err"]
    assert done["err"].endswith("ingest: 9 of the files could not be loaded, see above\n")
    good = neutron.datasets(text="good")["good"]["id"]
    assert neutron.parameters(good) == {
        "title": "good",
        "numEntries": 1,
        "numDimensions": 2,
        "numValues": 1000,
        "totalCounts": 499500,
        "peakCounts": 999,
    }


def test_links_out_of_a_file_are_not_followed(neutron, tmp_path):
    """A file that names others, by links that climb out or are absolute, and by raw storage."""
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["title"] = "the secret"
        file["counts"] = np.full((50, 50), 77)
    (tmp_path / "secret.raw").write_bytes(np.full(10_000, 77, "<i4").tobytes())
    folder = neutron.drop / "links"
    folder.mkdir()
    with h5py.File(folder / "links.nxs", "w") as file:
        group = entry(file, definition="NXtest")
        group["title"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/title")
        group["start_time"] = h5py.ExternalLink("../../../secret.h5", "/title")
        group["end_time"] = h5py.SoftLink("/entry/title")
        group["loop"] = h5py.SoftLink("/entry/loop")
        data = group.create_group("data")
        data.attrs["NX_class"] = "NXdata"
        data["linked"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/counts")
        raw = [(str(tmp_path / "secret.raw"), 0, 40_000)]
        data.create_dataset("raw", (10_000,), "<i4", external=raw)
        layout = h5py.VirtualLayout((50, 50), "<i8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "counts", (50, 50))
        data.create_virtual_dataset("virtual", layout)
        data["counts"] = [1, 2, 3]
        file["stolen"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/")
    neutron.ingest("ingest NeXus", "links", PLACE)
    made = neutron.datasets(text="links")["links"]["id"]
    assert neutron.parameters(made) == {
        "definition": "NXtest",
        "numEntries": 1,
        "numDimensions": 1,
        "numValues": 3,
        "totalCounts": 6,
        "peakCounts": 3,
    }
    job = neutron.run("profile", dataset_ids=[made])
    assert neutron.files(job["outputs"]["datasets"][0])["profile.csv"] == (
        b"channel,sum\n0,1\n1,2\n2,3\n"
    )


def test_same_name_with_another_ending_is_another_dataset(neutron):
    folder = neutron.drop / "twins"
    folder.mkdir()
    for name in ("twin.nxs", "twin.h5"):
        with h5py.File(folder / name, "w") as file:
            entry(file, title=name)
    neutron.ingest("ingest NeXus", "twins", PLACE)
    assert neutron.datasets(text="twin.").keys() == {"twin.nxs", "twin.h5"}


def test_very_long_title_is_shortened(neutron):
    folder = neutron.drop / "long"
    folder.mkdir()
    with h5py.File(folder / "long.nxs", "w") as file:
        entry(file, title="x" * 10_000)
    neutron.ingest("ingest NeXus", "long", PLACE)
    made = neutron.datasets(text="long")["long"]["id"]
    assert neutron.parameters(made)["title"] == "x" * 4000


def test_folder_that_is_not_there_is_told(neutron):
    done = neutron.ingest("ingest NeXus", "..", PLACE, state="Failed")
    assert done["err"] == "ingest: the file name '..' leaves its folder\n"
    done = neutron.ingest("ingest NeXus", "nosuch", PLACE, state="Failed")
    assert done["err"].startswith("ingest: no folder 'nosuch' in the drop folder (there are: ")
