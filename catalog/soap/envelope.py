"""Reading a SOAP request: from bytes to an operation and its arguments."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from catalog.soap.interface import NAMESPACE, OPERATIONS, SOAP, XSI
from ijp.errors import BadRequestError, TooLargeError

Element = etree._Element

MOST_ELEMENTS = 1_000_000
"""The most elements, and the most attributes, of a request; each takes memory."""

MOST_NAMESPACES = 100
"""The most prefixes that count for an operation; each is looked at for each entity."""

_SHOWN = 100
_TRUE = ("true", "1")
_NIL = f"{{{XSI}}}nil"


class EnvelopeError(BadRequestError):
    """What came is not a SOAP request that can be understood.

    Attributes:
        fault_code: SOAP's word for what is wrong.
    """

    def __init__(self, message: str, fault_code: str = "Client") -> None:
        super().__init__(message)
        self.fault_code = fault_code


@dataclass(frozen=True)
class Call:
    """An operation with its arguments."""

    operation: str
    arguments: dict[str, list[Element]]

    def text(self, name: str) -> str | None:
        """An argument that is text; None if it was not sent, or sent as nil."""
        given = self.arguments.get(name, [])
        return None if not given or is_nil(given[0]) else text_of(given[0])

    def required(self, name: str) -> str:
        """An argument that is text and must be there.

        Raises:
            BadRequestError: It is not, or empty.
        """
        if given := self.text(name):
            return given
        raise BadRequestError(f"{name} is not set")

    def element(self, name: str) -> Element:
        """The one argument of a name.

        Raises:
            BadRequestError: It is not there.
        """
        given = self.arguments.get(name, [])
        if not given or is_nil(given[0]):
            raise BadRequestError(f"{name} is not set")
        return given[0]

    def elements(self, name: str) -> list[Element]:
        """All arguments of a name; there may be none."""
        return self.arguments.get(name, [])


def read(body: bytes) -> Call:
    """Read a request.

    Raises:
        EnvelopeError: It is not well-formed, no envelope, or for no operation there is.
        TooLargeError: It has too many elements, attributes or prefixes.
    """
    root = _parsed(body)
    if root.tag != f"{{{SOAP}}}Envelope":
        raise _no_envelope(root)
    for header in root.findall(f"{{{SOAP}}}Header"):
        _refuse_required(header)
    bodies = root.findall(f"{{{SOAP}}}Body")
    if len(bodies) != 1 or len(bodies[0]) != 1:
        raise EnvelopeError("a request has one Body with the one operation that is called")
    return _call(bodies[0][0])


def _parsed(body: bytes) -> Element:
    if max(body.count(b"<"), body.count(b'="') + body.count(b"='")) > MOST_ELEMENTS:
        raise TooLargeError(f"a request has at most {MOST_ELEMENTS} elements or attributes")
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise EnvelopeError(f"this is not well-formed XML in UTF-8: {error.msg}") from None
    if root.getroottree().docinfo.doctype:  # type: ignore[union-attr]
        raise EnvelopeError("a request has no document type")
    return root


def _no_envelope(root: Element) -> EnvelopeError:
    if local_name(root) == "Envelope":
        return EnvelopeError(
            f"envelopes are of SOAP 1.1, this is of {_shown(namespace(root))}", "VersionMismatch"
        )
    return EnvelopeError(f"this is no SOAP envelope but {_shown(str(root.tag))}")


def _refuse_required(header: Element) -> None:
    for block in header:
        if block.get(f"{{{SOAP}}}mustUnderstand", "0").strip() in _TRUE:
            raise EnvelopeError(
                f"the header {_shown(str(block.tag))} is not understood", "MustUnderstand"
            )


def _call(element: Element) -> Call:
    name = local_name(element)
    if namespace(element) != NAMESPACE:
        raise EnvelopeError(
            f"operations are of the namespace {NAMESPACE}, not {_shown(str(element.tag))}"
        )
    if name not in OPERATIONS:
        raise EnvelopeError(f"there is no operation {_shown(name)}")
    if len(element.nsmap) > MOST_NAMESPACES:
        raise TooLargeError(f"a request declares at most {MOST_NAMESPACES} prefixes")
    known = {part.name: part for part in OPERATIONS[name].parameters}
    arguments: dict[str, list[Element]] = {}
    for child in element:
        part = known.get(own_name(child))
        if part is None:
            raise EnvelopeError(f"{name} has no parameter {_shown(str(child.tag))}")
        given = arguments.setdefault(part.name, [])
        if given and not part.many:
            raise EnvelopeError(f"{part.name} of {name} is there twice")
        given.append(child)
    return Call(name, arguments)


def namespace(element: Element) -> str:
    """The namespace of an element; empty if it is in none."""
    return etree.QName(element).namespace or ""


def local_name(element: Element) -> str:
    """The name of an element without its namespace."""
    return etree.QName(element).localname


def own_name(element: Element) -> str:
    """The name of an element in our namespace or in none; empty for one of another namespace."""
    return local_name(element) if namespace(element) in ("", NAMESPACE) else ""


def text_of(element: Element) -> str:
    """The text of an element that has only text.

    Raises:
        BadRequestError: It has elements.
    """
    if len(element):
        raise BadRequestError(
            f"{_shown(local_name(element))} must be text and has {_shown(str(element[0].tag))}"
        )
    return element.text or ""


def is_nil(element: Element) -> bool:
    """Whether an element says that it stands for nothing."""
    given = element.get(_NIL)
    return given is not None and given.strip() in _TRUE


def type_of(element: Element) -> str:
    """The name of the type in our namespace that an element says it is of.

    Raises:
        BadRequestError: It does not say, or a type of another namespace.
    """
    given = element.get(f"{{{XSI}}}type")
    if given is None:
        raise BadRequestError(f"{local_name(element)} must say by xsi:type which entity it is")
    prefix, colon, name = given.strip().rpartition(":")
    found = element.nsmap.get(prefix if colon else None)
    if found != NAMESPACE and (colon or found):
        raise BadRequestError(f"the type {_shown(given)} is not of {NAMESPACE}")
    return name


def _shown(text: str) -> str:
    """The beginning of what was found."""
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
