"""The RELAX NG schemas agree with the readers."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from jobdefs.layout import definition_files
from jobdefs.schemas import differences, schema_of
from jobdefs.shipped import examples_folder
from jobdefs.store import DefinitionStore

EXAMPLES = sorted(one.parent for one in examples_folder().glob("*/facility.toml"))
SCHEMAS = Path(differences.__code__.co_filename).parent / "schema"


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda one: one.name)
def test_the_examples_are_valid_and_read_without_a_problem(folder):
    assert DefinitionStore(folder).problems == ()
    files = definition_files(folder)
    assert files
    assert [one for file in files for one in differences(file)] == []


def test_each_document_has_its_schema(tmp_path):
    names = {
        "job_types/x.xml": "job_type",
        "job_dataset_parameters/x.xml": "job_dataset_parameters",
        "families.xml": "families",
        "dataset_search_items.xml": "dataset_search_items",
        "datafile_search_items.xml": "datafile_search_items",
        "search_items.xml": "dataset_search_items",
    }
    assert {name: schema_of(tmp_path / name) for name in names} == names
    assert {file.stem for file in SCHEMAS.glob("*.rng")} == set(names.values())


@pytest.mark.parametrize("file", sorted(SCHEMAS.glob("*.rng")), ids=lambda one: one.stem)
def test_each_schema_is_one(file):
    etree.RelaxNG(file=str(file))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("job_types/x.xml", "<jobType><name>x</name><type>batch</type></jobType>"),
        (
            "job_types/x.xml",
            "<jobType color='red'><name>x</name><executable>x</executable><type>batch</type>"
            "</jobType>",
        ),
        (
            "job_types/x.xml",
            "<jobType><name>x</name><executable>x</executable><type>batch</type>"
            "<jobOptions><name>x</name><type>integer</type><minValue>low</minValue></jobOptions>"
            "</jobType>",
        ),
        ("job_dataset_parameters/x.xml", "<jobDatasetType/>"),
        ("families.xml", "<families><family/></families>"),
        ("dataset_search_items.xml", "<searchItems><searchItem/></searchItems>"),
        ("datafile_search_items.xml", "<items/>"),
    ],
)
def test_what_is_wrong_is_not_valid(write, name, text):
    [problem] = differences(write(name, text))
    assert problem.message
    assert problem.line == 1
