"""A SOAP client that sends what it is given and takes answers apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from lxml import etree

from catalog.soap import schema

NS = "http://icatproject.org"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
XSI = "http://www.w3.org/2001/XMLSchema-instance"

_VALID = etree.XMLSchema(etree.fromstring(schema.document()))


class Fault(Exception):
    """The fault of a call.

    Attributes:
        offset: -1 if it is about no member of a list.
    """

    def __init__(self, element: Any) -> None:
        self.code = element.findtext("faultcode")
        detail = element.find(f"detail/{{{NS}}}IcatException")
        assert [child.tag for child in detail] == ["message", "offset", "type"]
        _require_valid(detail)
        self.message = detail.findtext("message") or ""
        assert self.message == element.findtext("faultstring")
        self.offset = int(detail.findtext("offset"))
        self.type = detail.findtext("type")
        super().__init__(f"{self.type} {self.offset}: {self.message}")


def _require_valid(element: Any) -> None:
    _VALID.assertValid(etree.fromstring(etree.tostring(element)))


def body_of(status: int, content: bytes) -> Any:
    """The element in the Body of an answer; it must be as the schema says.

    Raises:
        Fault: It is one, of status 500.
    """
    root = etree.fromstring(content)
    assert root.tag == f"{{{SOAP}}}Envelope"
    ((found,),) = root
    if found.tag == f"{{{SOAP}}}Fault":
        assert status == 500
        raise Fault(found)
    assert status == 200
    _require_valid(found)
    return found


@dataclass
class Soap:
    """Calls operations for one session; with None none is sent."""

    http: FlaskClient
    session_id: str | None = None

    def post(self, body: bytes, path: str = "/ICATService/ICAT") -> Any:
        """What is in the Body of the answer to these bytes."""
        answer = self.http.post(path, data=body, content_type="text/xml; charset=utf-8")
        assert answer.content_type == "text/xml; charset=utf-8"
        return body_of(answer.status_code, answer.data)

    def returns(self, operation: str, arguments: str = "") -> list[Any]:
        """The elements that an operation returns; arguments are XML, with ``t`` for our types."""
        session = "" if self.session_id is None else f"<sessionId>{self.session_id}</sessionId>"
        found = self.post(
            f'<S:Envelope xmlns:S="{SOAP}" xmlns:t="{NS}" xmlns:xsi="{XSI}"><S:Header/><S:Body>'
            f"<t:{operation}>{session}{arguments}</t:{operation}>"
            "</S:Body></S:Envelope>".encode()
        )
        assert found.tag == f"{{{NS}}}{operation}Response"
        return list(found)

    def texts(self, operation: str, arguments: str = "") -> list[str | None]:
        """The texts that an operation returns."""
        return [one.text for one in self.returns(operation, arguments)]

    def create(self, kind: str, values: str) -> int:
        """The id of a new entity."""
        (id,) = self.texts("create", bean(kind, values))
        return int(str(id))

    def search(self, query: str) -> list[Any]:
        """The rows of a query as elements."""
        return self.returns("search", f"<query>{query}</query>")

    def values(self, query: str) -> list[str | None]:
        """The rows of a query for one value."""
        return [one.text for one in self.search(query)]

    def login(self, plugin: str, **credentials: str) -> Soap:
        """The same for a new session."""
        entries = "".join(
            f"<entry><key>{key}</key><value>{value}</value></entry>"
            for key, value in credentials.items()
        )
        (session_id,) = Soap(self.http).texts(
            "login", f"<plugin>{plugin}</plugin><credentials>{entries}</credentials>"
        )
        return replace(self, session_id=session_id)


def bean(kind: str, values: str, tag: str = "bean") -> str:
    """An entity as an argument: ``bean("facility", "<name>F</name>")``."""
    return f'<{tag} xsi:type="t:{kind}">{values}</{tag}>'


@pytest.fixture
def soap(app: Flask) -> Soap:
    """A client without a session."""
    return Soap(app.test_client())


@pytest.fixture
def soap_root(soap: Soap) -> Soap:
    """A client that may do everything."""
    return soap.login("simple", username="root", password="root-pass")


@pytest.fixture
def soap_ana(soap: Soap) -> Soap:
    """A client that may do what rules allow."""
    return soap.login("simple", username="ana", password="ana-pass")


@pytest.fixture(name="bean")
def _bean() -> Any:
    return bean


@pytest.fixture(name="fault")
def _fault() -> type[Fault]:
    """The class of faults."""
    return Fault


@pytest.fixture(name="body_of")
def _body_of() -> Any:
    return body_of
