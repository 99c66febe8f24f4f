"""A whole portal for the clients' tests: one for all of them, each test with data of its own."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ijp.cli.main import ijp
from tests.portal_site import FACILITY, PASSWORDS, Portal, install, running

DOCS = Path(__file__).parents[2] / "docs"

_MORE = """
[[dataset_types]]
name = "spots"
[[datafile_formats]]
name = "PNG"
version = "1.2"
type = "image/png"
[[datafile_formats]]
name = "CSV"
version = "RFC 4180"
type = "text/csv"
[[parameter_types]]
name = "nSpots"
value_type = "NUMERIC"
[[parameter_types]]
name = "taken"
value_type = "DATE_AND_TIME"
[[parameter_types]]
name = "length"
units = "mm"
value_type = "NUMERIC"
[[parameter_types]]
name = "length"
units = "km"
value_type = "NUMERIC"
"""

_JOB_TYPE = """
<jobType acceptsDatasets="true" createsProvenance="true">
  <name>{name}</name><executable>bin/{name}</executable><type>batch</type>
  <multiple>true</multiple>
  <datasetTypes>raw</datasetTypes>
  <jobOptions>
    <name>Option</name><type>string</type><programParameter>--option</programParameter>
  </jobOptions>
</jobType>
"""


@pytest.fixture(scope="session")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """A portal with its dispatcher; ana writes investigation A and reads B, ben writes B and C."""
    folder = tmp_path_factory.mktemp("clients")
    facility = Path(shutil.copytree(FACILITY, folder / "facility"))
    with (facility / "facility.toml").open("a") as target:
        target.write(_MORE)
    install(folder / "portal", described=str(facility))
    with running(folder / "portal") as portal:
        yield portal


@pytest.fixture
def program(portal: Portal) -> Callable[[str, str], None]:
    """Adds a program to the facility, with a job type of its name: ``program("spots", source)``.

    The job type takes datasets of type "raw" and an option "Option".
    """

    def program(name: str, source: str) -> None:
        folder = portal.services.settings.facility_folder
        path = folder / "bin" / name
        path.write_text(source)
        path.chmod(0o755)
        (folder / "job_types" / f"{name}.xml").write_text(_JOB_TYPE.format(name=name))
        until = time.monotonic() + 10
        while name not in portal.services.definitions.current().job_types:
            assert time.monotonic() < until, f"{name} is not read"
            time.sleep(0.1)

    return program


_numbers = itertools.count(1)


@pytest.fixture
def fresh() -> Callable[[str], str]:
    """Makes a name that no other test has: ``fresh("run")``."""
    return lambda name: f"{name} {next(_numbers)}"


@dataclass
class Command:
    """The command ``ijp`` of a user, run in this process."""

    folder: Path
    url: str

    def run(self, *words: object, code: int = 0, stdin: str = "") -> Result:
        """Run it; it must end with this exit status."""
        done = CliRunner().invoke(
            ijp, [str(one) for one in words], env=self.environment, input=stdin
        )
        assert done.exit_code == code, (done.exit_code, done.stdout, done.stderr, done.exception)
        return done

    def says(self, *words: object) -> str:
        """What it prints when all goes well."""
        return self.run(*words).stdout

    def refuses(self, *words: object, code: int) -> str:
        """What it says when it does not go well."""
        done = self.run(*words, code=code)
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        return done.stderr

    @property
    def environment(self) -> dict[str, str | None]:
        """Of the command."""
        return {"IJP_CONFIG": str(self.folder), "IJP_PORTAL": None, "IJP_SESSION": None}

    def for_processes(self) -> dict[str, str]:
        """The environment with which a process of its own does the same."""
        others = {name: os.environ[name] for name in os.environ if not name.startswith("IJP_")}
        return others | {"IJP_CONFIG": str(self.folder), "LANG": "C.UTF-8", "TERM": "xterm"}


@pytest.fixture(scope="session")
def _sessions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sessions")


@pytest.fixture(scope="session")
def command_of(portal: Portal, _sessions: Path) -> Callable[[str], Command]:
    """Gives the command of a user who is logged in: ``command_of("ben")``."""
    known: dict[str, Command] = {}

    def command_of(user: str) -> Command:
        if user not in known:
            made = Command(_sessions / user, portal.url)
            words = ["--portal", portal.url, "login", "simple", "username", user, "password", "-"]
            made.run(*words, stdin=PASSWORDS[user] + "\n")
            known[user] = made
        return known[user]

    return command_of


@pytest.fixture
def ana(command_of: Callable[[str], Command]) -> Command:
    """The command of ana, logged in."""
    return command_of("ana")


@pytest.fixture
def stranger(tmp_path: Path, portal: Portal) -> Command:
    """The command of somebody who has never used it."""
    return Command(tmp_path / "config", portal.url)


@pytest.fixture
def example_of() -> Callable[[str], str]:
    """Gives the first example of a language in a document: ``example_of("jobs.md", "python")``."""

    def example_of(document: str, language: str) -> str:
        found = re.search(rf"```{language}\n(.*?)```", (DOCS / document).read_text(), re.DOTALL)
        assert found, f"{document} has no example in {language}"
        return found[1]

    return example_of
