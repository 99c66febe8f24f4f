"""The tutorial is tried command by command, and the reference leaves nothing out."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree

from jobdefs.shipped import example

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "job-types.md").read_text(encoding="utf-8")
SCHEMAS = sorted((ROOT / "jobdefs" / "schema").glob("*.rng"))
RNG = "{http://relaxng.org/ns/structure/1.0}"

_BLOCKS = re.compile(r"```sh\n(.*?)```(?:\n```text\n(.*?)```)?", re.S)


def test_the_tutorial_works(tmp_path):
    """Every command that needs no running portal, with the output that it promises."""
    shutil.copytree(example("imaging"), tmp_path / "facility")
    ijpd = tmp_path / "programs" / "ijpd"
    ijpd.parent.mkdir()
    # The command alone, as the services need not be there for it.
    ijpd.write_text(
        f"#!{sys.executable}\nfrom jobdefs.cli import commands\n"
        "import click\nclick.Group('ijpd', {one.name: one for one in commands})()\n"
    )
    ijpd.chmod(0o755)
    path = f"{ijpd.parent}{os.pathsep}{os.environ['PATH']}"
    blocks = _BLOCKS.findall(DOCUMENT)
    assert len(blocks) == 7
    for commands, promised in blocks:
        found = subprocess.run(
            ["bash", "-c", commands],
            cwd=tmp_path,
            env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.stderr == ""
        assert found.stdout.replace(str(tmp_path), "/home/you/.demo") == promised


def test_what_the_tutorial_makes_runs(tmp_path):
    program = re.search(r"describe <<'END'\n(.*?)END\n", DOCUMENT, re.S)
    assert program is not None
    file = tmp_path / "describe"
    file.write_text(program[1])
    file.chmod(0o755)
    output = subprocess.run([file, "--colour", "a  b"], capture_output=True, text=True, check=True)
    assert output.stdout == "I was given 2 arguments:\n  --colour\n  a  b\n"


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda one: one.stem)
def test_every_element_and_attribute_is_documented(schema):
    tree = etree.parse(str(schema))
    names = {one.get("name") for one in tree.iter(f"{RNG}element", f"{RNG}attribute")}
    words = set(re.findall(r"`<?(\w+)[^`]*`", DOCUMENT))
    assert names - words == set()


def test_every_value_of_a_fixed_list_is_documented():
    tree = etree.parse(str(ROOT / "jobdefs" / "schema" / "job_type.rng"))
    for value in tree.iter(f"{RNG}value"):
        assert f"`{value.text}`" in DOCUMENT
