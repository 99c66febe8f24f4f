"""The WSDL of the interface: SOAP 1.1, document style, wrapped parameters."""

from __future__ import annotations

from lxml import etree

from catalog.soap.interface import NAMESPACE, OPERATIONS, XSD
from catalog.soap.making import Element, Maker

_WSDL = "http://schemas.xmlsoap.org/wsdl/"
_SOAP_BINDING = "http://schemas.xmlsoap.org/wsdl/soap/"
_FAULT = "IcatException"

_MAKE = Maker(
    _WSDL,
    {None: _WSDL, "soap": _SOAP_BINDING, "tns": NAMESPACE, "xsd": XSD},
)
_SOAP = Maker(_SOAP_BINDING)
_XSD = Maker(XSD)


def document(address: str) -> bytes:
    """The WSDL for a service at an address.

    It imports the schema, as that of ICAT does: suds finds types inside of others only so.
    """
    imported = _XSD("import", namespace=NAMESPACE, schemaLocation=f"{address}?xsd=1")
    definitions = _MAKE(
        "definitions",
        _MAKE("types", _XSD("schema", imported)),
        *(message for name in OPERATIONS for message in _messages(name)),
        _message(_FAULT, "fault", _FAULT),
        _MAKE("portType", *(_operation(name) for name in OPERATIONS), name="ICAT"),
        _MAKE(
            "binding",
            _SOAP("binding", transport="http://schemas.xmlsoap.org/soap/http", style="document"),
            *(_bound(name) for name in OPERATIONS),
            name="ICATPortBinding",
            type="tns:ICAT",
        ),
        _MAKE(
            "service",
            _MAKE(
                "port",
                _SOAP("address", location=address),
                name="ICATPort",
                binding="tns:ICATPortBinding",
            ),
            name="ICATService",
        ),
        targetNamespace=NAMESPACE,
        name="ICATService",
    )
    return etree.tostring(definitions, xml_declaration=True, encoding="UTF-8")


def _messages(operation: str) -> tuple[Element, Element]:
    answer = f"{operation}Response"
    return (
        _message(operation, "parameters", operation),
        _message(answer, "parameters", answer),
    )


def _message(name: str, part: str, element: str) -> Element:
    return _MAKE("message", _MAKE("part", name=part, element=f"tns:{element}"), name=name)


def _operation(name: str) -> Element:
    return _MAKE(
        "operation",
        _MAKE("input", message=f"tns:{name}"),
        _MAKE("output", message=f"tns:{name}Response"),
        _MAKE("fault", message=f"tns:{_FAULT}", name=_FAULT),
        name=name,
    )


def _bound(name: str) -> Element:
    return _MAKE(
        "operation",
        _SOAP("operation", soapAction=""),
        _MAKE("input", _SOAP("body", use="literal")),
        _MAKE("output", _SOAP("body", use="literal")),
        _MAKE("fault", _SOAP("fault", name=_FAULT, use="literal"), name=_FAULT),
        name=name,
    )
