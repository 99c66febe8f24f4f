"""The XML Schema of the interface, made from the models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from lxml import etree

from catalog.description import (
    BASE,
    PARAMETER,
    Description,
    Field,
    FieldKind,
    describe,
    members,
)
from catalog.model import ParameterValueType, StudyStatus
from catalog.soap.interface import (
    ACCESS_TYPES,
    CREDENTIALS,
    EXCEPTION_TYPES,
    NAMESPACE,
    OPERATIONS,
    STRING,
    XSD,
    Part,
    type_name,
)
from catalog.soap.making import Element, Maker

_MAKE = Maker(XSD, {"xs": XSD, "tns": NAMESPACE})

_TYPES = {
    FieldKind.STRING: STRING,
    FieldKind.LONG: "xs:long",
    FieldKind.INTEGER: "xs:int",
    FieldKind.DOUBLE: "xs:double",
    FieldKind.BOOLEAN: "xs:boolean",
    FieldKind.DATE: "xs:dateTime",
    FieldKind.VALUE_TYPE: "tns:parameterValueType",
    FieldKind.STATUS: "tns:studyStatus",
}

_ENUMERATIONS = {
    "accessType": ACCESS_TYPES,
    "icatExceptionType": EXCEPTION_TYPES,
    "parameterValueType": tuple(one.name for one in ParameterValueType),
    "relType": ("ATTRIBUTE", "MANY", "ONE"),
    "studyStatus": tuple(one.name for one in StudyStatus),
}


@cache
def document() -> bytes:
    """The schema as it is served."""
    schema = _MAKE(
        "schema",
        *(_global(name, name) for one in OPERATIONS for name in (one, f"{one}Response")),
        _global("IcatException", "IcatException"),
        _global("fieldSet", "fieldSet"),
        *(_global(type_name(one), type_name(one)) for one in ("Datafile", "Dataset")),
        *(_global(type_name(one), type_name(one)) for one in sorted(members(PARAMETER))),
        *(_type for one in OPERATIONS.values() for _type in _wrappers(one.name)),
        *_structures(),
        *_entities(),
        *(_enumeration(name, values) for name, values in _ENUMERATIONS.items()),
        version="1.0",
        targetNamespace=NAMESPACE,
    )
    return etree.tostring(schema, xml_declaration=True, encoding="UTF-8")


def field_order(entity: str) -> list[str]:
    """The names of an entity's fields in the order in which its type has them."""
    own = describe(entity).fields
    base, inherited = describe(BASE).fields, dict[str, Field]()
    if entity in members(PARAMETER):
        inherited = _beyond(describe(PARAMETER), base)
    rest = [name for name in own if name not in base and name not in inherited]
    return [*base, *inherited, *rest]


def _beyond(one: Description, base: Iterable[str]) -> dict[str, Field]:
    known = set(base)
    return {name: field for name, field in one.fields.items() if name not in known}


def _global(name: str, type: str) -> Element:
    return _MAKE("element", name=name, type=f"tns:{type}")


def _element(name: str, type: str, *, least: int = 0, many: bool = False) -> Element:
    attributes = {"name": name, "type": type}
    if least == 0:
        attributes["minOccurs"] = "0"
    if many:
        attributes["maxOccurs"] = "unbounded"
    return _MAKE("element", **attributes)


def _many(name: str, type: str) -> Element:
    found = _element(name, type, many=True)
    found.set("nillable", "true")
    return found


def _complex(name: str, elements: Sequence[Element], base: str | None = None) -> Element:
    sequence = _MAKE("sequence", *elements)
    if base is None:
        return _MAKE("complexType", sequence, name=name)
    extension = _MAKE("extension", sequence, base=f"tns:{base}")
    return _MAKE("complexType", _MAKE("complexContent", extension), name=name)


def _wrappers(operation: str) -> tuple[Element, Element]:
    """The types of what goes in and of what comes out."""
    found = OPERATIONS[operation]
    returns = () if found.returns is None else (_part(found.returns),)
    return (
        _complex(operation, [_part(one) for one in found.parameters]),
        _complex(f"{operation}Response", returns),
    )


def _part(part: Part) -> Element:
    if part is CREDENTIALS:
        return _credentials()
    return _element(part.name, part.type, many=part.many)


def _credentials() -> Element:
    """Pairs of key and value; clients find these two types by the names of their elements."""
    entry = _MAKE(
        "element",
        _MAKE("complexType", _MAKE("sequence", _element("key", STRING), _element("value", STRING))),
        name="entry",
        minOccurs="0",
        maxOccurs="unbounded",
    )
    return _MAKE("element", _MAKE("complexType", _MAKE("sequence", entry)), name="credentials")


def _structures() -> list[Element]:
    """What is neither an entity nor the wrapper of an operation."""
    return [
        _complex("fieldSet", [_many("fields", "xs:anyType")]),
        _complex(
            "IcatException",
            [
                _element("message", STRING),
                _element("offset", "xs:int", least=1),
                _element("type", "tns:icatExceptionType"),
            ],
        ),
        _complex(
            "entityInfo",
            [
                _element("classComment", STRING),
                _many("constraints", "tns:constraint"),
                _many("fields", "tns:entityField"),
            ],
        ),
        _complex("constraint", [_many("fieldNames", STRING)]),
        _complex(
            "entityField",
            [
                _element("comment", STRING),
                _element("name", STRING),
                _element("notNullable", "xs:boolean", least=1),
                _element("relType", "tns:relType"),
                _element("stringLength", "xs:int"),
                _element("type", STRING),
            ],
        ),
        _complex(
            "authenticatorInfo",
            [
                _element("admin", "xs:boolean", least=1),
                _element("friendly", STRING),
                _many("keys", "tns:authenticatorCredentialKey"),
                _element("mnemonic", STRING),
            ],
        ),
        _complex(
            "authenticatorCredentialKey",
            [
                _element("hide", "xs:boolean", least=1),
                _element("name", STRING),
                _element("pattern", STRING),
            ],
        ),
    ]


def _entities() -> Iterable[Element]:
    base = describe(BASE)
    bean = _complex(type_name(BASE), _fields(base.fields.values()))
    bean.set("abstract", "true")
    yield bean
    parameter = _extension(describe(PARAMETER), base, base.fields)
    parameter.set("abstract", "true")
    yield parameter
    parameters = members(PARAMETER)
    for entity in sorted(members(BASE)):
        parent = describe(PARAMETER) if entity in parameters else base
        yield _extension(describe(entity), parent, parent.fields)


def _extension(one: Description, parent: Description, known: Iterable[str]) -> Element:
    fields = _fields(_beyond(one, known).values())
    return _complex(type_name(one.name), fields, type_name(parent.name))


def _fields(fields: Iterable[Field]) -> list[Element]:
    return [_field(one) for one in fields]


def _field(field: Field) -> Element:
    if field.target is None:
        # a boolean is always there, as ICAT's are
        least = 1 if field.kind is FieldKind.BOOLEAN else 0
        return _element(field.name, _TYPES[field.kind], least=least)
    type = f"tns:{type_name(field.target)}"
    many = field.kind is FieldKind.MANY
    return _many(field.name, type) if many else _element(field.name, type)


def _enumeration(name: str, values: Iterable[str]) -> Element:
    members = [_MAKE("enumeration", value=value) for value in values]
    return _MAKE("simpleType", _MAKE("restriction", *members, base=STRING), name=name)
