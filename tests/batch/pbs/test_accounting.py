"""Reading the accounting file of a real Torque."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch.pbs.accounting import AccountingFiles, read_line

CAPTURES = Path(__file__).parents[1] / "captures" / "torque"
LINES = (CAPTURES / "accounting.txt").read_text().splitlines()


def test_each_line_that_torque_wrote_is_read():
    records = [read_line(line) for line in LINES]
    assert None not in records
    assert {record.kind for record in records} == set("QSEDAR")


@pytest.fixture
def files(tmp_path):
    (tmp_path / "20261120").write_text("\n".join(LINES) + "\n")
    return AccountingFiles(tmp_path)


@pytest.mark.parametrize(
    ("job_id", "kinds", "status"),
    [
        ("5933.head", "QSE", "3"),
        ("5934.head", "QSDE", "271"),
        ("5935.head", "QD", None),
        ("5937.head", "QA", None),
        ("5938.head", "QSRSDE", "271"),
        ("5939[1].head", "QSE", "2"),
        ("5940.head", "QS", None),
    ],
)
def test_story_of_a_job_is_told(files, job_id, kinds, status):
    """A purged job (5940) leaves no record of its end, one deleted while held only its D."""
    records = files.of([job_id])[job_id]
    assert "".join(record.kind for record in records) == kinds
    assert records[-1].values.get("Exit_status") == status


def test_number_that_was_used_again_gives_its_last_use(files, tmp_path):
    assert files.of(["5933.head"])["5933.head"][-1].values["Exit_status"] == "3"
    with (tmp_path / "20261121").open("w") as file:
        file.write("11/21/2026 08:00:00;Q;5933.head;queue=batch\n")
    assert [record.kind for record in files.of(["5933.head"])["5933.head"]] == ["Q"]


def test_line_that_is_being_written_is_read_when_it_is_whole(tmp_path):
    files = AccountingFiles(tmp_path)
    path = tmp_path / "20261121"
    path.write_text("11/21/2026 08:00:00;Q;1.h;queue=batch\n11/21/2026 08:00:01;E;1.h;Exit_sta")
    assert [record.kind for record in files.of(["1.h"])["1.h"]] == ["Q"]
    with path.open("a") as file:
        file.write("tus=7\n")
    assert files.of(["1.h"])["1.h"][-1].values == {"Exit_status": "7"}


def test_first_of_two_values_counts():
    """A job's name comes before its end, and cannot have a blank."""
    record = read_line("11/21/2026 08:00:01;E;1.h;jobname=Exit_status=0 Exit_status=7")
    assert record.values["Exit_status"] == "7"


def test_jobs_of_others_are_not_remembered(tmp_path):
    (tmp_path / "20261120").write_text("\n".join(LINES) + "\n")
    files = AccountingFiles(tmp_path, is_ours=lambda name: name == "acctdel")
    ids = ["5933.head", "5934.head", "5935.head", "5938.head"]
    assert set(files.of(ids)) == {"5934.head", "5935.head"}  # the second never began


@pytest.mark.parametrize(
    "line",
    [
        "",
        "garbage",
        "11/21/2026 08:00:01;E;../../x;a=b",
        "99/99/2026 08:00:01;E;1.h;a=b",
        "11/21/2026 08:00:01;E",
        "\x00" * 100,
    ],
)
def test_odd_line_is_left_out(tmp_path, line):
    assert read_line(line) is None
    (tmp_path / "20261121").write_text(f"11/21/2026 08:00:00;Q;1.h;x=y\n{line}\n")
    assert set(AccountingFiles(tmp_path).of(["1.h", "2.h"])) == {"1.h"}


def test_absent_folder_has_no_records(tmp_path):
    assert AccountingFiles(tmp_path / "none").of(["1.h"]) == {}
