"""The search page for datafiles, as a browser without script uses it."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from lxml import html

pytestmark = pytest.mark.slow


@pytest.fixture
def portal(make_portal):
    return make_portal(dispatcher=False)


@pytest.fixture
def ana(portal):
    return portal.browser("ana")


@pytest.fixture
def opened(ana):
    """A page that ana opens."""

    def opened(path: str):
        answer = ana.get(path)
        assert answer.status_code == 200, (answer.status_code, answer.text[:2000])
        return html.fromstring(answer.text)

    return opened


@pytest.fixture
def files(portal) -> dict[str, int]:
    """Three files in two datasets, by name."""
    portal.dataset("one", files={"a.txt": b"1", "b.txt": b"22"})
    portal.dataset("two", type="other", files={"c.txt": b"333"})
    return dict(portal.root.search("SELECT f.name, f.id FROM Datafile f"))


def text(node) -> str:
    return " ".join(node.text_content().split())


def hits(page) -> list[str]:
    return [text(one) for one in page.xpath("//table[contains(@class,'hits')]/tbody//th/a")]


def query_of(answer) -> dict[str, list[str]]:
    assert answer.status_code == 302
    assert urlsplit(answer.location).path == "/find/files"
    return parse_qs(urlsplit(answer.location).query)


def switched(page) -> dict[str, str]:
    """Where the switch leads, by what one finds there."""
    return {text(one): one.get("href") for one in page.xpath("//nav[@class='switch']/a")}


def test_one_switches_between_datasets_and_datafiles(opened, files):
    page = opened("/find?type=raw&text=one&sel=1&p=numChannels:eq:3")
    assert switched(page)["Datafiles"] == "/find/files?type=raw&text=one&sel=1"
    page = opened(switched(page)["Datafiles"])
    assert hits(page) == ["b.txt", "a.txt"]
    assert page.xpath("//nav[@class='switch']/a[@aria-current]")[0].text_content() == "Datafiles"
    assert switched(page)["Datasets"] == "/find?type=raw&text=one&sel=1"
    assert hits(opened(switched(page)["Datasets"])) == ["one"]


def test_a_row_leads_to_its_dataset_and_to_its_content(ana, opened, files):
    page = opened("/find/files?text=b.txt")
    (row,) = page.xpath("//table[contains(@class,'hits')]/tbody/tr")
    (dataset,) = row.xpath(".//*[@class='belongs']/a/@href")
    assert "one" in text(opened(dataset))
    (content,) = row.xpath(".//a[@title='Download']/@href")
    assert ana.get(content).data == b"22"


def test_a_filled_form_becomes_an_address(ana, opened, files):
    answer = ana.get(
        "/find/files?form=1&type=&item.Ending=a.txt&item.Ending=b.txt"
        "&rn=datafile.fileSize&ro=between&rv=2&rh=9&sel=7&add=datafile.name"
    )
    assert query_of(answer) == {
        "item.Ending": ["a.txt", "b.txt"],
        "p": ["datafile.fileSize:between:2..9", "datafile.name::"],
        "sel": ["7"],
    }
    page = opened(answer.location)
    assert hits(page) == ["b.txt"]
    chosen = page.xpath("//select[@name='item.Ending']/option[@selected]/@value")
    assert chosen == ["a.txt", "b.txt"]
    assert [one.get("value") for one in page.xpath("//input[@name='rv']")] == ["2", ""]


def test_ticked_files_join_what_was_selected(ana, opened, files, portal):
    one = portal.root.search("SELECT d.id FROM Dataset d WHERE d.name = 'one'")[0]
    shown = "".join(f"&shown={id}" for id in files.values())
    first, last = files["a.txt"], files["c.txt"]
    answer = ana.get(f"/find/files?sel={one}&files={last}{shown}&s={first}&pick=ticked")
    assert query_of(answer) == {"sel": [str(one)], "files": [str(first)]}
    page = opened(answer.location)
    panel = text(page.get_element_by_id("actions"))
    assert "2 selected" in panel
    assert "a.txt of one" in panel
    (run,) = page.xpath("//aside//a[@class='offer']/@href")
    assert run == f"/run/work?sel={one}&files={first}"
    everything = query_of(ana.get("/find/files?type=raw&pick=all"))
    assert everything["files"] == [f"{files['b.txt']},{first}"]


def test_a_list_within_one_dataset_is_offered_there(opened, files, portal):
    (control,) = opened("/find/files").xpath("//select[@name='item.Named']")
    assert control.get("disabled") is not None
    one = portal.root.search("SELECT d.id FROM Dataset d WHERE d.name = 'one'")[0]
    (link,) = opened(f"/datasets/{one}").xpath("//a[contains(., 'Search these files')]/@href")
    assert link == f"/find/files?dataset={one}"
    page = opened(link)
    assert page.xpath("//select[@name='item.Named']/@disabled") == []
    assert "Files of one" in text(page.get_element_by_id("filters"))
    assert hits(opened(f"{link}&item.Named=a.txt")) == ["a.txt"]


def test_a_fault_stands_at_its_list_and_row(opened, files):
    page = opened("/find/files?item.Named=a.txt&text=kept")
    wrong = page.xpath("//div[contains(@class,'field-wrong')]")
    assert "choose a dataset to search by Named" in text(wrong[0])
    page = opened("/find/files?p=datafile.fileSize:eq:many&text=kept")
    (row,) = page.xpath("//div[contains(@class,'cond ')]")
    assert "'many' is not a number" in text(row)
    assert page.get_element_by_id("f-text").value == "kept"


def test_parts_for_scripts(ana, files):
    assert ana.get("/find/files/total?text=txt").text == "3"
    assert "a.txt" in ana.get(f"/find/files/selection?files={files['a.txt']}").text
    row = ana.get("/find/files/row?name=datafile.datafileFormat.name").text
    assert '<option value="text">' in row
    about = html.fromstring(ana.get(f"/find/files/details/{files['b.txt']}?sel=7").text)
    assert "2 B" in text(about)
    (others,) = about.xpath(".//a[contains(., 'All files of it')]/@href")
    assert others.startswith("/find/files?dataset=")
    assert others.endswith("&sel=7")


def test_values_of_parameters_are_columns_to_sort_by(ana, opened, files, portal):
    kind = portal.root.create(
        "ParameterType",
        name="exposure",
        units="s",
        valueType="NUMERIC",
        applicableToDatafile=True,
        facility={"id": 1},
    )
    for name, value in (("a.txt", 7.5), ("c.txt", 2)):
        file = {"datafile": {"id": files[name]}}
        portal.root.create("DatafileParameter", type={"id": kind}, numericValue=value, **file)
    page = opened("/find/files")
    (head,) = page.xpath("//table[contains(@class,'hits')]/thead//a[.='exposure']/@href")
    assert head == "/find/files?sort=-exposure"
    page = opened(head)
    assert hits(page) == ["a.txt", "c.txt"]
    assert "7.5" in text(page.xpath("//table[contains(@class,'hits')]/tbody/tr")[0])
    assert ana.get("/find/files/histogram.svg?name=exposure").mimetype == "image/svg+xml"


def test_nobody_sees_files_that_the_rules_do_not_give(ana, opened, portal):
    portal.dataset("secret", investigation="C", files={"unseen.txt": b"x"})
    (file,) = portal.root.search("SELECT f.id FROM Datafile f WHERE f.name = 'unseen.txt'")
    assert hits(opened("/find/files")) == []
    assert "unseen" not in ana.get(f"/find/files?files={file}").text
    assert ana.get(f"/find/files/details/{file}").status_code in (403, 404)
