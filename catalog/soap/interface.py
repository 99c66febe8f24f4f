"""The operations of ICAT's SOAP interface, and the names that stand in its documents."""

from __future__ import annotations

from dataclasses import dataclass

NAMESPACE = "http://icatproject.org"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
XSD = "http://www.w3.org/2001/XMLSchema"
XSI = "http://www.w3.org/2001/XMLSchema-instance"

ACCESS_TYPES = ("CREATE", "READ", "UPDATE", "DELETE")
EXCEPTION_TYPES = (
    "BAD_PARAMETER",
    "INTERNAL",
    "INSUFFICIENT_PRIVILEGES",
    "NO_SUCH_OBJECT_FOUND",
    "OBJECT_ALREADY_EXISTS",
    "SESSION",
    "VALIDATION",
    "NOT_IMPLEMENTED",
)

BEAN = "tns:entityBaseBean"
STRING = "xs:string"


@dataclass(frozen=True)
class Part:
    """A parameter of an operation, or what it returns.

    Attributes:
        type: With prefix: ``xs`` is XML Schema, ``tns`` is ours. Credentials have none.
        many: There may be any number of them.
    """

    name: str
    type: str
    many: bool = False


@dataclass(frozen=True)
class Operation:
    """An operation; ``returns`` is None where nothing comes back."""

    name: str
    parameters: tuple[Part, ...] = ()
    returns: Part | None = None


CREDENTIALS = Part("credentials", "")
_SESSION = Part("sessionId", STRING)
_ONE_BEAN = Part("bean", BEAN)
_BEANS = Part("beans", BEAN, many=True)


def _gives(type: str, *, many: bool = False) -> Part:
    return Part("return", type, many)


_ALL = (
    Operation("login", (Part("plugin", STRING), CREDENTIALS), _gives(STRING)),
    Operation("logout", (_SESSION,)),
    Operation("refresh", (_SESSION,)),
    Operation("getUserName", (_SESSION,), _gives(STRING)),
    Operation("getRemainingMinutes", (_SESSION,), _gives("xs:double")),
    Operation("getApiVersion", (), _gives(STRING)),
    Operation("getVersion", (), _gives(STRING)),
    Operation("getEntityNames", (), _gives(STRING, many=True)),
    Operation("getEntityInfo", (Part("beanName", STRING),), _gives("tns:entityInfo")),
    Operation("getAuthenticatorInfo", (), _gives("tns:authenticatorInfo", many=True)),
    Operation("getProperties", (_SESSION,), _gives(STRING, many=True)),
    Operation("create", (_SESSION, _ONE_BEAN), _gives("xs:long")),
    Operation("createMany", (_SESSION, _BEANS), _gives("xs:long", many=True)),
    Operation("update", (_SESSION, _ONE_BEAN)),
    Operation("delete", (_SESSION, _ONE_BEAN)),
    Operation("deleteMany", (_SESSION, _BEANS)),
    Operation(
        "get",
        (_SESSION, Part("query", STRING), Part("primaryKey", "xs:long")),
        _gives(BEAN),
    ),
    Operation("search", (_SESSION, Part("query", STRING)), _gives("xs:anyType", many=True)),
    Operation(
        "isAccessAllowed",
        (_SESSION, _ONE_BEAN, Part("accessType", "tns:accessType")),
        _gives("xs:boolean"),
    ),
    # It is there to name types that no other operation names.
    Operation(
        "dummy",
        (
            Part("datafile", "tns:datafile"),
            Part("dataset", "tns:dataset"),
            Part("fieldSet", "tns:fieldSet"),
        ),
    ),
)

OPERATIONS = {one.name: one for one in _ALL}


def type_name(entity: str) -> str:
    """The name of an entity's type in the schema."""
    return entity[0].lower() + entity[1:]
