"""The example facilities are what the documentation says they are (req. 6, 46, 51, 113)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobdefs.shipped import example, examples_folder
from jobdefs.store import DefinitionStore

IJPD = Path(sys.executable).with_name("ijpd")
NAMES = ["imaging", "neutron"]


@pytest.mark.parametrize("name", NAMES)
def test_linter_has_nothing_to_say(name):
    done = subprocess.run(
        [IJPD, "jobdefs", "check", example(name)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "0 errors, 0 warnings, 0 notices\n"


@pytest.mark.parametrize("name", NAMES)
def test_programs_are_there_and_can_be_executed(name):
    folder = example(name)
    for job_type in DefinitionStore(folder).current().job_types.values():
        if job_type.executable.startswith("bin/"):
            assert os.access(folder / job_type.executable, os.X_OK), job_type.executable


def test_all_examples_are_offered():
    assert sorted(one.parent.name for one in examples_folder().glob("*/facility.toml")) == NAMES


def test_every_parameter_that_a_job_type_asks_for_is_described():
    """A quantity that no parameter type stands behind would hide its options for ever."""
    for name in NAMES:
        described = (example(name) / "facility.toml").read_text()
        for path in (example(name) / "job_dataset_parameters").glob("*.xml"):
            for quoted in path.read_text().split("type.name = '")[1:]:
                assert f'name = "{quoted.partition(chr(39))[0]}"' in described
