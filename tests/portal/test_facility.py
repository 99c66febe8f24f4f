"""A facility's files reach the catalog, once, and their faults are told (req. 5, 24, 46)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jobdefs.shipped import example, examples_folder
from portal import facility, installation
from portal.facility_cli import load_into, session_of
from portal.settings import read
from servicekit.embedded import Process
from servicekit.service import services
from servicekit.settings import SettingsError
from tests.portal_site import copy

pytestmark = pytest.mark.slow

IJPD = Path(sys.executable).with_name("ijpd")


@pytest.fixture(scope="module")
def empty_site(tmp_path_factory):
    """An installation of the imaging facility whose catalog knows nothing of it yet."""
    folder = tmp_path_factory.mktemp("empty") / "site"
    made = installation.make(folder, facility="imaging")
    for name in ("catalog", "portal"):
        services()[name].upgrade(made.settings_file)
    return folder


@pytest.fixture
def catalog(tmp_path, empty_site):
    """The root user's session at a catalog of its own, of the imaging facility."""
    copy(empty_site, tmp_path / "site")
    settings_file = tmp_path / "site" / "ijp.toml"
    process = Process(settings_file)
    yield session_of(read(settings_file), process, "root")
    process.http.close()


@pytest.fixture
def loaded(catalog, tmp_path):
    """Loads a folder; gives the lines that it told."""

    def loaded(folder: Path = tmp_path / "site" / "facility") -> list[str]:
        return load_into(catalog, read(tmp_path / "site" / "ijp.toml"), folder)

    return loaded


@pytest.fixture
def folder(tmp_path):
    """A copy of the imaging facility's files, to be spoilt."""
    return Path(shutil.copytree(example("imaging"), tmp_path / "facility"))


def test_everything_is_made_once(catalog, loaded):
    first = loaded()
    assert "Facility IMG" in first
    assert len(first) > 90
    assert loaded() == []
    types = catalog.search("SELECT t.name FROM DatasetType t ORDER BY t.name")
    assert types == ["comparison", "image", "montage", "segmentation"]
    rules = [line for line in first if line.startswith("Rule ")]
    assert catalog.search("SELECT COUNT(r) FROM Rule r") == [len(rules)]


def test_portals_own_account_may_only_record(catalog, loaded):
    """security: the service account reads no parameters and writes no datasets."""
    loaded()
    text = "SELECT r.what, r.crudFlags FROM Rule r WHERE r.grouping.name = 'portal'"
    rules = dict(catalog.search(text))
    assert {rules[name] for name in ("Job", "Application", "DataCollection")} == {"CRUD"}
    assert {rules[name] for name in ("Dataset", "Datafile", "Investigation")} == {"R"}
    assert "DatasetParameter" not in rules


def test_only_what_differs_is_changed(catalog, loaded, folder):
    loaded()
    text = (folder / "facility.toml").read_text()
    changed = text.replace('"Rows of the picture."', '"How high it is."')
    (folder / "facility.toml").write_text(
        changed + '\n[[dataset_types]]\nname = "movie"\n[[users]]\nname = "simple/zoe"\n'
    )
    assert loaded(folder) == [
        "DatasetType movie",
        "ParameterType height: description",
        "User simple/zoe",
    ]
    text = "SELECT t.description FROM ParameterType t WHERE t.name = 'height'"
    assert catalog.search(text) == ["How high it is."]


def test_what_is_no_longer_said_stays(catalog, loaded, folder):
    loaded()
    (folder / "facility.toml").write_text('[facility]\nname = "IMG"\n')
    loaded(folder)
    assert catalog.search("SELECT COUNT(t) FROM ParameterType t WHERE t.name = 'width'") == [1]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('name = "IMG"', "", "facility.name: Missing data for required field"),
        ('name = "IMG"', 'name = "IMG"\ncolour = "red"', "facility.colour: Unknown field"),
        ("[[dataset_types]]", "[[dataset_typos]]", "dataset_typos: Unknown field"),
        (
            'units = "px"\nvalue_type = "NUMERIC"',
            'units = "px"\nvalue_type = "NUMBER"',
            r"parameter_types\[width\]\.value_type: Must be one of: NUMERIC, STRING",
        ),
        (
            'applicable_to = ["dataset"]',
            'applicable_to = ["datasets"]',
            r"parameter_types\[width\]\.applicable_to\[1\]: Must be one of: investigation",
        ),
        ("[facility]", "[facility", "not TOML: Expected ']'"),
        (
            'type = "experiment"',
            'type = "calibration"',
            "investigation 'MIC-2026-1': there is no investigation type 'calibration' "
            r"\(there are: experiment\)",
        ),
    ],
)
def test_fault_names_file_and_place(folder, before, after, message):
    path = folder / "facility.toml"
    path.write_text(path.read_text().replace(before, after))
    with pytest.raises(SettingsError, match=message) as caught:
        facility.read(folder)
    assert str(caught.value).startswith(f"{path}: ")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"facility\.toml: cannot be read: No such file"):
        facility.read(tmp_path)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ('[[rules]]\ncrud = "RX"\nwhat = ["Job"]', r"rules\[1\]\.crud"),
        (
            '[[rules]]\ngroup = "kings"\ncrud = "R"\nwhat = ["Job"]',
            "a rule is for the group 'kings', which facility.toml does not have",
        ),
    ],
)
def test_fault_in_the_facilitys_own_rules_names_their_file(folder, rules, message):
    (folder / "rules.toml").write_text(rules)
    with pytest.raises(SettingsError, match=message) as caught:
        facility.read(folder)
    assert str(caught.value).startswith(f"{folder / 'rules.toml'}: ")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("SELECT d FROM Datasett d", "Datasett"),
        ("SELECT d FROM Dataset d WHERE d.colour = 1", "colour"),
        ("Nonsense", "Nonsense"),
    ],
)
def test_rule_that_the_catalog_refuses_is_named(loaded, folder, what, message):
    shutil.copy(examples_folder() / "rules.toml", folder)
    with (folder / "rules.toml").open("a") as target:
        target.write(f'[[rules]]\ncrud = "R"\nwhat = ["{what}"]\n')
    with pytest.raises(SettingsError, match=message) as caught:
        loaded(folder)
    assert str(caught.value).startswith(f"{folder / 'rules.toml'}: rule {what!r}: ")


def test_value_that_the_catalog_refuses_is_named(loaded, folder):
    path = folder / "facility.toml"
    path.write_text(path.read_text().replace("Rows of the picture.", "x" * 300))
    with pytest.raises(SettingsError, match=r"ParameterType 'height': .*description") as caught:
        loaded(folder)
    assert str(caught.value).startswith(f"{path}: ")


def test_command_tells_faults_in_a_line(empty_site, folder):
    """By ``ijpd facility load``: status 1 and no traceback."""
    settings_file = empty_site / "ijp.toml"
    (folder / "facility.toml").write_text("x = ")
    done = subprocess.run(
        [IJPD, "facility", "load", "--settings", settings_file, "--folder", folder],
        capture_output=True,
        text=True,
        env=dict(os.environ),
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"ijpd: {folder / 'facility.toml'}: not TOML")
    assert done.stderr.count("\n") == 1
