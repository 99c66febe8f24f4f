"""What people, programs and accidents do to a portal, and what it says then."""

from __future__ import annotations

import os
import pty
import re
import socket
import subprocess
import time
import tomllib
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from sqlalchemy import text

from ijp.errors import BadRequestError, NotAuthenticatedError, NotFoundError, ValidationFailedError
from ijp.portal import PortalClient
from servicekit import database


def stored_files(site) -> set:
    """All files of the storage, finished or not."""
    return {one for one in (site.folder / "data").rglob("*") if one.is_file()}


@pytest.fixture
def catalog_sessions(site):
    """The catalog's table of sessions, as its database has it."""
    url = tomllib.loads(site.settings_file.read_text())["common"]["database_url"]
    engine = database.engine_for(url, "catalog")
    yield engine
    engine.dispose()


def hashes(engine) -> set[str]:
    """The sessions there are."""
    with engine.connect() as connection:
        return set(connection.scalars(text("SELECT id_hash FROM user_session")))


def test_wrong_password_is_told_and_the_name_stays(site, browse):
    """Bad input: wrong credentials, on the page."""
    web = browse()
    page = web.open("/login")
    page.fill("Username", "ana")
    page.fill("Password", "not hers")
    page = web.press(page, "Log in")
    assert page.status == 401
    assert "That did not work" in page.text
    assert "try again" in page.text
    assert (page.control("Username").value, page.control("Password").value) == ("ana", "")
    assert "not hers" not in page.answer.text


def test_wrong_password_is_told_to_programs(site, shell_of):
    """Bad input: wrong credentials, for programs and at the command line."""
    with pytest.raises(NotAuthenticatedError):
        PortalClient(site.url).login("simple", {"username": "nobody", "password": "x"})
    shell = shell_of("ben")
    login = ["--portal", site.url, "login", "simple", "username", "nobody", "password", "-"]
    done = shell.run(*login, stdin="wrong\n", code=3)
    assert done.stderr.startswith("ijp: ")
    assert "Traceback" not in done.stderr


def test_session_that_ends_in_the_middle_of_a_form_loses_nothing(
    site, browse, catalog_sessions, ana, images
):
    """Bad input: what was typed is there again after logging in, and then goes through."""
    before = hashes(catalog_sessions)
    web = browse("ana")
    (own,) = hashes(catalog_sessions) - before
    page = web.open(f"/run/segment?sel={images['cell']}")
    page.fill("Smoothing", "4.5")
    page.fill("Name of the result", "typed with care")
    with catalog_sessions.begin() as connection:
        connection.execute(text("DELETE FROM user_session WHERE id_hash = :it"), {"it": own})
    page = web.press(page, "Submit")
    assert "What you typed is kept" in page.text
    page.fill("Username", "ana")
    page.fill("Password", site.password["ana"])
    page = web.press(page, "Log in")
    assert "nothing was sent yet" in page.text
    assert page.control("Smoothing").value == "4.5"
    assert page.control("Name of the result").value == "typed with care"
    page = web.press(page, "Submit")
    job = site.wait(ana, {"id": int(page.url.rpartition("/")[2])})
    assert "--name" in job["command"]
    assert "typed with care" in job["command"]
    assert job["state"] == "Completed"


def test_unknown_attribute_of_a_query_is_named_with_its_place(shell_of):
    """Bad input: a query with an unknown attribute."""
    query = "SELECT ds.name FROM Dataset ds WHERE ds.colour = 'red'"
    done = shell_of("ana").run("search", "--query", query, code=7)
    place = query.index("colour")
    assert done.stderr == f"ijp: Dataset has no field colour (at character {place})\n"


def test_unknown_parameter_of_a_search_is_named(browse, ana):
    """Bad input: searched by what nobody has heard of; the form stays."""
    page = browse("ana").open("/find?type=image&p=colourfulness:gt:3")
    assert "colourfulness" in page.text
    assert page.control("Dataset type").value == "image"
    with pytest.raises(BadRequestError, match="colourfulness"):
        ana.datasets(p="colourfulness:gt:3")


def test_values_of_the_wrong_type_and_out_of_range_are_marked_and_kept(browse, ana, images):
    """Bad input: all faults at once, each at its field; nothing is submitted."""
    before = ana.jobs(type="segment", limit="1")["jobs"]
    web = browse("ana")
    page = web.open(f"/run/segment?sel={images['cell']}")
    page.fill("Smoothing", "much")
    page.fill("Minimum area", "0")
    page = web.press(page, "Submit")
    assert page.status == 400
    faults = {
        label: page.document.get_element_by_id(f"{page.control(label).get('id')}-error")
        for label in ("Smoothing", "Minimum area")
    }
    assert "number" in faults["Smoothing"].text_content()
    assert "1" in faults["Minimum area"].text_content()
    assert (page.control("Smoothing").value, page.control("Minimum area").value) == ("much", "0")
    assert ana.jobs(type="segment", limit="1")["jobs"] == before


def test_value_that_is_no_number_in_a_search_is_marked(browse):
    """Bad input: a value of the wrong type in a condition."""
    page = browse("ana").open("/find?p=width:gt:wide")
    assert "'wide'" in page.text
    assert page.control("width").value == "wide"


def test_hidden_option_that_is_sent_anyway_is_refused(browse, ana, images):
    """Bad input: a grey picture has no red channel, whatever a form says."""
    web = browse("ana")
    page = web.open(f"/run/segment?sel={images['cell']}")
    form = page.document.get_element_by_id("run")
    values = [*form.form_values(), ("option.Channel", "red")]
    answer = web.http.post(page.url, data=values, timeout=30)
    assert answer.status_code == 400
    assert "numChannels &gt;= 3 is needed" in answer.text
    with pytest.raises(ValidationFailedError, match="not offered"):
        ana.submit("segment", dataset_ids=[images["cell"]], options={"Channel": "red"})


def test_dataset_of_others_is_as_if_there_were_none(site, browse, ben, images, root):
    """Bad input: another user's dataset id, wherever one can be given."""
    foreign, none = images["cell"], 987_654_321
    (file,) = root.search(
        f"SELECT f.id FROM Datafile f WHERE f.dataset.id = {foreign} AND f.name = 'cell.png'"
    )
    web = browse("ben")
    for path in ("/datasets/{}", "/datasets/{}/provenance", "/run/segment?sel={}", "/upload/{}"):
        pages = [web.open(path.format(id)) for id in (foreign, none)]
        texts = [re.sub(r"\d+|, number .*", "", page.text) for page in pages]
        assert pages[0].status == pages[1].status != 500, path
        assert texts[0] == texts[1], path
        assert "cell" not in pages[0].text, path
    assert web.open(f"/datafiles/{file}/content").status == 404
    for id in (foreign, none):
        for call in (ben.dataset, ben.datafiles, ben.provenance):
            with pytest.raises(NotFoundError):
                call(id)
        for job_type in ("segment", "augment"):
            with pytest.raises(NotFoundError):
                ben.submit(job_type, dataset_ids=[id])
        with pytest.raises(NotFoundError):
            ben.download([id])


BOMB = """<?xml version="1.0"?>
<!DOCTYPE jobType [<!ENTITY a "aaaaaaaaaa">
{}
]>
<jobType><name>&j;</name><executable>date</executable><type>batch</type></jobType>"""
BOMB = BOMB.format(
    "\n".join(
        f'<!ENTITY {longer} "{f"&{shorter};" * 10}">' for shorter, longer in pairwise("abcdefghij")
    )
)
EXTERNAL = """<?xml version="1.0"?>
<!DOCTYPE jobType [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<jobType><name>stolen</name><executable>date</executable><type>batch</type>
<help>&x;</help></jobType>"""


@pytest.mark.parametrize(("name", "content"), [("bomb", BOMB), ("external", EXTERNAL)])
def test_hostile_job_type_is_refused_told_and_harms_no_other(
    site, browse, ana, facility, wait_until, name, content
):
    """Bad input: an XML bomb, an external entity."""
    facility.write(f"job_types/{name}.xml", content)
    web = browse("root")
    wait_until(lambda: f"{name}.xml" in web.open("/admin").text)
    page = web.open("/admin")
    assert "DOCTYPE" in page.text
    assert "root:x:" not in page.text
    types = {one["name"] for one in ana.job_types()}
    assert {"segment", "date"} <= types
    assert "stolen" not in types


def test_file_name_that_leads_elsewhere_is_refused(site, browse, people, make_dataset, root):
    """Bad input: ``..`` in a file's name, at the page and at the data service."""
    id, before = make_dataset("climbing", "MIC-2026-1"), stored_files(site)
    web = browse("ana")
    page = web.open(f"/upload/{id}")
    token = page.document.find(".//meta[@name='csrf-token']").get("content")
    answer = web.http.put(
        f"{site.url}/upload/{id}/files/..%2F..%2Fsecrets%2Froot_password",
        data=b"x",
        headers={"X-CSRFToken": token, "Referer": page.url, "Accept": "application/json"},
        timeout=20,
    )
    assert answer.status_code == 400
    assert "cannot be a file's name" in answer.json()["message"]
    (format_id,) = root.search("SELECT f.id FROM DatafileFormat f WHERE f.name = 'text'")
    with pytest.raises(BadRequestError, match=re.escape("..")):
        people.datastore("ana").put(
            [b"x"], name="../../x", dataset_id=id, datafile_format_id=int(format_id)
        )
    assert stored_files(site) == before
    assert root.search(f"SELECT f.id FROM Datafile f WHERE f.dataset.id = {id}") == []


def test_upload_that_is_cut_off_leaves_nothing(site, browse, make_dataset, root, wait_until):
    """Bad input: an upload cut off halfway, at the page."""
    id, before = make_dataset("cut off", "MIC-2026-1"), stored_files(site)
    web = browse("ana")
    page = web.open(f"/upload/{id}")
    token = page.document.find(".//meta[@name='csrf-token']").get("content")
    cookies = "; ".join(f"{one.name}={one.value}" for one in web.http.cookies)
    parts = urlsplit(site.url)
    head = (
        f"PUT /upload/{id}/files/half.png HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Cookie: {cookies}\r\nX-CSRFToken: {token}\r\nReferer: {page.url}\r\n"
        "Content-Type: application/octet-stream\r\nContent-Length: 4000000\r\n\r\n"
    )
    with socket.create_connection((parts.hostname, parts.port), 20) as connection:
        connection.sendall(head.encode() + b"x" * 2_000_000)
        wait_until(lambda: stored_files(site) != before)
    wait_until(lambda: stored_files(site) == before)
    assert root.search(f"SELECT f.id FROM Datafile f WHERE f.dataset.id = {id}") == []


def test_missing_program_is_named(site, ana, browse, facility, wait_until):
    """Bad input: the job's program is not there."""
    facility.write(
        "job_types/lost.xml",
        "<jobType><name>lost</name><executable>bin/gone-fishing</executable><type>batch</type>"
        "<datasetTypes>none (job only)</datasetTypes></jobType>",
    )
    wait_until(lambda: "lost" in [one["name"] for one in ana.job_types()])
    (job,) = ana.submit("lost")
    ended = site.wait(ana, job)
    assert ended["state"] == "Failed"
    assert ended["reason"].startswith("program not found: ")
    assert "gone-fishing" in browse("ana").open(f"/jobs/{job['id']}").text


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("exit code", "the program ended with code 3"),
        ("signal", "the program was ended by signal 11 (SIGSEGV)"),
        ("memory", "memory limit"),
    ],
)
def test_ended_process_is_told_in_words(site, ana, browse, how, reason):
    """Bad input: the process killed, by itself or by a limit."""
    (job,) = ana.submit("fail on purpose", options={"How": how})
    ended = site.wait(ana, job)
    assert ended["state"] == "Failed"
    assert reason in ended["reason"]
    assert reason in browse("ana").open(f"/jobs/{job['id']}").text.lower().replace(
        "sigsegv", "SIGSEGV"
    )


def test_half_a_result_is_taken_away(site, ana, root):
    """Bad input: the process ended in the middle of a dataset."""
    (place,) = root.search("SELECT i.id FROM Investigation i WHERE i.name = 'MIC-2026-1'")
    (job,) = ana.submit(
        "fail on purpose", options={"How": "half a dataset"}, investigation_id=place
    )
    ended = site.wait(ana, job)
    assert (ended["state"], ended["outputs"]["datasets"]) == ("Failed", [])
    assert root.search(f"SELECT d.id FROM Dataset d WHERE d.name = 'half {job['id']}'") == []
    assert any("removed" in event["text"] for event in ended["events"])


def test_hostile_output_is_text_on_the_page_and_in_the_terminal(site, ana, browse, shell_of):
    """Bad input: output with HTML and terminal escapes."""
    (job,) = ana.submit("chatter", options={"Lines": 1})
    site.wait(ana, job)
    page = browse("ana").open(f"/jobs/{job['id']}")
    shown = page.document.get_element_by_id("output")
    assert "<script>document.title='too'</script>" in shown.text_content()
    assert not list(shown.iter("script", "img"))
    assert "\x1b" not in page.answer.text
    assert "\a" not in page.answer.text
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", 0) as terminal:
        words = ["ijp", "output", str(job["id"])]
        shell = shell_of("ana")
        subprocess.run(words, stdout=theirs, env=shell.environment, check=True, timeout=30)
        os.close(theirs)
        written = b""
        while b"line 0" not in written:
            written += terminal.read(4096)
    assert b"\\x1b[1;31mred" in written
    assert b"\x1b[1;31mred" not in written


def _memory(site) -> int:
    """What the server's processes have in memory, in bytes."""
    (server,) = site.processes
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    facts = [Path(f"/proc/{pid}/status").read_text() for pid in (server.pid, *children)]
    return sum(
        1024 * int(found[1])
        for text in facts
        if (found := re.search(r"^VmRSS:\s+(\d+)", text, re.MULTILINE))
    )


@pytest.mark.slow
def test_gigabyte_of_output_is_cut_and_shown_at_its_end(site, ana, browse, facility, wait_until):
    """Bad input: output of 1 GB on one line; the page stays quick and the server small."""
    facility.write(
        "bin/flood", "#!/bin/sh\nhead -c 1100000000 /dev/zero | tr '\\0' x\n", program=True
    )
    facility.write(
        "job_types/flood.xml",
        "<jobType><name>flood</name><executable>bin/flood</executable><type>batch</type>"
        "<datasetTypes>none (job only)</datasetTypes></jobType>",
    )
    wait_until(lambda: "flood" in [one["name"] for one in ana.job_types()])
    web = browse("ana")
    web.open("/jobs")
    before = _memory(site)
    (job,) = ana.submit("flood")
    ended = site.wait(ana, job)
    begun = time.monotonic()
    page = web.open(f"/jobs/{job['id']}")
    assert time.monotonic() - begun < 3
    assert len(page.answer.text) < 200_000
    with requests.get(
        f"{site.url}/api/v1/jobs/{job['id']}/output",
        headers={"Authorization": f"Bearer {ana.session_id}", "Range": "bytes=0-9"},
        timeout=20,
    ) as answer:
        assert answer.content == b"xxxxxxxxxx"
        size = int(answer.headers["Content-Range"].rpartition("/")[2])
    assert 2**30 <= size < 2**30 + 1000
    assert "output truncated at 1073741824 bytes" in page.text
    assert ended["state"] in ("Completed", "Failed")
    assert _memory(site) - before < 64 << 20
    ana.delete(job["id"])
