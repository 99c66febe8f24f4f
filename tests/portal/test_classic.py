"""``/ijp/rest/jm`` as existing clients call it (ijp-spec 4.1; B6, B9, B10)."""

from __future__ import annotations

import re

import pytest

from ijp.errors import ValidationFailedError
from jobdefs.job_type import JobOption, JobType, Kind, OptionType
from portal.classic_parameters import parse
from portal.states import State

pytestmark = pytest.mark.slow

JM = "/ijp/rest/jm"


class Client:
    """An old client: its session is a parameter of each call."""

    def __init__(self, portal, name="ana") -> None:
        self.http = portal.app.test_client()
        self.session = {"sessionId": portal.user(name).session_id}

    def get(self, path, **given):
        return self.http.get(JM + path, query_string=self.session | given)

    def post(self, path, **given):
        return self.http.post(JM + path, data=self.session | given)

    def delete(self, path):
        return self.http.delete(JM + path, query_string=self.session)


def test_day_of_an_old_client(portal):
    client = Client(portal)
    submitted = client.post("/submit", jobName="tool", parameter=["steps", "0"])
    job_id = submitted.json["jobId"]
    portal.completed(job_id)
    (line,) = client.get("/status").json
    date = line.pop("date")
    assert line == {"jobId": job_id, "name": "tool", "status": "Completed", "provenanceId": 0}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", date)
    assert client.get(f"/status/{job_id}").json == {
        "jobId": job_id,
        "name": "tool",
        "date": date,
        "status": "Completed",
    }
    assert client.get(f"/output/{job_id}").json == {"output": "first\nsecond\n"}
    assert client.get(f"/error/{job_id}").json == {"output": ""}
    assert client.delete(f"/delete/{job_id}").status_code == 204
    assert client.get("/status").json == []


def test_options_come_as_arguments_and_are_checked_all_the_same(portal):
    source = portal.dataset("source", channels=1)
    client = Client(portal)
    given = [f"--datasetIds={source}", "--factor", "2.5"]
    job_id = client.post("/submit", jobName="work", parameter=given).json["jobId"]
    assert portal.user().job(job_id)["options"] == {"Factor": 2.5}
    portal.completed(job_id)
    for wrong in (["--factor", "99"], ["--colours"], ["--nosuch"], ["--factor"]):
        answer = client.post("/submit", jobName="work", parameter=[given[0], *wrong])
        assert (answer.status_code, answer.json["code"]) == (400, "ParameterException")


def test_cancel_and_states(portal):
    client = Client(portal)
    job_id = client.post("/submit", jobName="tool", parameter=["steps", "60"]).json["jobId"]
    portal.wait(job_id, State.EXECUTING)
    assert client.get(f"/status/{job_id}").json["status"] == "Executing"
    answer = client.delete(f"/delete/{job_id}")
    assert (answer.status_code, answer.json["code"]) == (400, "ParameterException")
    assert client.post(f"/cancel/{job_id}").status_code == 204
    portal.wait(job_id)
    assert client.get(f"/status/{job_id}").json["status"] == "Cancelled"
    failed = client.post("/submit", jobName="tool", parameter=["exit", "1"]).json["jobId"]
    portal.wait(failed)
    assert client.get(f"/status/{failed}").json["status"] == "Completed"


def test_foreign_job_and_none_are_answered_alike(portal):
    """Security 14."""
    job_id = Client(portal, "ben").post("/submit", jobName="tool").json["jobId"]
    client = Client(portal)
    for path in (f"/status/{job_id}", "/status/4711", f"/output/{job_id}", "/error/4711"):
        answer = client.get(path)
        assert (answer.status_code, answer.json) == (
            403,
            {"code": "ForbiddenException", "message": "Job does not belong to you"},
        )
    assert client.post(f"/cancel/{job_id}").status_code == 403


def test_session_is_needed_and_must_be_good(portal):
    http = portal.app.test_client()
    for path in ("/status", "/status?sessionId=nonsense"):
        answer = http.get(JM + path)
        assert (answer.status_code, answer.json["code"]) == (403, "SessionException")


def test_job_types_are_those_that_the_user_may_run(portal):
    client = Client(portal)
    assert client.get("/jobtype").json == ["hungry", "missing", "told", "tool", "work"]
    without = portal.app.test_client().get(JM + "/jobtype").json
    assert without == ["hungry", "missing", "told", "tool", "work"]
    assert client.get("/jobtype/closed").status_code == 400
    found = client.get("/jobtype/work").json
    assert found["datasetTypes"] == ["raw"]
    assert found["createsProvenance"] is True
    assert [one["name"] for one in found["jobOptions"]] == ["Factor", "Colours", "Result", "Then"]
    assert found["jobOptions"][1]["condition"] == "numChannels == 3"
    assert found["jobOptions"][0]["maxValue"] == 10


def test_provenance_cannot_be_forged(portal):
    """Security 24."""
    source = portal.dataset("source")
    client = Client(portal)
    given = [f"--datasetIds={source}"]
    job_id = client.post("/submit", jobName="work", parameter=given).json["jobId"]
    real = portal.completed(job_id)["provenanceId"]
    path = f"/job/provenance/{job_id}"
    assert client.post(path, provenanceId=str(real + 1)).status_code == 403
    assert client.post(path, provenanceId="many").status_code == 400
    answer = client.post(path, provenanceId=str(real))
    assert answer.json == {"jobId": job_id, "provenanceId": real}


def test_unknown_path_is_not_an_internal_error(portal):
    assert Client(portal).get("/nosuch").status_code == 404
    assert Client(portal).http.put(JM + "/status").status_code == 405


def job_type(*options: JobOption, raw: bool = False) -> JobType:
    return JobType("t", "p", Kind.BATCH, options=options, raw_arguments=raw)


def test_longest_option_wins_and_old_clients_join_its_words():
    """B5: a parameter with a blank is two words, which old clients sent as one."""
    one = JobOption("one", OptionType.BOOLEAN, program_parameter=("--white",))
    two = JobOption("two", OptionType.BOOLEAN, program_parameter=("--white", "--no-tracks"))
    kind = job_type(one, two)
    assert parse(kind, ["--white"]).options == {"one": True}
    assert parse(kind, ["--white", "--no-tracks"]).options == {"two": True}
    assert parse(kind, ["--white --no-tracks"]).options == {"two": True}


def test_values_may_look_like_options():
    text = JobOption("text", OptionType.STRING, program_parameter=("--text",))
    assert parse(job_type(text), ["--text", "--text"]).options == {"text": "--text"}


def test_what_is_no_option_is_kept_only_where_the_type_takes_it():
    assert parse(job_type(raw=True), ["a", "--b"]).arguments == ("a", "--b")
    with pytest.raises(ValidationFailedError, match="no option for 'a'"):
        parse(job_type(), ["a"])


def test_ids_are_ids():
    parsed = parse(job_type(), ["--datasetIds=1,2", "--datafileIds=3"])
    assert (parsed.dataset_ids, parsed.datafile_ids) == ((1, 2), (3,))
    with pytest.raises(ValidationFailedError, match="not '1;2'"):
        parse(job_type(), ["--datasetIds=1;2"])
