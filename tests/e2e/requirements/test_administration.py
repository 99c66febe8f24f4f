"""The facility's people change their portal while it runs."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lxml import etree

from ijp.datastore import Selection

IJPD = Path(sys.executable).with_name("ijpd")
DOCS = Path(__file__).parents[3] / "docs"


def job_type(name: str, inner: str = "", *, types: str = "image", more: str = "") -> str:
    """A job type's file."""
    return (
        f"<jobType acceptsDatasets='true' {more}><name>{name}</name><executable>date</executable>"
        f"<type>batch</type><datasetTypes>{types}</datasetTypes>{inner}</jobType>"
    )


def known(client, name: str) -> bool:
    """Whether a job type is there."""
    return name in [one["name"] for one in client.job_types()]


@pytest.mark.slow
def test_job_type_dataset_type_and_parameter_type_are_added_to_a_running_portal(
    site, ana, root, browse, facility, wait_until, named
):
    """req. 6, 23, 47, 48: by the facility's people, no code and no restart, in no time."""
    begun = time.monotonic()
    text = (facility.folder / "facility.toml").read_text()
    text += (
        '\n[[dataset_types]]\nname = "spectrum"\ndescription = "Counts by energy."\n'
        '[[parameter_types]]\nname = "peakEnergy"\nunits = "keV"\nvalue_type = "NUMERIC"\n'
    )
    # Tables of one name may stand apart in TOML, but not after a table below another.
    start = text.index("[[users]]")
    own = text[text.index('\n[[dataset_types]]\nname = "spectrum"') :]
    facility.write("facility.toml", text[:start] + own + text[start : -len(own)])
    site.ijpd("facility", "load")
    words = ["jobdefs", "new", "Fit peaks", "--folder", facility.folder]
    words += ["--program", "date", "--dataset-type", "spectrum"]
    made = subprocess.run([IJPD, *words], capture_output=True, text=True, check=True)
    path = facility.folder / "job_types" / Path(made.stdout.strip()).name
    try:
        (place,) = root.search("SELECT i.id FROM Investigation i WHERE i.name = 'MIC-2026-1'")
        (kind,) = root.search("SELECT t.id FROM DatasetType t WHERE t.name = 'spectrum'")
        (peak,) = root.search("SELECT t.id FROM ParameterType t WHERE t.name = 'peakEnergy'")
        id = root.create(
            "Dataset",
            name="iron",
            complete=True,
            type={"id": kind},
            investigation={"id": place},
            parameters=[{"type": {"id": peak}, "numericValue": 6.4}],
        )
        wait_until(lambda: known(ana, "Fit peaks"))
        address = f"/find?type=spectrum&p=peakEnergy:gt:6&sel={id}"

        def found() -> bool:
            inputs = browse("ana").open(address).document.iter("input")
            return "Select iron" in [one.get("aria-label") for one in inputs]

        # What can be searched by is kept for some seconds.
        wait_until(found)
        page = browse("ana").open(address)
        assert "spectrum" in page.choices("Dataset type")
        assert "/run/Fit" in page.link("Fit peaks")
        assert time.monotonic() - begun < 60
        root.delete("Dataset", [id])
    finally:
        path.unlink()


def test_program_that_knows_nothing_of_the_portal_is_wrapped(
    site, ana, root, facility, run_job, images, wait_until
):
    """req. 7, 121, 122: the wrapper of docs/jobs.md as it stands there, in less than 50 lines."""
    text = (DOCS / "jobs.md").read_text()
    wrapper = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    lines = [line for line in wrapper.splitlines() if line.strip()]
    assert len(lines) < 50
    program = facility.write(
        "bin/find-spots",
        '#!/bin/sh\nset -e\ntest -s "$1"\nprintf "x,y\\n1,2\\n3,4\\n" > "$2"\n',
        program=True,
    )
    facility.write("bin/spots", wrapper.replace("/opt/find-spots", str(program)), program=True)
    described = job_type("spots", more="createsProvenance='true'")
    facility.write("job_types/spots.xml", described.replace(">date<", ">bin/spots<"))
    (place,) = root.search("SELECT f.id FROM Facility f")
    made = {
        "DatasetType": root.create("DatasetType", name="spots", facility={"id": place}),
        "ParameterType": root.create(
            "ParameterType",
            name="nSpots",
            units="",
            valueType="NUMERIC",
            applicableToDataset=True,
            facility={"id": place},
        ),
    }
    wait_until(lambda: known(ana, "spots"))
    job = run_job(ana, "spots", dataset_ids=[images["cell"]])
    (result,) = job["outputs"]["datasets"]
    try:
        shown = ana.dataset(result)
        assert (shown["name"], shown["parameters"][0]["value"]) == ("cell spots", 2)
        assert [one["name"] for one in ana.datafiles(result)] == ["spots.csv"]
        assert job["provenanceId"]
        assert {one["id"] for one in ana.datasets(origin=str(result))["datasets"]} == {
            images["cell"]
        }
    finally:
        root.delete("Dataset", [result])
        for entity, id in made.items():
            root.delete(entity, [id])


@pytest.mark.slow
def test_library_for_wrappers_is_installed_by_pip(tmp_path):
    """req. 122: a distribution of its own, which needs nothing of the server."""
    source = Path(__file__).parents[3] / "clients" / "python"
    words = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*words, "--target", tmp_path / "it", source], check=True, timeout=120)
    assert (tmp_path / "it" / "ijp" / "job.py").is_file()
    imported = {
        line.split()[1].split(".")[0]
        for path in (tmp_path / "it" / "ijp").rglob("*.py")
        for line in path.read_text().splitlines()
        if re.match(r"(from|import) ", line)
    }
    assert imported.isdisjoint({"portal", "catalog", "datastore", "jobdefs", "batch", "servicekit"})


def test_programs_share_a_module_that_knows_the_facilitys_conventions(
    ana, facility, run_job, wait_until, images
):
    """req. 123: beside the programs, of which the portal knows nothing."""
    facility.write("bin/conventions.py", "def title(name):\n    return f'picture {name}'\n")
    facility.write(
        "bin/say",
        "#!/usr/bin/env python3\nimport conventions\nfrom ijp.job import run\n"
        "run(lambda job: print(conventions.title(job.datasets[0].name)))\n",
        program=True,
    )
    facility.write(
        "job_types/say.xml",
        job_type("say", more="createsProvenance='true'").replace(">date<", ">bin/say<"),
    )
    wait_until(lambda: known(ana, "say"))
    job = run_job(ana, "say", dataset_ids=[images["cell"]])
    assert b"".join(ana.output(job["id"])) == b"picture cell\n"


def test_menu_is_what_the_configuration_says(browse, facility, wait_until):
    """req. 46: another search list, and it is on the page."""
    web = browse("ana")
    assert "Height" not in web.open("/find").labels
    text = (facility.folder / "dataset_search_items.xml").read_text()
    item = (
        "<searchItem><paramName>Height</paramName><query>SELECT ds.id FROM Dataset ds JOIN "
        "ds.parameters p WHERE p.type.name = 'height' AND p.numericValue IN (${numericValues})"
        "</query><listOptions><displayValue>any</displayValue><submitValue/></listOptions>"
        "<listOptions><displayValue>of coins</displayValue><submitValue>303</submitValue>"
        "</listOptions></searchItem></searchItems>"
    )
    facility.write("dataset_search_items.xml", text.replace("</searchItems>", item))
    wait_until(lambda: "Height" in web.open("/find").labels)
    page = web.open("/find?type=image")
    page.fill("Height", "303")
    page = web.press(page, "Search")
    assert "coins" in page.text
    assert "brick" not in page.text


def test_options_are_what_the_configuration_says(browse, facility, wait_until, ana, images):
    """req. 49: edit the XML, and the form is another."""
    web, address = browse("ana"), f"/run/changing?sel={images['cell']}"
    option = (
        "<jobOptions><name>{}</name><type>integer</type><programParameter>-n</programParameter>"
        "<defaultValue>{}</defaultValue></jobOptions>"
    )
    facility.write("job_types/changing.xml", job_type("changing", option.format("Before", 3)))
    wait_until(lambda: known(ana, "changing"))
    assert web.open(address).control("Before").value == "3"
    facility.write("job_types/changing.xml", job_type("changing", option.format("After", 4)))
    wait_until(lambda: "After" in web.open(address).labels)
    page = web.open(address)
    assert "Before" not in page.labels
    assert page.control("After").value == "4"


@pytest.mark.parametrize("name", ["viewer", "ingestion"])
def test_job_type_as_they_were_written_years_ago_is_used_unchanged(
    site, people, facility, wait_until, name, images
):
    """req. 50, 113: no attribute that is new, schema locations, another root's name."""
    files = {
        "viewer": """<?xml version="1.0" encoding="UTF-8"?>
<jobtype xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
         xsi:noNamespaceSchemaLocation="jobtype.xsd" sessionId="true" icatUrlRequired="true">
  <name>viewer</name>
  <executable>date</executable>
  <multiple>false</multiple>
  <datasetTypes>image</datasetTypes>
  <datasetTypes>beads</datasetTypes>
  <type>batch</type>
  <jobOptions>
    <name>Default</name>
    <groupName>Show</groupName>
    <type>boolean</type>
    <programParameter></programParameter>
  </jobOptions>
  <jobOptions>
    <name>In UTC</name>
    <groupName>Show</groupName>
    <type>boolean</type>
    <programParameter>--utc --rfc-email</programParameter>
    <condition>numFiles > 0</condition>
  </jobOptions>
</jobtype>""",
        "ingestion": """<jobType family="users"><name>ingestion</name>
  <executable>date</executable><multiple>false</multiple><type>batch</type>
  <datasetTypes>none (job only)</datasetTypes></jobType>""",
    }
    facility.write("job_types/old.xml", files[name])
    ana = people["ana"]
    wait_until(lambda: known(ana, name))
    inputs = [images["cell"]] if name == "viewer" else []
    options = {"In UTC": True} if name == "viewer" else {}
    (command,) = [ana.form(name, dataset_ids=inputs, options=options)["command"]]
    if name == "viewer":
        expected = [f"--datasetIds={images['cell']}", "--utc", "--rfc-email"]
        assert command[1:4] == expected
        assert f"--icatUrl={site.url}/icat" in command
        assert not any("session" in word for word in command)
    else:
        assert len(command) == 1


def test_search_lists_as_they_were_written_years_ago_are_used_unchanged(
    facility, browse, wait_until
):
    """req. 113: all datasets of an instrument, by a query in the concise syntax."""
    facility.write(
        "dataset_search_items.xml",
        "<searchItems><searchItem><paramName>Investigation name</paramName>"
        "<query>DISTINCT Dataset.id &lt;-&gt; Investigation [name IN (${stringValues})]</query>"
        "<listOptions><displayValue>all</displayValue><submitValue></submitValue></listOptions>"
        "<listOptions><displayValue>surfaces</displayValue><submitValue>MAT-2026-3</submitValue>"
        "</listOptions></searchItem></searchItems>",
    )
    web = browse("ana")
    wait_until(lambda: "Investigation name" in web.open("/find").labels)
    page = web.open("/find?type=image")
    page.fill("Investigation name", "MAT-2026-3")
    page = web.press(page, "Search")
    assert "Select coins" in [one.get("aria-label") for one in page.document.iter("input")]
    assert "Select cell" not in [one.get("aria-label") for one in page.document.iter("input")]


def test_form_is_what_the_definition_says(browse, facility, images):
    """req. 103: every option with name, kind, values, bounds, default and tip, in its order."""
    page = browse("ana").open(f"/run/segment?sel={images['ihc']}")
    form = page.document.get_element_by_id("run")
    tree = etree.parse(str(facility.folder / "job_types" / "segment.xml"))
    options = tree.findall("jobOptions")
    labels = [" ".join(one.text_content().split()) for one in form.iter("label", "legend")]
    names = [one.findtext("name") for one in options]
    assert [one for one in labels if one in names] == names
    for option in options:
        control = page.control(option.findtext("name"))
        kind, default = option.findtext("type"), option.findtext("defaultValue")
        if kind == "enumeration":
            values = [one.text or "" for one in option.findall("values")]
            assert page.choices(option.findtext("name")) == values
        if kind in ("integer", "float"):
            assert control.get("type") == "number"
            bounds = [float(option.findtext(name)) for name in ("minValue", "maxValue")]
            assert [float(control.get("min")), float(control.get("max"))] == bounds
        if kind == "boolean":
            group = option.findtext("groupName")
            assert control.get("type") == ("radio" if group else "checkbox")
            if group:
                assert group in labels
        if default:
            assert control.value == default
        if option.findtext("tip"):
            assert option.findtext("tip") in page.text


def test_options_follow_the_dataset(browse, images):
    """req. 104: a grey picture has no channels to choose from, and the page says why."""
    web = browse("ana")
    grey, coloured = (web.open(f"/run/segment?sel={images[name]}") for name in ("cell", "ihc"))
    assert "Channel" in coloured.labels
    assert "Channel" not in grey.labels
    assert "numChannels >= 3 is needed, but for cell numChannels is 1" in grey.text


def test_several_datasets_have_the_options_that_all_have(browse, images, ana):
    """req. 120: a grey one among them hides the option."""
    both = [images["ihc"], images["cell"]]
    page = browse("ana").open(f"/run/segment?sel={both[0]},{both[1]}")
    assert "Channel" not in page.labels
    assert "Smoothing" in page.labels
    offered = {one["name"]: one for one in ana.form("segment", dataset_ids=both)["options"]}
    assert not offered["Channel"]["offered"]
    assert "cell" in offered["Channel"]["reason"]


def test_everything_that_a_job_file_states_is_honoured(ana, images, facility, wait_until):
    """req. 114: batch or interactive, dataset types, one or several inputs, options."""
    facility.write(
        "job_types/stated.xml",
        job_type(
            "stated",
            "<datasetTypes>montage</datasetTypes><multiple forceSingleJob='true'>true</multiple>"
            "<resources cores='2' memoryMiB='64' wallMinutes='3'/><jobOptions><name>Often</name>"
            "<type>integer</type><programParameter>-n</programParameter><maxValue>9</maxValue>"
            "</jobOptions>",
        ),
    )
    wait_until(lambda: known(ana, "stated"))
    shown = ana.job_type("stated")
    assert (shown["type"], shown["multiple"], shown["datasetTypes"]) == (
        "batch",
        True,
        ["image", "montage"],
    )
    wanted = {"cores": 2, "memoryMib": 64, "wallMinutes": 3, "engine": None}
    assert shown["resources"] == wanted
    form = ana.form("stated", dataset_ids=[images["cell"], images["ihc"]], options={"Often": 9})
    assert (form["jobs"], form["question"]) == (1, None)
    assert form["command"][1:] == [f"--datasetIds={images['cell']},{images['ihc']}", "-n", "9"]
    assert "Often" in ana.form("stated", options={"Often": 10})["faults"]


def test_named_quantities_are_listed_with_name_value_and_type(browse, images):
    """req. 115: "what the portal knows of these"."""
    page = browse("ana").open(f"/run/segment?sel={images['ihc']}")
    known = page.document.xpath("//details[summary='What the portal knows of these']//dl/div")
    shown = {
        one.find("dt").text_content(): " ".join(one.find("dd").text_content().split())
        for one in known
    }
    assert shown["numChannels"] == "3 number"
    assert shown["subject"] == "ihc text"
    assert shown["width"] == "512 number"


def test_quantities_are_given_as_a_map_of_the_selection(site, ana, images):
    """req. 118: name to value for each selected dataset, in one answer."""
    both = [images["ihc"], images["cell"]]
    found = ana._json("GET", "/quantities", params={"datasetIds": ",".join(map(str, both))})
    assert found["quantities"].keys() == {str(one) for one in both}
    assert [found["quantities"][str(one)]["numChannels"] for one in both] == [3, 1]


def test_quantities_see_the_files_that_the_user_sees(ana, people, root, make_dataset):
    """req. 116: they are counted as they come."""
    id = make_dataset("counted", "MIC-2026-1")
    (format_id,) = root.search("SELECT f.id FROM DatafileFormat f WHERE f.name = 'text'")

    def counted() -> object:
        found = ana._json("GET", "/quantities", params={"datasetIds": str(id)})
        return found["quantities"][str(id)]["numFiles"]

    before = counted()
    for number in range(2):
        people.datastore("ana").put(
            [b"x"], name=f"{number}.txt", dataset_id=id, datafile_format_id=int(format_id)
        )
    assert (before, counted()) == (0, 2)
    people.datastore("ana").delete(Selection(dataset_ids=[id]))


def test_quantities_may_be_aggregates(ana, facility, images, wait_until):
    """req. 117: SUM, AVG, MIN, MAX and COUNT."""
    inner = "".join(
        f"<jobDatasetParameter><name>the{name}</name><query>SELECT {name}(f.fileSize) FROM "
        "Datafile f WHERE f.dataset.id = ${datasetId}</query></jobDatasetParameter>"
        for name in ("SUM", "AVG", "MIN", "MAX", "COUNT")
    )
    text = f"<jobDatasetType><datasetTypes>image</datasetTypes>{inner}</jobDatasetType>"
    facility.write("job_dataset_parameters/sizes.xml", text)
    sizes = [one["size"] for one in ana.datafiles(images["cell"])]

    def found() -> dict:
        params = {"datasetIds": str(images["cell"])}
        return ana._json("GET", "/quantities", params=params)["quantities"][str(images["cell"])]

    wait_until(lambda: "theSUM" in found())
    values = found()
    assert [values[f"the{name}"] for name in ("SUM", "MIN", "MAX", "COUNT")] == [
        sum(sizes),
        min(sizes),
        max(sizes),
        len(sizes),
    ]
    assert math.isclose(values["theAVG"], sum(sizes) / len(sizes))


def test_condition_of_the_paper_works(ana, root, facility, make_dataset, wait_until, browse):
    """req. 119: exactly ``numChannels == 3 && numHdfFiles > 500``."""
    facility.write(
        "job_dataset_parameters/hdf.xml",
        "<jobDatasetType><datasetTypes>image</datasetTypes><jobDatasetParameter>"
        "<name>numHdfFiles</name><query>SELECT COUNT(f) FROM Datafile f WHERE f.dataset.id = "
        "${datasetId} AND f.name LIKE '%.hdf'</query></jobDatasetParameter></jobDatasetType>",
    )
    facility.write(
        "job_types/paper.xml",
        job_type(
            "paper",
            "<jobOptions><name>Many colours</name><type>boolean</type><programParameter>--utc"
            "</programParameter><condition>numChannels == 3 &amp;&amp; numHdfFiles &gt; 500"
            "</condition></jobOptions>",
        ),
    )
    (format_id,) = root.search("SELECT f.id FROM DatafileFormat f WHERE f.name = 'text'")
    ids = {}
    for name, channels, files in (("yes", 3, 501), ("few", 3, 500), ("grey", 1, 501)):
        ids[name] = make_dataset(f"paper {name}", "MIC-2026-1", channels=channels)
        root.write(
            [
                {
                    "Datafile": {
                        "name": f"{number}.hdf",
                        "dataset": {"id": ids[name]},
                        "datafileFormat": {"id": format_id},
                    }
                }
                for number in range(files)
            ]
        )
    wait_until(lambda: known(ana, "paper"))
    web = browse("ana")
    offered = {
        name: "Many colours" in web.open(f"/run/paper?sel={id}").labels for name, id in ids.items()
    }
    assert offered == {"yes": True, "few": False, "grey": False}
