"""``ijpd catalog``: a catalog is written to a file and read from one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from catalog.dump_cli import catalog
from ijp.errors import BadRequestError, ConflictError

DUMP = "1.0\n\nFacility(name:0,createId:1)\n" + '"F","db/x"\n"G","db/y"\n'


@pytest.fixture
def run(settings_file):
    def run(command: str, *arguments: str, status: int = 0, **options):
        given = [command, "--settings", str(settings_file), *arguments]
        done = CliRunner().invoke(catalog, given, catch_exceptions=False, **options)
        assert done.exit_code == status, done.output
        return done

    return run


def test_a_catalog_goes_into_a_file_and_back(run, root, tmp_path):
    done = run("import", "-", input=DUMP)
    assert done.stderr == "Facility: 2\n2 objects read\n"
    assert root.search("SELECT f.name, f.createId FROM Facility f") == [
        ["F", "db/x"],
        ["G", "db/y"],
    ]
    path = tmp_path / "dump"
    path.write_text("old")
    done = run("export", str(path))
    assert (done.stdout, done.stderr) == ("", "Facility: 2\n2 objects written\n")
    assert run("export", "-").stdout == path.read_text()
    assert run("export", "--attributes", "user", "-").stdout.count("db/x") == 0
    root.delete([{"Facility": {"id": 1}}, {"Facility": {"id": 2}}])
    run("import", str(path))
    assert run("export", "-").stdout == path.read_text()
    assert oct(path.stat().st_mode & 0o777) == "0o600"


def test_an_error_names_the_line_and_duplicates_can_be_chosen(run, root):
    with pytest.raises(BadRequestError, match=r"Field name must be a string .* at line 5$"):
        run("import", "-", input='1.0\n\nFacility(name:0)\n"F"\n5\n')
    with pytest.raises(ConflictError, match=r"^Facility exists with name = 'F' at line 4$"):
        run("import", "-", input=DUMP)
    run("import", "--duplicate", "ignore", "-", input=DUMP)
    assert root.search("Facility.name") == ["F", "G"]


def test_a_query_chooses_what_is_written(run):
    run("import", "-", input=DUMP)
    assert '"F"' not in run("export", "--query", "Facility [name='G']", "-").stdout


def test_an_export_that_fails_leaves_the_old_file_and_nothing_else(run, tmp_path):
    folder = tmp_path / "dumps"
    folder.mkdir()
    (folder / "dump").write_text("old")
    with pytest.raises(BadRequestError, match="Car is not an ICAT entity"):
        run("export", "--query", "Car", str(folder / "dump"))
    assert os.listdir(folder) == ["dump"]
    assert (folder / "dump").read_text() == "old"


def test_files_that_cannot_be_used_are_told(run, tmp_path):
    path = str(tmp_path / "nothing" / "dump")
    assert "nothing/dump cannot be read: No such file" in run("import", path, status=1).stderr
    assert "nothing/dump cannot be written: No such" in run("export", path, status=1).stderr


def test_the_command_is_installed(settings_file):
    command = [sys.executable, "-m", "servicekit.cli", "catalog", "import"]
    command += ["--settings", str(settings_file), "-"]
    done = subprocess.run(
        command, input='1.0\n\nFacility(name:0)\n"F\n', capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == 'ijpd: unterminated string "F in column 0 at line 4\n'


def _peak(settings_file, *arguments: str) -> int:
    """Run the command; gives the most memory that it took, in bytes."""
    command = [sys.executable, "-m", "servicekit.cli", "catalog", arguments[0]]
    command += ["--settings", str(settings_file), *arguments[1:]]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * 1024


@pytest.mark.slow
@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_memory_does_not_grow_with_the_catalog(settings_file, tmp_path):
    rows = 100_000
    with (tmp_path / "dump").open("w") as file:
        file.write('1.0\n\nFacility(name:0)\n"F"\n\n')
        file.write("Instrument(facility(name:0),name:1,description:2)\n")
        file.writelines(f'"F","i{number}","{"d" * 500}"\n' for number in range(rows))
    least = _peak(settings_file, "export", str(tmp_path / "empty"))
    read = _peak(settings_file, "import", str(tmp_path / "dump"))
    written = _peak(settings_file, "export", str(tmp_path / "whole"))
    assert (tmp_path / "whole").stat().st_size > 50_000_000
    assert max(read, written) - least < 25_000_000
