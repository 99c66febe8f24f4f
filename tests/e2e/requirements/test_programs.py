"""The portal for programs: REST for any client, and the command ``ijp`` for shells."""

from __future__ import annotations

import json
import subprocess
import urllib.request

import pytest


def call(site, method: str, path: str, token: str | None = None, body: object = None):
    """A call with nothing but the standard library; gives the decoded answer."""
    request = urllib.request.Request(site.url + path, method=method)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    if body is not None:
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps(body).encode()
    with urllib.request.urlopen(request, timeout=30) as answer:
        content = answer.read()
    return json.loads(content) if content[:1] in b"{[" else content.decode()


def test_interface_for_programs_needs_no_library_of_ours(site, ana, images):
    """req. 81: log in, search, submit, follow, read, by HTTP and JSON alone."""
    credentials = {"username": "ana", "password": site.password["ana"]}
    told = {"authenticator": "simple", "credentials": credentials}
    token = call(site, "POST", "/api/v1/session", body=told)["sessionId"]
    found = call(site, "GET", "/api/v1/datasets?type=image&p=width:eq:550", token)["datasets"]
    assert images["cell"] in [one["id"] for one in found]
    sent = {"jobType": "date", "options": {"Universal time": True}}
    (job,) = call(site, "POST", "/api/v1/jobs", token, sent)["jobs"]
    site.wait(ana, job)
    shown = call(site, "GET", f"/api/v1/jobs/{job['id']}", token)
    assert (shown["state"], shown["command"][-1]) == ("Completed", "--utc")
    assert "UTC" in call(site, "GET", f"/api/v1/jobs/{job['id']}/output", token)


def test_interface_for_programs_is_documented(site, browse):
    """req. 81: each call has a summary, and the document can be browsed."""
    document = call(site, "GET", "/api/v1/openapi.json")
    paths = document["paths"]
    documented = {path.rpartition("/api/v1")[2] for path in paths}
    assert {"/session", "/datasets", "/jobs", "/job-types", "/downloads"} <= documented
    calls = [
        one
        for path in paths.values()
        for method, one in path.items()
        if method in ("get", "post", "put", "delete")
    ]
    assert len(calls) > 25
    assert all(one.get("summary") for one in calls)
    assert browse("ana").http.get(f"{site.url}/api/docs", timeout=20).ok


def test_existing_clients_of_the_old_interface_are_answered(site, ana, images):
    """req. 81: ``/ijp/rest/jm``."""
    names = call(site, "GET", f"/ijp/rest/jm/jobtype?sessionId={ana.session_id}")
    assert {"segment", "date"} <= set(names)
    shown = call(site, "GET", f"/ijp/rest/jm/status?sessionId={ana.session_id}")
    assert {"jobId", "name", "date", "status"} <= shown[0].keys()


def test_same_job_by_page_and_by_command(site, browse, shell_of, ana, images):
    """req. 26: the command line gives the very same job as the form."""
    web = browse("ana")
    page = web.open(f"/run/segment?sel={images['coins']}")
    page.fill("Threshold by", "li")
    page = web.press(page, "Submit")
    by_page = site.wait(ana, {"id": int(page.url.rpartition("/")[2])})
    words = ["submit", "segment", "-d", str(images["coins"]), "-o", "Threshold by=li"]
    by_command = site.wait(ana, {"id": int(shell_of("ana").says(*words))})
    for name in ("jobType", "inputs", "state"):
        assert by_page[name] == by_command[name]
    without_number = [
        [word for word in job["command"] if not word.startswith("--ijpJobId=")]
        for job in (by_page, by_command)
    ]
    assert without_number[0] == without_number[1]


def test_every_operation_on_jobs_is_in_the_command(site, shell_of, ana):
    """req. 82: job types, submit, list, status, output, cancel, delete; --json for scripts."""
    shell = shell_of("ana")
    types = [line.split("\t")[0] for line in shell.says("jobtype").splitlines()]
    assert {"segment", "date"} <= set(types)
    assert "Universal time" in shell.says("jobtype", "date")
    number = shell.says("submit", "chatter", "-o", "Lines=2", "-o", "Word=shell", "--key", "once")
    assert shell.says(
        "submit", "chatter", "-o", "Lines=2", "-o", "Word=shell", "--key", "once"
    ) == (number)
    shell.run("status", number, "--watch")
    assert "line 1 shell" in shell.says("output", number)
    assert "something on standard error" in shell.says("output", number, "-e")
    assert f"job {number}  chatter  Completed" in shell.says("status", number)
    assert json.loads(shell.says("--json", "status", number))["state"] == "Completed"
    assert number in [line.split("\t")[0] for line in shell.says("status").splitlines()]
    slow = shell.says("submit", "chatter", "-o", "Pause=60")
    shell.says("cancel", slow)
    shell.run("status", slow, "--watch", code=11)
    shell.says("delete", slow, number)
    shell.run("status", number, code=5)


def test_whole_day_by_the_command_alone(shell_of, images, tmp_path):
    """req. 26: search, look, run, follow the history, download, log out."""
    shell = shell_of("ana")
    id = shell.says("search", "--type", "image", "--where", "width = 550", "cell", "--ids")
    assert str(images["cell"]) == id
    assert "width" in shell.says("show", id)
    submitted = shell.run("submit", "segment", "-d", id, "-o", "Minimum area=40", "--watch")
    number = submitted.stdout.strip()
    assert "objects" in shell.says("output", number)
    shown = json.loads(shell.says("--json", "status", number))
    made = str(shown["outputs"]["datasets"][0])
    history = shell.says("provenance", made)
    assert "made from:" in history
    assert f"dataset {id}  cell" in history
    shell.says("download", made, "-o", str(tmp_path / "made.zip"))
    assert (tmp_path / "made.zip").read_bytes().startswith(b"PK")
    folder = tmp_path / "ana" / "config" / "ijp"
    assert (folder.stat().st_mode & 0o777, (folder / "session.json").stat().st_mode & 0o777) == (
        0o700,
        0o600,
    )
    shell.says("logout")
    shell.run("search", code=3)


@pytest.mark.slow
def test_shell_loop_processes_datasets_and_exit_codes_tell_how_it_went(
    site, shell_of, tmp_path, images, ana
):
    """req. 83: a loop over what a search found; a failed job is an exit status."""
    script = tmp_path / "loop"
    script.write_text(
        "set -eu\n"
        "for id in $(ijp search --type image --where 'width >= 384' --where 'width <= 512'"
        " --item Colour=1 --ids | tr , ' '); do\n"
        '    ijp submit augment -d "$id" --watch 2>/dev/null\n'
        "done\n"
        "set +e\n"
        "ijp submit 'fail on purpose' --watch 2>/dev/null\n"
        'echo "status $?"\n'
    )
    done = subprocess.run(
        ["/bin/sh", script],
        env=shell_of("ana").environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = done.stdout.split("\n")
    numbers = [int(line) for line in lines if line.isdigit()]
    assert "status 10" in lines, done.stderr
    inputs = [ana.job(number)["inputs"]["datasets"] for number in numbers[:-1]]
    assert {images["coins"], images["brick"]} <= {one for some in inputs for one in some}
    assert ana.job(numbers[-1])["state"] == "Failed"
