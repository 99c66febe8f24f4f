"""The commands, as they are typed."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from jobdefs.cli import commands
from jobdefs.lint import lint
from jobdefs.shipped import examples_folder


@pytest.fixture
def run():
    """Runs ``ijpd jobdefs …``; gives exit status, standard output and error."""

    def run(*words):
        result = CliRunner().invoke(commands[0], [str(word) for word in words])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, result.stdout, result.stderr

    return run


def test_check_prints_a_line_for_each_problem(run, write, tmp_path):
    file = write(
        "job_types/x.xml",
        "<jobType><name>x</name><executable>/no/such</executable><type>batch</type>\n"
        "<jobOptions><name>d</name><type>string</type><programParameter>-d==</programParameter>"
        "</jobOptions></jobType>",
    )
    status, output, _ = run("check", tmp_path)
    assert status == 1
    assert output.splitlines() == [
        f"{file}: error: there is no program /no/such → "
        "is the path right? (relative: from the folder)",
        f"{file}:2: warning: option 'd': programParameter '-d==' has == → write -d=",
        f"{file}:2: warning: option 'd': programParameter '-d==' ends with =, "
        "and the value is an argument of its own → write -d=",
        "1 error, 2 warnings, 0 notices",
    ]
    assert run("check", tmp_path, "--elsewhere")[0] == 0
    assert run("check", tmp_path, "--elsewhere", "--strict")[0] == 1


def test_check_is_silent_and_content_about_the_examples(run):
    assert run("check", examples_folder() / "imaging", "--strict") == (
        0,
        "0 errors, 0 warnings, 0 notices\n",
        "",
    )


def test_check_of_a_folder_that_is_not_there(run, tmp_path):
    status, output, _ = run("check", tmp_path / "none")
    assert status == 1
    assert "there is no such folder" in output


def test_new_writes_a_job_type_without_a_problem(run, tmp_path):
    status, output, _ = run(
        "new", "Peaks & <more>", "--folder", tmp_path, "--program", "/bin/true -v"
    )
    file = tmp_path / "job_types" / "peaks_more.xml"
    assert (status, output) == (0, f"{file}\n")
    assert "<name>Peaks &amp; &lt;more&gt;</name>" in file.read_text()
    [problem] = lint(tmp_path)
    assert problem.message == "there is no program /bin/true -v"
    file.unlink()
    assert run("new", "Peaks", "--folder", tmp_path)[0] == 0
    assert lint(tmp_path) == []


def test_new_overwrites_nothing(run, write, tmp_path):
    file = write("job_types/peaks.xml", "mine")
    status, _, error = run("new", "Peaks", "--folder", tmp_path)
    assert (status, error) == (1, f"Error: {file} is there already\n")
    assert file.read_text() == "mine"


@pytest.mark.parametrize("name", ["../..", "/", " "])
def test_new_writes_nowhere_else(run, tmp_path, name):
    status, _, error = run("new", name, "--folder", tmp_path)
    assert status == 2
    assert "at least one letter or digit" in error
    assert list(tmp_path.iterdir()) == []


def test_try_shows_options_and_command(run):
    """security 27: what would this user see and execute."""
    folder = examples_folder() / "imaging"
    status, output, _ = run(
        "try",
        folder,
        "segment",
        *("-q", "numChannels=1", "-q", "width=512", "-q", "height=512.0"),
        *("-o", "Minimum area=30", "-o", "Name of the result=a 'b'", "--dataset", 17),
    )
    assert status == 0
    lines = output.splitlines()
    assert lines[0] == (
        "- Channel: numChannels >= 3 is needed, but for dataset 17 numChannels is 1"
    )
    assert "+ Split touching objects" in lines
    assert lines[-1] == (
        f"$ {folder}/bin/segment --datasetIds=17 --min-area 30 --name 'a '\"'\"'b'\"'\"''"
    )


def test_try_says_what_is_refused(run):
    folder = examples_folder() / "imaging"
    status, _, error = run("try", folder, "segment", "-o", "Smoothing=99")
    assert status == 1
    assert error == "Error: Smoothing: 99 is above the largest value, 20\n"
    assert "no job type 'nosuch' (there are: " in run("try", folder, "nosuch")[2]
    assert "'x' is not NAME=VALUE" in run("try", folder, "segment", "-o", "x")[2]
