"""``ijpd rules``: the rules as a file; ``ijpd catalog explain``: what they come to."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result

from catalog.cli import commands
from ijp.errors import BadRequestError, NotFoundError
from servicekit.settings import SettingsError

RULES = """
[[rules]]
crud = "R"
what = ["Facility", "SELECT u FROM User u WHERE u.name = :user"]
[[rules]]
group = "writers"
crud = "CRUD"
what = ["Facility"]
[[public_steps]]
origin = "Dataset"
field = "type"
"""


@pytest.fixture
def run(settings_file):
    """Runs ``ijpd`` with arguments and gives the result."""

    def run(*arguments: str, typed: str = "") -> Result:
        group = next(one for one in commands if one.name == arguments[0])
        command = [arguments[1], "--settings", str(settings_file), *arguments[2:]]
        return CliRunner().invoke(group, command, input=typed, catch_exceptions=False)

    return run


@pytest.fixture
def file(tmp_path, root):
    root.create("Grouping", name="writers")
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    return path


def _stored(root) -> list[list[str]]:
    text = "SELECT g.name, r.crudFlags, r.what FROM Rule r LEFT JOIN r.grouping g"
    return sorted(root.search(text), key=str)


def test_catalog_becomes_like_the_file(run, root, file):
    root.create("Rule", what="Job", crudFlags="R")
    root.create("PublicStep", origin="Job", field="application")
    done = run("rules", "apply", "--yes", str(file))
    assert done.output.splitlines() == [
        "- R    everyone: Job",
        "- public step Job.application",
        "+ R    everyone: Facility",
        "+ R    everyone: SELECT u FROM User u WHERE u.name = :user",
        "+ CRUD writers: Facility",
        "+ public step Dataset.type",
        "4 to add, 2 to take away, 0 same",
        "done",
    ]
    assert _stored(root) == [
        ["writers", "CRUD", "Facility"],
        [None, "R", "Facility"],
        [None, "R", "SELECT u FROM User u WHERE u.name = :user"],
    ]
    assert root.search("SELECT s.origin, s.field FROM PublicStep s") == [["Dataset", "type"]]


def test_rule_that_is_as_in_the_file_stays_the_same_rule(run, root, file):
    kept = root.create("Rule", what=" Facility ", crudFlags="r")
    root.create("Rule", what="Facility", crudFlags="R")
    assert "3 to add, 1 to take away, 1 same" in run("rules", "apply", "--yes", str(file)).output
    assert kept in root.search("SELECT r.id FROM Rule r WHERE r.what = 'Facility'")
    assert len(_stored(root)) == 3
    assert run("rules", "check", "--exit-code", str(file)).exit_code == 0


def test_check_changes_nothing(run, root, file):
    done = run("rules", "check", "--exit-code", str(file))
    assert done.exit_code == 1
    assert "4 to add, 0 to take away, 0 same" in done.output
    assert run("rules", "check", str(file)).exit_code == 0
    assert _stored(root) == []


def test_apply_asks_first(run, root, file):
    done = run("rules", "apply", str(file), typed="n\n")
    assert done.exit_code == 1
    assert _stored(root) == []
    assert run("rules", "apply", str(file), typed="y\n").exit_code == 0
    assert len(_stored(root)) == 3


def test_every_fault_is_named_and_nothing_applied(run, root, file):
    with file.open("a") as target:
        target.write('[[rules]]\ngroup = "kings"\ncrud = "R"\nwhat = ["SELECT x FRM Dataset x"]\n')
        target.write('[[public_steps]]\norigin = "Dataset"\nfield = "colour"\n')
    done = run("rules", "apply", "--yes", str(file))
    assert done.exit_code == 1
    assert "rule 'SELECT x FRM Dataset x': Expected token" in done.output
    assert "there is no group 'kings'" in done.output
    assert "public step Dataset.colour: Field value colour does not" in done.output
    assert _stored(root) == []


def test_file_that_is_no_file_of_rules_is_refused(run, tmp_path):
    path = tmp_path / "rules.toml"
    with pytest.raises(SettingsError, match="cannot be read"):
        run("rules", "check", str(path))
    path.write_text('[[rules]]\ncrud = "X"\nwhat = []\n')
    with pytest.raises(SettingsError, match=r"rules\[1\].crud"):
        run("rules", "check", str(path))


@pytest.fixture
def facility(root):
    """A facility, a user in a group, and rules of which one grants it all, one nothing."""
    group = root.create("Grouping", name="writers")
    root.create("User", name="simple/ana", userGroups=[{"grouping": {"id": group}}])
    made = root.create("Facility", name="F")
    root.create("Rule", what="SELECT f FROM Facility f WHERE f.name = 'G'", crudFlags="R")
    root.create("Rule", what="Facility", crudFlags="RU", grouping={"id": group})
    root.create("Rule", what="SELECT f.url FROM Facility f", crudFlags="U")
    root.create("Rule", what="Job", crudFlags="CRUD")
    root.create("PublicStep", origin="Instrument", field="facility")
    return made


def test_explain_tells_of_every_rule_about_the_entity(run, facility):
    lines = run("catalog", "explain", "simple/ana", "Facility", str(facility)).output.splitlines()
    assert lines[:2] == [
        f"simple/ana may READ Facility {facility}",
        "- INCLUDE over the public step Instrument.facility shows it, whatever the rules say",
    ]
    reasons = [line.split(": ", 1)[1] for line in lines[2::2]]
    assert reasons == [
        "the object is not among those that it selects",
        "it is about all objects, for it has no WHERE",
        "it has no flag R",
    ]
    assert lines[5] == "    RU group writers: Facility"


def test_explain_tells_why_not(run, facility):
    done = run("catalog", "explain", "--access", "delete", "db/ben", "Facility", str(facility))
    assert done.output.startswith(f"db/ben may not DELETE Facility {facility}\n")
    assert "there is no User db/ben, who therefore is in no group" in done.output
    assert done.output.count("it has no flag D") == 3
    update = run("catalog", "explain", "--access", "UPDATE", "db/ben", "Facility", str(facility))
    assert "may not UPDATE" in update.output
    assert "does not: the user is not in the group" in update.output
    assert "does not: it is about the field url alone" in update.output


def test_explain_tells_of_root_users_and_of_no_rules(run, root, facility):
    application = root.create("Application", name="a", version="1", facility={"id": facility})
    done = run("catalog", "explain", "simple/root", "Application", str(application))
    assert done.output.splitlines() == [
        f"simple/root may READ Application {application}",
        "- simple/root is a root user, to whom rules do not apply",
        "- there is no User simple/root, who therefore is in no group",
        "- there is no rule about Application",
    ]


def test_explain_of_what_is_not_there_is_refused(run, facility):
    with pytest.raises(NotFoundError, match=r"Facility\[id:99999\] not found"):
        run("catalog", "explain", "simple/ana", "Facility", "99999")
    with pytest.raises(BadRequestError, match="Colour is not an ICAT entity"):
        run("catalog", "explain", "simple/ana", "Colour", "1")
    assert run("catalog", "explain", "simple/ana", "Facility", "0").exit_code == 2
