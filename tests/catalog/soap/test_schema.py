"""WSDL and schema are made from the models, and other programs can read them."""

from __future__ import annotations

from typing import Any

import pytest
from lxml import etree

from catalog.model import ENTITIES
from catalog.query.schema import entities
from catalog.soap import schema, wsdl
from catalog.soap.interface import OPERATIONS, type_name

_XS = {"x": "http://www.w3.org/2001/XMLSchema"}
_WSDL = {"w": "http://schemas.xmlsoap.org/wsdl/"}


@pytest.fixture(scope="module")
def document() -> Any:
    return etree.fromstring(schema.document())


def _names(of: Any) -> list[str]:
    return [one.get("name") for one in of.iterfind(".//x:sequence/x:element", _XS)]


def _type(document: Any, name: str) -> Any:
    (found,) = document.iterfind(f"x:complexType[@name='{name}']", _XS)
    return found


def test_schema_is_one(document: Any) -> None:
    etree.XMLSchema(document)


def test_each_entity_has_its_attributes_and_relations_in_order(document: Any) -> None:
    base = _names(_type(document, "entityBaseBean"))
    parameter = _names(_type(document, "parameter"))
    assert len(ENTITIES) == 53
    for name, entity in entities().items():
        found = _type(document, type_name(name))
        parent = found.find(".//x:extension", _XS).get("base")
        inherited = base + (parameter if parent == "tns:parameter" else [])
        assert _names(found) == sorted(_names(found))
        assert set(inherited + _names(found)) == {*entity.attributes, *entity.relations}


def test_types_of_entities_are_not_instantiated_by_their_common_names(document: Any) -> None:
    for name in ("entityBaseBean", "parameter"):
        assert _type(document, name).get("abstract") == "true"


def test_relations_to_many_may_be_there_any_number_of_times(document: Any) -> None:
    fields = {
        one.get("name"): one for one in _type(document, "facility").iterfind(".//x:element", _XS)
    }
    assert fields["instruments"].get("maxOccurs") == "unbounded"
    assert fields["instruments"].get("type") == "tns:instrument"
    assert fields["name"].get("maxOccurs") is None


def test_wsdl_imports_the_schema_and_has_all_operations() -> None:
    found = etree.fromstring(wsdl.document("http://here/ICATService/ICAT"))
    (imported,) = found.iterfind("w:types/x:schema/x:import", _WSDL | _XS)
    assert imported.get("schemaLocation") == "http://here/ICATService/ICAT?xsd=1"
    names = [one.get("name") for one in found.iterfind("w:portType/w:operation", _WSDL)]
    assert names == list(OPERATIONS)
    assert len(names) == 20


def test_address_in_the_wsdl_is_that_of_the_request(soap: Any) -> None:
    answer = soap.http.get("/icat/ICAT?wsdl", base_url="https://icat.example.org:8181")
    assert answer.content_type == "text/xml; charset=utf-8"
    address = "https://icat.example.org:8181/icat/ICAT"
    assert f'location="{address}"' in answer.text
    assert soap.http.get("/icat/ICAT?xsd=1").data == schema.document()


def test_address_cannot_bring_markup_into_the_wsdl() -> None:
    found = etree.fromstring(wsdl.document('http://"><evil/>&'))
    assert not list(found.iter("{*}evil"))


def test_visitor_without_a_question_is_told_where_the_description_is(soap: Any) -> None:
    assert "?wsdl" in soap.http.get("/ICATService/ICAT").text
