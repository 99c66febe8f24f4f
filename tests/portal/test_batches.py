"""Batch files against a whole portal: looked at, refused, submitted."""

from __future__ import annotations

import io
import json

import pytest
import requests

from ijp.catalog import CatalogSession
from ijp.errors import (
    BadRequestError,
    ConflictError,
    NotAuthorizedError,
    NotFoundError,
    TooLargeError,
    ValidationFailedError,
)

pytestmark = pytest.mark.slow


def told(portal, text: str, job_type: str = "work") -> list[tuple[int, str, str]]:
    found = portal.user().preview_batch(job_type, text.encode())
    return [(one["line"], one["column"], one["message"]) for one in found["faults"]]


def test_each_row_is_a_job_with_its_own_inputs_and_options(idle):
    one, two = idle.dataset("one"), idle.dataset("two words")
    text = f'datasets,Factor,name\n{one},2,first\ntwo words,,\n"{one}, {two}",3,both\n'
    seen = idle.user().preview_batch("work", text.encode())
    assert (seen["good"], seen["wrong"], seen["faults"]) == (3, 0, [])
    made = idle.user().submit_batch("work", text.encode(), name="tonight")
    jobs = idle.user().jobs(sweep=made["sweepId"])["jobs"]
    assert [job["name"] for job in jobs] == ["first", "tonight", "both"]
    ids = [idle.user().job(job["id"])["inputs"]["datasets"] for job in jobs]
    assert ids == [[one], [two], [one, two]]
    assert [job["options"] for job in jobs] == [{"Factor": 2}, {}, {"Factor": 3}]
    expected = [[word for word in job["command"] if "ijpJobId" not in word] for job in jobs]
    shown = [[word for word in row["command"] if "ijpJobId" not in word] for row in seen["rows"]]
    assert shown == expected
    assert idle.user().sweep(made["sweepId"])["name"] == "tonight"


def test_every_fault_is_told_with_its_line_and_column_and_nothing_is_submitted(idle):
    grey = idle.dataset("grey", channels=1)
    hidden = idle.dataset("hidden", investigation="C")
    idle.dataset("twice")
    idle.dataset("twice", investigation="B")
    text = (
        "datasets,Factor,Colours,Then\n"
        f"{grey},11,,\n"
        f"{grey},2,true,explode\n"
        f"{grey},2,,\n"
        f"{hidden},,,\n"
        "987654,,,\n"
        "nosuch,,,\n"
        "twice,,,\n"
        ",,,fail\n"
        f"{grey},2\n"
    )
    found = told(idle, text)
    assert found[0] == (2, "Factor", "11 is above the largest value, 10")
    assert {(line, column) for line, column, _ in found[1:3]} == {(3, "Colours"), (3, "Then")}
    assert found[3] == (5, "datasets", f"there is no dataset {hidden} that you may see")
    assert found[4] == (6, "datasets", "there is no dataset 987654 that you may see")
    assert found[5] == (7, "datasets", "there is no dataset 'nosuch' that you may see")
    assert found[6][2].startswith("2 datasets are called 'twice'; give the id of one:")
    assert found[7][2].startswith("it needs datasets or datafiles")
    assert found[8] == (10, "", "it has 2 cells, and the header has 4 columns")
    with pytest.raises(ValidationFailedError) as caught:
        idle.user().submit_batch("work", text.encode())
    assert caught.value.fields["line 2, column Factor"] == ["11 is above the largest value, 10"]
    assert idle.number_of_jobs() == 0
    made = idle.user().submit_batch("work", text.encode(), leave_out_wrong=True)
    assert (made["sweepId"], len(made["jobIds"]), idle.number_of_jobs()) == (None, 1, 1)


def test_unknown_column_keeps_everything_from_being_submitted(idle):
    source = idle.dataset("one")
    text = f"datasets,factor\n{source},2\n"
    assert told(idle, text) == [(1, "factor", "'work' has no such option; did you mean 'Factor'?")]
    for leave_out in (False, True):
        with pytest.raises(ValidationFailedError):
            idle.user().submit_batch("work", text.encode(), leave_out_wrong=leave_out)
    assert told(idle, f"datasets,dataset\n{source},{source}\n") == [
        (1, "dataset", "it says the same as the column 'datasets'")
    ]
    assert idle.number_of_jobs() == 0


def test_option_that_is_called_as_a_column_of_ours_has_a_prefix(idle):
    text = "name,option:name\nthe job,the option\nother,x\n"
    made = idle.user().submit_batch("hungry", text.encode())
    job = idle.user().jobs(sweep=made["sweepId"])["jobs"][0]
    assert (job["name"], job["options"]) == ("the job", {"name": "the option"})


@pytest.mark.parametrize("cell", ["=1+2", "@x", "+1", "-x", "$(id)", "a'b", "--verbose=1"])
def test_cell_reaches_the_program_as_it_is(idle, cell):
    source = idle.dataset("one")
    text = json.dumps({"datasets": source, "Result": cell}) + "\n"
    made = idle.user().submit_batch("work", text.encode())
    command = idle.user().job(made["jobIds"][0])["command"]
    assert command[command.index("--result") + 1] == cell


def test_reserved_arguments_and_foreign_families_are_refused(idle):
    assert "reserved" in told(idle, "arguments\n--ijpJobId=1\n", "tool")[0][2]
    assert "cannot be told apart" in told(idle, 'arguments\n"\'"\n', "tool")[0][2]
    with pytest.raises(NotAuthorizedError):
        idle.user().submit_batch("closed", b"name\nx\n")
    with pytest.raises(NotFoundError):
        idle.user().preview_batch("nosuch", b"name\nx\n")


def test_investigation_is_named_for_results_of_several(idle):
    one, two = idle.dataset("one"), idle.dataset("two", investigation="B")
    assert told(idle, f'datasets\n"{one} {two}"\n')[0][2].startswith("its inputs are from several")
    text = f'datasets,investigation\n"{one} {two}",A\n{one},{idle.investigation("A")}\n'
    made = idle.user().submit_batch("work", text.encode())
    jobs = idle.user().jobs(sweep=made["sweepId"])["jobs"]
    assert {job["investigationId"] for job in jobs} == {idle.investigation("A")}
    assert told(idle, f"datasets,investigation\n{one},C\n") == [
        (2, "investigation", "there is no investigation 'C' that you may see")
    ]


def test_same_key_is_the_same_submission(idle):
    first = idle.user().submit_batch("tool", b"arguments\na\nb\n", key="k")
    assert idle.user().submit_batch("tool", b"arguments\na\nb\n", key="k") == first
    with pytest.raises(ConflictError, match="other content"):
        idle.user().submit_batch("tool", b"arguments\na\nc\n", key="k")
    assert idle.number_of_jobs() == 2


def test_limits_are_kept_and_told(idle):
    object.__setattr__(idle.services.settings, "jobs_per_submission", 3)
    with pytest.raises(TooLargeError, match="4 rows; at most 3 jobs"):
        idle.user().submit_batch("tool", b"arguments\na\na\na\na\n")
    with pytest.raises(TooLargeError, match="2 MiB"):
        idle.user().submit_batch("tool", b"x" * (2**21 + 1))
    headers = {"Authorization": f"Bearer {idle.user().session_id}"}
    answer = idle.app.test_client().post(
        "/api/v1/job-types/tool/batch", data=b"x" * (3 << 20), headers=headers
    )
    assert (answer.status_code, answer.json["code"]) == (413, "too-large")
    with pytest.raises(BadRequestError):
        idle.user().submit_batch("tool", b"arguments\n\xff\n")
    assert idle.number_of_jobs() == 0


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_template_can_be_submitted_as_it_is(idle, kind):
    one, two = idle.dataset("one"), idle.dataset("two")
    headers = {"Authorization": f"Bearer {idle.user().session_id}"}
    address = f"/api/v1/job-types/work/template?format={kind}&datasetIds={one},{two}"
    answer = idle.app.test_client().get(address, headers=headers)
    assert answer.headers["Content-Disposition"] == f'attachment; filename="work.{kind}"'
    made = idle.user().submit_batch("work", answer.data, kind)
    assert len(made["jobIds"]) == 2
    assert idle.user().job(made["jobIds"][1])["inputs"]["datasets"] == [two]
    page = idle.browser().get(f"/batch/work?template={kind}&sel={one},{two}")
    assert page.data == answer.data


def form_of(browser, address: str) -> dict[str, str]:
    page = browser.get(address).text
    names = ("csrf_token", "key", "version")
    return {name: page.split(f'name="{name}" value="')[1].split('"')[0] for name in names}


def test_page_shows_each_command_and_submits_what_was_seen(idle):
    source = idle.dataset("one")
    browser = idle.browser()
    form = form_of(browser, "/batch/work")
    file = (io.BytesIO(f"datasets,Factor\n{source},2\n{source},3\n".encode()), "jobs.csv")
    seen = browser.post(
        "/batch/work", data={**form, "intent": "look", "file": file, "name": "night"}
    ).text
    assert "2 jobs ready" in seen
    assert "--factor 2" in seen
    assert "Submit 2 jobs" in seen
    assert idle.number_of_jobs() == 0
    text = f"datasets,Factor\r\n{source},2\r\n{source},3\r\n"
    data = {**form, "intent": "submit", "text": text, "name": "night"}
    done = browser.post("/batch/work", data=data)
    assert done.status_code == 303
    assert "/jobs/sweeps/" in done.location
    again = browser.post("/batch/work", data=data)
    assert (again.location, idle.number_of_jobs()) == (done.location, 2)


def test_rows_that_were_not_seen_are_shown_before_they_are_submitted(idle):
    browser = idle.browser()
    form = form_of(browser, "/batch/tool")
    seen = browser.post("/batch/tool", data={**form, "text": "arguments\na\nb\n"}).text
    form["seen"] = seen.split('name="seen" value="')[1].split('"')[0]
    data = {**form, "intent": "submit", "text": "arguments\r\na\r\nc\r\n"}
    changed = browser.post("/batch/tool", data=data)
    assert "not those that you had seen" in changed.text
    assert "tool c" in changed.text
    assert idle.number_of_jobs() == 0
    data["text"] = "arguments\r\na\r\nb\r\n"
    assert browser.post("/batch/tool", data=data).status_code == 303
    assert idle.number_of_jobs() == 2


def test_page_tells_what_is_wrong_and_keeps_the_text(idle):
    browser = idle.browser()
    form = form_of(browser, "/batch/work")
    text = "datasets,Result\n987654,<script>alert(1)</script>\n"
    answer = browser.post("/batch/work", data={**form, "intent": "submit", "text": text})
    assert answer.status_code == 400
    assert "Line 2, datasets" in answer.text
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert" in answer.text
    assert idle.number_of_jobs() == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"x" * (3 << 20), "A batch file may have 2 MiB"),
        (b"a\n\xff\n", "Line 2 is not UTF-8"),
        (b"", "The batch file is empty"),
        (b"a,a\n1,2\n", "are both called"),
    ],
)
def test_page_refuses_a_file_that_is_none(idle, content, words):
    answer = requests.post(
        f"{idle.url}/batch/work",
        headers={"Authorization": f"Bearer {idle.user().session_id}"},
        data={"intent": "look"},
        files={"file": ("jobs.csv", content)},
        timeout=30,
    )
    assert answer.status_code in (400, 409)
    assert words in answer.text
    assert idle.number_of_jobs() == 0


def test_thousand_rows_are_checked_with_few_questions_to_the_catalog(idle, monkeypatch):
    sources = [idle.dataset(f"d{number}", files={}) for number in range(3)]
    questions = []
    real = CatalogSession.search

    def search(self, text):
        questions.append(text)
        return real(self, text)

    monkeypatch.setattr(CatalogSession, "search", search)
    rows = "".join(f"{sources[n % 3]},r{n}\n" for n in range(998)) + "d1,x\nd2,y\n"
    seen = idle.user().preview_batch("work", ("datasets,Result\n" + rows).encode())
    assert (seen["good"], len(seen["rows"])) == (1000, 50)
    assert len(questions) <= 4
