"""Headers of tables: the notation, and names that are not there."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.port import header
from catalog.query.schema import entities
from ijp.errors import BadRequestError


@pytest.mark.parametrize("stamps", [True, False])
@pytest.mark.parametrize("name", entities())
def test_the_header_of_every_entity_is_read_again(name, stamps):
    complete = header.complete(entities()[name], stamps=stamps)
    assert header.parse(str(complete)) == complete


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Facility", "Facility(daysUntilRelease:0,description:1,fullName:2,name:3,url:4)"),
        ("DataCollection", "DataCollection(?:0,doi:1)"),
        (
            "DataCollectionDataset",
            "DataCollectionDataset(dataCollection(?:0),"
            "dataset(investigation(facility(name:1),name:2,visitId:3),name:4))",
        ),
    ],
)
def test_headers_are_as_icat_writes_them(name, text):
    assert str(header.complete(entities()[name], stamps=False)) == text


def test_who_made_what_stands_before_the_rest():
    found = str(header.complete(entities()["DataCollection"], stamps=True))
    assert found == "DataCollection(?:0,createId:1,createTime:2,modId:3,modTime:4,doi:5)"


def test_blanks_and_missing_commas_are_no_matter():
    loose = header.parse(" Dataset ( name : 3 type( facility(name:0) ,name:1 )  complete:2) ")
    assert str(loose) == "Dataset(name:3,type(facility(name:0),name:1),complete:2)"
    assert loose.width == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is no header of a table: unexpected end of the line"),
        ("Facility", "'Facility' is no header of a table: unexpected end of the line"),
        ("Facility(name:)", "'Facility(name:)' is no header of a table: unexpected ')' at char"),
        ("Facility()", "'Facility()' is no header of a table: unexpected ')' at character 9"),
        ("Facility(name:-1)", "'Facility(name:-1)' is no header"),
        ('"a",1,2', "'\"a\",1,2' is no header of a table: unexpected '\"' at character 0"),
        ("Car(name:0)", "Car is not an ICAT entity"),
        ("facility(name:0)", "facility is not an ICAT entity"),
        ("Facility(colour:0)", "Field colour not found in Facility"),
        ("Facility(id:0)", "Field id is set by the server in Facility"),
        ("Facility(name:0,name:1)", "Field name is there twice in Facility"),
        ("Dataset(?:0,?:1)", "Field ? is there twice in Dataset"),
        ("Dataset(type:0)", "Field type not found in Dataset: write type(…)"),
        ("Dataset(name(name:0))", "Dataset has no to-one relation name"),
        ("Dataset(datafiles(name:0))", "Dataset has no to-one relation datafiles"),
        ("Dataset(type(createId:0))", "DatasetType cannot be looked up by createId"),
        ("Dataset(type(" + "facility(" * 5, "'Dataset(type(facility("),
    ],
)
def test_what_is_no_header_is_told(text, message):
    with pytest.raises(BadRequestError) as refused:
        header.parse(text)
    assert refused.value.message.startswith(message)


@given(st.text(st.sampled_from("Facility(name:0,) ?type123") | st.characters(), max_size=40))
def test_any_text_is_a_header_or_refused(text):
    with suppress(BadRequestError):
        assert header.parse(text).width > 0


def test_very_long_headers_are_refused_or_read_in_no_time():
    with pytest.raises(BadRequestError):
        header.parse("Dataset" + "(type" * 50_000)
