"""Dumps over REST: as they flow, with ICAT's forms and errors."""

from __future__ import annotations

import json

import pytest

DUMP = '1.0\n\nFacility(name:0,createId:1)\n"F","db/x"\n"G","db/y"\n'


@pytest.fixture
def export(rest):
    def export(session=None, **options):
        given = {"sessionId": session.session_id, **options} if session else options
        return rest.http.get("/icat/port", query_string={"json": json.dumps(given)})

    return export


@pytest.fixture
def send(rest):
    """Sends a form of these parts: name, file name or None, content."""

    def send(*parts, boundary: str = "xyz"):
        body = b""
        for name, file_name, content in parts:
            file = f'; filename="{file_name}"' if file_name is not None else ""
            head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
            body += head.encode() + content.encode() + b"\r\n"
        body += f"--{boundary}--\r\n".encode()
        kind = f"multipart/form-data; boundary={boundary}"
        return rest.http.post("/icat/port", data=body, content_type=kind)

    return send


def _options(session, **options) -> tuple[str, None, str]:
    return ("json", None, json.dumps({"sessionId": session.session_id, **options}))


def _error(answer) -> tuple[int, str, str, int | None]:
    found = answer.json
    return answer.status_code, found["code"], found["message"], found.get("offset")


def test_a_dump_is_sent_and_read_again(root, export, send):
    answer = send(_options(root), ("file", "dump", DUMP))
    assert (answer.status_code, answer.data) == (204, b"")
    answer = export(root)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="icat.export"'
    lines = answer.text.split("\n")
    assert "Facility(daysUntilRelease:0,description:1,fullName:2,name:3,url:4)" in lines
    assert 'NULL,NULL,NULL,"F",NULL' in lines
    root.delete([{"Facility": {"id": 1}}, {"Facility": {"id": 2}}])
    assert send(_options(root), ("file", "", answer.text)).status_code == 204
    assert export(root).text == answer.text


def test_several_files_are_read_in_their_order(root, send):
    second = '1.0\n\nInstrument(facility(name:0),name:1)\n"F","i"'
    assert send(_options(root), ("a", "a", DUMP), ("b", "b", second)).status_code == 204
    assert root.search("Instrument.name") == ["i"]


def test_options_are_those_of_icat_in_any_case(root, export, send):
    given = _options(root, attributes="all", duplicate="overWrite")
    for _ in range(2):
        assert send(given, ("file", "x", DUMP)).status_code == 204
    assert root.search("Facility.createId") == ["db/x", "db/y"]
    text = export(root, query="Facility [name='F']", attributes="ALL").text
    assert '"db/x"' in text
    assert '"db/y"' not in text


def test_an_error_has_its_line_and_what_was_before_stays(root, send):
    answer = send(_options(root), ("file", "x", DUMP + "5,NULL\n"))
    message = "Field name must be a string in Facility, not 5 at line 6"
    assert _error(answer) == (400, "BAD_PARAMETER", message, 6)
    answer = send(_options(root), ("file", "x", DUMP))
    message = "Facility exists with name = 'F' at line 4"
    assert _error(answer) == (412, "OBJECT_ALREADY_EXISTS", message, 4)
    check = _options(root, duplicate="CHECK", attributes="ALL")
    answer = send(check, ("file", "x", DUMP))
    message = "Facility: createId is 'simple/root' in the catalog and not 'db/x' at line 4"
    assert _error(answer) == (412, "VALIDATION", message, 4)
    lookup = '1.0\n\nInstrument(facility(name:0),name:1)\n"H","i"'
    answer = send(_options(root), ("file", "x", lookup))
    message = "there is no Facility with name = 'H' at line 4"
    assert _error(answer) == (404, "NO_SUCH_OBJECT_FOUND", message, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"color": 1}, "'color' is not expected in json"),
        ({"duplicate": "MAYBE"}, "duplicate in json must be one of THROW, IGNORE, CHECK, OVERWRI"),
        ({"attributes": "SOME"}, "attributes in json must be one of USER, ALL, not 'SOME'"),
        ({"attributes": 5}, "attributes in json must be a string"),
        ({"query": "Facility"}, "'query' is not expected in json"),
    ],
)
def test_unknown_options_are_refused(root, send, options, message):
    answer = send(_options(root, **options), ("file", "x", DUMP))
    assert answer.status_code == 400
    assert answer.json["message"].startswith(message)
    assert root.search("Facility") == []


def test_the_parts_must_be_those_of_an_import(rest, root, send):
    file = ("file", "x", DUMP)
    for parts, message in (
        ([file], "json must come before the file"),
        ([file, _options(root)], "json must come before the file"),
        ([], "json is not set"),
        ([_options(root)], "no file was sent"),
        ([("name", None, "x"), file], "'name' is not expected here"),
        ([_options(root), _options(root), file], "'json' is not expected here"),
        ([("json", None, "[]"), file], "json must be an object"),
    ):
        answer = send(*parts)
        assert (answer.status_code, answer.json["message"]) == (400, message)
    answer = rest.http.post("/icat/port", data="x", content_type="text/plain")
    assert answer.status_code == 400
    assert answer.json["message"].startswith("a form of the type multipart/form-data")
    assert send(("json", None, "x" * 100_000), file).status_code == 413
    assert root.search("Facility") == []


def test_a_form_that_breaks_off_is_told(rest, root):
    head = b'--x\r\nContent-Disposition: form-data; name="json"\r\n\r\n'
    options = json.dumps({"sessionId": root.session_id}).encode()
    file = b'\r\n--x\r\nContent-Disposition: form-data; name="f"; filename=""\r\n\r\n'
    body = head + options + file + b'1.0\n\nFacility(name:0)\n"F"\n"G"'
    kind = "multipart/form-data; boundary=x"
    for length in (10, len(head), len(head) + 5, len(head + options) + 9, len(body)):
        answer = rest.http.post("/icat/port", data=body[:length], content_type=kind)
        assert answer.status_code == 400
        assert answer.json["code"] == "BAD_PARAMETER"


def test_without_a_session_nothing_is_sent_or_read(rest, ana, export, send):
    assert export().json["code"] == "SESSION"
    assert send(("json", None, "{}"), ("file", "x", DUMP)).json["code"] == "SESSION"
    assert rest.http.get("/icat/port").json["message"] == "json is not set"
    answer = send(_options(ana, attributes="ALL"), ("file", "x", DUMP))
    assert _error(answer)[:3] == (403, "INSUFFICIENT_PRIVILEGES", "user must be in rootUserNames")
    answer = send(_options(ana), ("file", "x", DUMP))
    message = "CREATE access to this Facility is not allowed. at line 4"
    assert _error(answer) == (403, "INSUFFICIENT_PRIVILEGES", message, 4)


def test_the_session_may_be_in_the_header(root):
    answer = root.call("GET", "/port", query_string={"json": "{}"})
    assert answer.text.endswith("# end\n")


def test_a_query_that_is_wrong_is_an_error_and_no_dump(root, export):
    answer = export(root, query="SELECT c FROM Car c")
    assert (answer.status_code, answer.json["code"]) == (400, "BAD_PARAMETER")
    assert export(root, query=5).json["message"] == "query in json must be a string"


def test_who_reads_only_half_of_it_holds_nothing(app, root, export):
    root.write({"Facility": {"name": "F"}})
    pool = app.extensions["catalog"].transactions.engine.pool
    for _ in range(60):
        answer = export(root)
        next(iter(answer.response))
        answer.close()
    assert pool.checkedout() == 0


def test_an_import_may_be_longer_than_other_requests(app, root, send):
    app.config["MAX_CONTENT_LENGTH"] = 1000
    rows = "".join(f'"f{number}"\n' for number in range(1000))
    answer = send(_options(root), ("file", "x", "1.0\n\nFacility(name:0)\n" + rows))
    assert answer.status_code == 204
    assert root.search("SELECT COUNT(f) FROM Facility f") == [1000]
