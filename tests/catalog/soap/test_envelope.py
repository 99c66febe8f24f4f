"""What comes in may be anything: each fault says what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from catalog.soap import envelope

_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_CALL = '<t:getApiVersion xmlns:t="http://icatproject.org"/>'


def _envelope(inside: str, soap: str = _SOAP, before: str = "") -> bytes:
    return f'{before}<S:Envelope xmlns:S="{soap}"><S:Body>{inside}</S:Body></S:Envelope>'.encode()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "this is not well-formed XML in UTF-8"),
        (b"hello", "this is not well-formed XML in UTF-8"),
        (b"\x00" * 100, "this is not well-formed XML in UTF-8"),
        (_envelope(_CALL)[:-20], "this is not well-formed XML in UTF-8"),
        (_envelope("<name>\xff</name>").replace("\xff".encode(), b"\xff"), "not well-formed XML"),
        (_envelope(_CALL).decode().encode("utf-16"), "this is not well-formed XML in UTF-8"),
        (b"<a/>", "this is no SOAP envelope but a"),
        (_envelope(""), "a request has one Body with the one operation"),
        (_envelope(_CALL * 2), "a request has one Body with the one operation"),
        (_envelope("<getApiVersion/>"), "operations are of the namespace http://icatproject.org"),
        (
            _envelope('<t:getApiVersion xmlns:t="urn:other"/>'),
            "operations are of the namespace http://icatproject.org, not {urn:other}getApiVersion",
        ),
        (
            _envelope('<t:format xmlns:t="http://icatproject.org"/>'),
            "there is no operation format",
        ),
        (
            _envelope('<t:search xmlns:t="http://icatproject.org"><colour/></t:search>'),
            "search has no parameter colour",
        ),
        (
            _envelope('<t:search xmlns:t="http://icatproject.org"><query/><query/></t:search>'),
            "query of search is there twice",
        ),
        (_envelope("<a>" * 400 + "</a>" * 400), "this is not well-formed XML in UTF-8: .*depth"),
    ],
)
def test_request_that_cannot_be_understood_says_why(
    soap: Any, fault: Any, body: bytes, message: str
) -> None:
    with pytest.raises(fault, match=f"BAD_PARAMETER -1: .*{message}") as found:
        soap.post(body)
    assert found.value.code == "S:Client"


def test_other_version_of_soap_is_told(soap: Any, fault: Any) -> None:
    newer = _envelope(_CALL, "http://www.w3.org/2003/05/soap-envelope")
    with pytest.raises(fault, match=r"envelopes are of SOAP 1.1") as found:
        soap.post(newer)
    assert found.value.code == "S:VersionMismatch"


def test_header_that_must_be_understood_is_told(soap: Any, fault: Any) -> None:
    header = '<S:Header><w:Security xmlns:w="urn:w" S:mustUnderstand="1"/></S:Header>'
    body = _envelope(_CALL).replace(b"<S:Body>", header.encode() + b"<S:Body>")
    with pytest.raises(fault, match=r"the header {urn:w}Security is not understood") as found:
        soap.post(body)
    assert found.value.code == "S:MustUnderstand"
    assert soap.post(body.replace(b'"1"', b'"0"'))[0].text == "6.2.0"


def test_names_may_be_qualified_or_not(soap: Any) -> None:
    info = (
        '<t:getEntityInfo xmlns:t="http://icatproject.org"><t:beanName>User</t:beanName>'
        "</t:getEntityInfo>"
    )
    assert soap.post(_envelope(info))[0].findtext("constraints/fieldNames") == "name"


def test_comments_and_instructions_are_passed_over(soap: Any) -> None:
    info = (
        '<?go on?><t:getEntityInfo xmlns:t="http://icatproject.org"><!-- x --><beanName>'
        "Us<!-- y -->er</beanName></t:getEntityInfo>"
    )
    assert soap.post(_envelope(info))[0].findtext("constraints/fieldNames") == "name"


_LAUGHS = "".join(f'<!ENTITY l{number} "{f"&l{number - 1};" * 10}">' for number in range(1, 12))


@pytest.mark.parametrize("inside", ["<beanName>&l11;</beanName>", '<beanName a="&l11;"/>', ""])
def test_entities_that_grow_are_not_expanded(soap: Any, fault: Any, inside: str) -> None:
    call = f'<t:getEntityInfo xmlns:t="http://icatproject.org">{inside}</t:getEntityInfo>'
    before = f'<!DOCTYPE x [<!ENTITY l0 "ha">{_LAUGHS}]>'
    with pytest.raises(fault, match=r"BAD_PARAMETER -1: (a request has no document type|this is)"):
        soap.post(_envelope(call, before=before))


def test_files_are_not_read(soap: Any, fault: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the-secret")
    call = (
        '<t:getEntityInfo xmlns:t="http://icatproject.org"><beanName>&file;</beanName>'
        "</t:getEntityInfo>"
    )
    before = f'<!DOCTYPE x [<!ENTITY file SYSTEM "file://{secret}">]>'
    with pytest.raises(fault) as found:
        soap.post(_envelope(call, before=before))
    assert found.value.message == "a request has no document type"


def test_request_of_very_many_elements_is_refused_unread(soap: Any, fault: Any) -> None:
    many = "<a/>" * (envelope.MOST_ELEMENTS + 1)
    with pytest.raises(fault, match="a request has at most 1000000 elements or attributes"):
        soap.post(_envelope(many))
    attributes = "".join(f" a{number}=''" for number in range(envelope.MOST_ELEMENTS + 1))
    with pytest.raises(fault, match="a request has at most 1000000 elements or attributes"):
        soap.post(_envelope(f"<a{attributes}/>"))


def test_request_of_very_many_prefixes_is_refused(soap: Any, fault: Any) -> None:
    prefixes = "".join(f" xmlns:a{number}='urn:{number}'" for number in range(100_000))
    body = _envelope(_CALL).replace(b"<S:Envelope", f"<S:Envelope{prefixes}".encode())
    with pytest.raises(fault, match="a request declares at most 100 prefixes"):
        soap.post(body)


def test_request_that_is_too_long_is_a_fault(
    soap: Any, fault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(soap.http.application.config, "MAX_CONTENT_LENGTH", 1000)
    with pytest.raises(fault, match="BAD_PARAMETER -1: "):
        soap.post(_envelope(_CALL + " " * 1000))


@pytest.mark.parametrize("path", ["/ICATService/ICAT", "/icat/ICAT"])
def test_both_addresses_answer(soap: Any, path: str) -> None:
    assert soap.post(_envelope(_CALL), path)[0].text == "6.2.0"
