"""The data side's pages, as a browser without script uses them."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from lxml import html

pytestmark = pytest.mark.slow

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 32


@pytest.fixture
def portal(make_portal):
    return make_portal(dispatcher=False)


class Browser:
    """Reads pages, fills in their forms."""

    def __init__(self, client):
        self.client = client

    def get(self, path, status=200, **options):
        answer = self.client.get(path, **options)
        assert answer.status_code == status, answer.text[:2000]
        return html.fromstring(answer.text) if answer.text.strip() else None

    def token(self):
        return self.get("/find").xpath("string(//meta[@name='csrf-token']/@content)")

    def post(self, path, status=303, **form):
        form.setdefault("csrf_token", self.token())
        answer = self.client.post(path, data=form)
        assert answer.status_code == status, answer.text[:2000]
        return answer


@pytest.fixture
def ana(portal):
    return Browser(portal.browser("ana"))


def text(node) -> str:
    return " ".join(node.text_content().split())


def hits(page) -> list[str]:
    return [text(one) for one in page.xpath("//table[contains(@class,'hits')]/tbody//th/a")]


def query_of(answer) -> dict[str, list[str]]:
    assert answer.status_code == 302
    return parse_qs(urlsplit(answer.location).query, keep_blank_values=True)


# Find


def test_the_first_page_is_the_search(ana, portal):
    assert ana.client.get("/").location == "/find"
    page = ana.get("/find")
    assert "There are no data for you yet" in text(page)
    portal.dataset("one")
    page = ana.get("/find")
    assert hits(page) == ["one"]
    assert "1 dataset" in text(page.get_element_by_id("results"))
    assert "numChannels" in text(page.get_element_by_id("detail"))  # req. 101


def test_without_a_session_a_page_leads_to_log_in_and_back(portal):
    answer = portal.app.test_client().get("/find?type=raw&p=numChannels:eq:3")
    assert answer.status_code == 303
    target = parse_qs(urlsplit(answer.location).query)
    assert target["next"] == ["/find?type=raw&p=numChannels:eq:3"]


def test_a_filled_form_becomes_an_address(ana, portal):
    """Rule 1 of the pages: the URL is the state, also for a browser without script."""
    answer = ana.client.get(
        "/find?form=1&type=raw&text=&item.Colour=&rn=numChannels&ro=between&rv=1&rh=3"
        "&rn=note&ro=like&rv=&rh=&add=dataset.name&sel=3,1,2"
    )
    assert query_of(answer) == {
        "type": ["raw"],
        "p": ["numChannels:between:1..3", "note:like:", "dataset.name::"],
        "sel": ["3,1,2"],
    }
    page = ana.get(answer.location)
    assert page.xpath("//select[@name='type']/option[@selected]/text()") == ["raw"]
    assert page.xpath("//input[@name='rv']/@value") == ["1", "", ""]
    operators = page.xpath("(//select[@name='ro'])[1]/option/@value")
    assert operators == ["eq", "ne", "lt", "le", "gt", "ge", "between"]
    assert ana.client.get(f"{answer.location}&rn=&ro=&rv=&rh=&remove=0").status_code == 302


def test_ticked_rows_are_added_to_what_was_selected(ana, portal):
    ids = [portal.dataset(name) for name in ("one", "two", "three")]
    shown = f"shown={ids[0]}&shown={ids[1]}"
    answer = ana.client.get(f"/find?sel={ids[0]},{ids[2]}&{shown}&s={ids[1]}&pick=ticked")
    assert query_of(answer) == {"sel": [f"{ids[2]},{ids[1]}"]}
    answer = ana.client.get(f"/find?text=one&pick=all&shown={ids[0]}")
    assert query_of(answer)["sel"] == [str(ids[0])]
    assert query_of(ana.client.get(f"/find?sel={ids[0]}&pick=none")) == {}


def test_single_files_can_be_selected(ana, portal):
    id = portal.dataset("one", files={"a.txt": b"1", "b.txt": b"2"})
    page = ana.get(f"/datasets/{id}")
    files = page.xpath("//input[@name='f']/@value")
    assert len(files) == 2
    answer = ana.client.get(f"/find?f={files[1]}")
    assert query_of(answer) == {"files": [files[1]]}
    panel = ana.get(answer.location).get_element_by_id("actions")
    assert "b.txt" in text(panel)
    (run,) = panel.xpath(".//a[contains(@class,'offer')]/@href")
    assert run == f"/run/work?files={files[1]}"
    assert f"--datafileIds={files[1]}" in ana.get(run).get_element_by_id("command").text


def test_what_can_run_stands_beside_the_selection_with_reasons(ana, portal):
    """req. 18, 102"""
    raw, other = portal.dataset("r"), portal.dataset("o", type="other")
    panel = text(ana.get(f"/find?sel={raw}").get_element_by_id("actions"))
    assert "1 selected" in panel
    assert "work 1 job" in panel
    assert "tool it takes no data" in panel
    assert "closed" not in panel
    mixed = text(ana.get(f"/find?sel={raw},{other}").get_element_by_id("actions"))
    assert "work it takes datasets or datafiles of type raw, not other" in mixed


def test_a_fault_stands_at_its_row_and_the_form_stays_filled(ana):
    page = ana.get("/find?type=raw&p=numChannels:eq:many&text=kept")
    row = page.xpath("//div[contains(@class,'cond')][@role='group']")[0]
    assert "'many' is not a number" in text(row)
    assert row.xpath(".//input[@name='rv']/@aria-invalid") == ["true"]
    assert page.get_element_by_id("f-text").value == "kept"


def test_names_are_only_text(ana, portal):
    portal.dataset("<script>alert(1)</script>")
    page = ana.client.get("/find?text=<script>").text
    assert "<script>alert(1)" not in page
    assert hits(html.fromstring(page)) == ["<script>alert(1)</script>"]


def test_parts_for_scripts(ana, portal):
    id = portal.dataset("one")
    assert ana.client.get("/find/total").text == "1"
    assert "one" in ana.client.get(f"/find/selection?sel={id}").text
    assert 'name="rn" value="numChannels"' in ana.client.get("/find/row?name=numChannels").text
    assert "numChannels" in ana.client.get(f"/find/details/{id}").text
    picture = ana.client.get("/find/histogram.svg?name=numChannels&type=raw")
    assert picture.mimetype == "image/svg+xml"
    assert "all 3" in picture.text


# Dataset


def test_a_dataset_shows_its_place_parameters_and_files(ana, portal):
    """req. 10"""
    id = portal.dataset("one", files={"a.txt": b"hello", "b.png": PNG})
    page = ana.get(f"/datasets/{id}")
    way = [text(one) for one in page.xpath("//nav[@class='way']/a")]
    assert way == ["TEST", "A"]
    assert "a.txt" in text(page.get_element_by_id("files"))
    (picture,) = page.xpath("//ul[@class='pictures']//img/@src")
    answer = ana.client.get(picture)
    assert (answer.mimetype, answer.data) == ("image/png", PNG)
    assert "nothing that is recorded" in text(page.get_element_by_id("provenance"))


def test_a_file_cannot_act_as_a_page(ana, portal):
    id = portal.dataset("one", files={"x.png": b"<script>alert(1)</script>"})
    (file,) = portal.root.search(f"SELECT f.id FROM Datafile f WHERE f.dataset.id = {id}")
    answer = ana.client.get(f"/datafiles/{file}/content?inline=1")
    assert answer.mimetype == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_foreign_things_are_as_if_they_were_not(ana, portal):
    id = portal.dataset("secret", investigation="C")
    (file,) = portal.root.search(f"SELECT f.id FROM Datafile f WHERE f.dataset.id = {id}")
    for path in (f"/datasets/{id}", f"/datasets/{id}/provenance", "/datasets/99999"):
        assert "that you may see" in text(ana.get(path, 404))
    assert ana.client.get(f"/datafiles/{file}/content").status_code in (403, 404)
    assert "secret" not in ana.client.get(f"/find?sel={id}").text
    investigation = portal.investigation("C")
    ana.get(f"/investigations/{investigation}", 404)


def test_download_and_its_address(ana, portal):
    """req. 111, 112"""
    id = portal.dataset("one")
    answer = ana.post("/download", sel=str(id), address="1")
    page = ana.get(answer.location)
    (address,) = page.xpath("//a[contains(@class,'btn-primary')]/@href")
    assert address.startswith(f"{portal.url}/ids/getData?preparedId=")
    assert portal.users == {} or "session" not in address.lower()
    assert ana.client.post("/download", data={"sel": str(id)}).status_code == 400  # no CSRF token


def test_the_way_down_from_the_facility(ana, portal):
    """req. 10"""
    portal.dataset("one")
    page = ana.get("/investigations")
    assert {text(one) for one in page.xpath("//tbody//th/a")} == {"A", "B"}
    path = page.xpath("//tbody//th/a[text()='A']/@href")[0]
    down = ana.get(path)
    assert [text(one) for one in down.xpath("//tbody/tr/*")] == ["raw", "1"]
    assert hits(ana.get(down.xpath("//tbody//th/a/@href")[0])) == ["one"]
    assert [text(one) for one in ana.get("/investigations?text=ben").xpath("//tbody//th/a")] == [
        "B"
    ]


# Run


def labels(page) -> list[str]:
    return [text(one) for one in page.xpath("//section[@aria-labelledby='options-title']//label")]


def test_the_form_is_as_the_job_type_says_and_follows_the_selection(ana, portal):
    """req. 103, 104, 119, 120"""
    colour, grey = portal.dataset("colour", channels=3), portal.dataset("grey", channels=1)
    page = ana.get(f"/run/work?sel={colour}")
    assert labels(page) == ["Factor", "Colours", "Result", "Then"]
    factor = page.xpath("//input[@name='option.Factor']")[0]
    assert (factor.value, factor.get("min"), factor.get("max")) == ("1", "0", "10")
    assert f"bin/work --datasetIds={colour}" in page.get_element_by_id("command").text
    mixed = ana.get(f"/run/work?sel={colour},{grey}")
    assert labels(mixed) == ["Factor", "Result", "Then"]
    assert "numChannels == 3 is needed, but for grey numChannels is 1" in text(mixed)


def test_one_job_or_many_is_asked_only_when_it_is_a_question(ana, portal):
    """req. 107, 108"""
    one, two = portal.dataset("one"), portal.dataset("two")
    assert not ana.get(f"/run/work?sel={one}").xpath("//*[@name='oneJob']")
    both = f"/run/work?sel={one},{two}"
    assert len(ana.get(both).xpath("//*[@name='oneJob']")) == 2
    refused = ana.post(both, 400)
    assert "Please answer this first" in refused.text
    answer = ana.post(both, oneJob="many", key="k1")
    jobs = portal.user().jobs()["jobs"]
    assert len(jobs) == 2
    assert answer.location == f"/jobs/sweeps/{jobs[0]['sweepId']}"


def test_a_submission_leads_to_its_job_and_sent_twice_is_one(ana, portal):
    """req. 105, the same form posted twice"""
    id = portal.dataset("one")
    page = ana.get(f"/run/work?sel={id}")
    key = page.xpath("string(//input[@name='key']/@value)")
    form = {"key": key, "option.Factor": "2", "option.Colours": "true", "option.Result": ""}
    first, second = (ana.post(f"/run/work?sel={id}", **form) for _ in range(2))
    assert first.location == second.location
    (job,) = portal.user().jobs()["jobs"]
    assert first.location == f"/jobs/{job['id']}"
    assert job["options"] == {"Factor": 2, "Colours": True}
    assert f"Job {job['id']} is submitted" in ana.client.get(first.location).text


def test_faults_stand_at_their_fields_and_the_rest_stays(ana, portal):
    """A value of the wrong type or out of range; an option hidden by its condition sent anyway"""
    grey = portal.dataset("grey", channels=1)
    form = {"option.Factor": "99", "option.Result": "my result"}
    page = html.fromstring(ana.post(f"/run/work?sel={grey}", 400, **form).text)
    box = page.xpath("//*[@data-field='option.Factor']")[0]
    assert "10" in text(box.xpath(".//*[@class='field-error']")[0])
    assert page.xpath("//input[@name='option.Result']/@value") == ["my result"]
    hidden = ana.post(f"/run/work?sel={grey}", 400, **{"option.Colours": "true"})
    assert "Colours: this option is not offered" in unescape(text(html.fromstring(hidden.text)))
    assert portal.user().jobs()["jobs"] == []


def test_taking_an_input_out_keeps_what_is_filled_in(ana, portal):
    colour, grey = portal.dataset("colour", channels=3), portal.dataset("grey", channels=1)
    page = ana.get(f"/run/work?sel={colour},{grey}")
    (without,) = page.xpath("//button[@aria-label='Take grey out']/@formaction")
    assert without == f"/run/work?sel={colour}"
    form = {"intent": "look", "option.Result": "kept", "option.Factor": "3"}
    page = html.fromstring(ana.post(without, 200, **form).text)
    assert page.xpath("//input[@name='option.Result']/@value") == ["kept"]
    assert "--factor 3 --result kept" in page.get_element_by_id("command").text
    assert "Colours" in labels(page)
    assert portal.user().jobs()["jobs"] == []


def test_arguments_of_ones_own_are_words(ana, portal):
    page = ana.get("/run/tool")
    assert page.xpath("//input[@name='arguments']")
    ana.post("/run/tool", arguments="a 'b c' \"d\"", key="x")
    (job,) = portal.user().jobs()["jobs"]
    assert job["command"][1:] == ["a", "b c", "d"]
    assert "cannot be told apart" in ana.post("/run/tool", 400, arguments="'a").text


def test_a_job_is_repeated_by_its_filled_form(ana, portal):
    id = portal.dataset("one")
    ana.post(f"/run/work?sel={id}", **{"option.Factor": "4", "option.Result": "r"})
    (job,) = portal.user().jobs()["jobs"]
    page = ana.get(f"/run/work?repeat={job['id']}")
    assert page.xpath("//input[@name='option.Factor']/@value") == ["4"]
    assert page.xpath("//form[@id='run']/@action") == [f"/run/work?sel={id}"]


def test_a_form_sent_after_the_session_ended_is_not_lost(ana, portal):
    """Expired session in the middle of a form: nothing typed is lost."""
    id = portal.dataset("one")
    token = ana.token()
    ana.client.delete_cookie("ijp_session")
    form = {"option.Factor": "5", "option.Result": "typed", "csrf_token": token}
    answer = ana.client.post(f"/run/work?sel={id}", data=form)
    assert answer.status_code == 303
    draft = parse_qs(urlsplit(answer.location).query)["draft"][0]
    again = Browser(portal.browser("ana"))
    back = again.client.get(f"/login/draft?draft={draft}").location
    assert re.match(rf"/run/work\?sel={id}&draft=", back)
    page = again.get(back)
    assert page.xpath("//input[@name='option.Result']/@value") == ["typed"]
    assert page.xpath("//input[@name='option.Factor']/@value") == ["5"]


@pytest.mark.parametrize("path", ["/run/nosuch", "/run/closed"])
def test_a_job_type_that_is_not_for_the_user(ana, path):
    assert ana.client.get(path).status_code in (403, 404)


def test_the_form_interface_gives_faults_and_the_command(portal):
    colour = portal.dataset("colour", channels=3)
    ana = portal.user()
    found = ana.form("work", dataset_ids=[colour], options={"Factor": "2", "Colours": True})
    assert f"bin/work --datasetIds={colour} --factor 2 --colours " in found["commandLine"]
    assert found["command"][1:4] == [f"--datasetIds={colour}", "--factor", "2"]
    assert (found["jobs"], found["faults"], found["question"]) == (1, {}, None)
    assert found["quantities"] == {str(colour): {"numChannels": 3.0}}
    wrong = ana.form("work", dataset_ids=[colour], options={"Factor": "x"})
    assert (list(wrong["faults"]), wrong["command"]) == (["Factor"], [])


def test_job_types_are_told_with_what_fits(portal):
    """req. 102, B10"""
    grey = portal.dataset("grey", channels=1)
    found = {one["name"]: one for one in portal.user().job_types([grey])}
    assert "closed" not in found
    assert (found["work"]["fits"], found["work"]["reason"]) == (True, "")
    assert found["work"]["createsProvenance"] is True
    assert not found["tool"]["fits"]
    work = portal.user().job_type("work")
    assert [one["key"] for one in work["jobOptions"]] == ["Factor", "Colours", "Result", "Then"]
    assert work["jobOptions"][1]["condition"] == "numChannels == 3"
