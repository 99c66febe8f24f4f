"""Who may run what."""

from __future__ import annotations

import pytest

from ijp.errors import BadRequestError, NotAuthorizedError
from jobdefs.document import UnreadableError
from jobdefs.families import read_families
from jobdefs.job_type import JobType, Kind

ALL = JobType("all", "x", Kind.BATCH)
EXPERTS = JobType("experts", "x", Kind.BATCH, family="experts")


def read(write, text):
    families, problems = read_families(write("families.xml", text))
    return families, [(one.severity.value, one.line, one.message) for one in problems]


XML = """<families default="users">
  <family name="users"/>
  <family name="experts">
    <allowed pattern="simple/dmf"/>
    <allowed pattern="db/(a|b).*"/>
  </family>
</families>"""


@pytest.mark.parametrize(
    ("user", "admitted"),
    [
        ("simple/dmf", True),
        ("db/anna", True),
        ("simple/dmfx", False),
        ("xsimple/dmf", False),
        ("simple/dmf\n", False),
        ("db/c", False),
    ],
)
def test_the_whole_name_must_match_one_pattern(write, user, admitted):
    """ijp-spec §1.4."""
    families, problems = read(write, XML)
    assert problems == []
    assert families.admits(EXPERTS, user) is admitted
    assert families.admits(ALL, user)


def test_refusals_say_what_is_wrong(write):
    families, _ = read(write, XML)
    with pytest.raises(NotAuthorizedError, match="db/c may not run 'experts'"):
        families.require(EXPERTS, "db/c")
    assert families.require(EXPERTS, "db/a").name == "experts"
    with pytest.raises(BadRequestError, match="job type 'x': no family 'nosuch'"):
        families.require(JobType("x", "x", Kind.BATCH, family="nosuch"), "db/a")


def test_families_of_2013_load_unchanged(write):
    """ijp-spec §1.4, req. 113: the pool's size and puppet text once stood here."""
    families, problems = read(
        write,
        '<families default="ingest"><family name="ingest" count="3">'
        '<allowed pattern="simple/.*"/><create>user { $user: }</create>'
        "<destroy>user { $user: ensure => absent }</destroy></family></families>",
    )
    assert families.admits(ALL, "simple/x")
    assert not families.admits(ALL, "db/x")
    assert problems == [("notice", 1, "count, create and destroy are not used here")]


@pytest.mark.parametrize(
    ("allowed", "message"),
    [
        ('<allowed pattern="("/>', "pattern '(' is not a regular expression"),
        ('<allowed patern="x"/>', "<allowed> has no pattern"),
    ],
)
def test_a_family_with_a_wrong_pattern_admits_nobody(write, allowed, message):
    families, problems = read(
        write,
        f'<families><family name="experts"><allowed pattern=".*"/>{allowed}</family></families>',
    )
    assert not families.admits(EXPERTS, "simple/x")
    assert any(text.startswith(message) for severity, _, text in problems if severity == "error")


def test_a_default_that_is_not_defined_admits_nobody(write):
    families, problems = read(write, '<families default="user"><family name="users"/></families>')
    assert not families.admits(ALL, "simple/x")
    assert problems == [("error", 1, "default family 'user' is not defined")]


def test_without_a_default_everybody_runs_what_names_no_family(write):
    families, _ = read(write, '<families><family name="experts"/></families>')
    assert families.admits(ALL, "simple/x")


def test_a_family_needs_a_name(write):
    with pytest.raises(UnreadableError, match="a <family> has no name"):
        read(write, "<families><family/></families>")
