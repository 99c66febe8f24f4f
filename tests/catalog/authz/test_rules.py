"""Rules as facilities write them, and what is refused as a rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, delete, insert

from catalog.authz import rules
from catalog.authz.caller import Caller
from catalog.authz.rules import Access, Rights
from catalog.query.schema import entities
from catalog.query.scope import Environment
from ijp.errors import BadRequestError, NotAuthorizedError
from tests.catalog import searching as search

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STAMPS = {"create_id": "x", "create_time": NOW, "mod_id": "x", "mod_time": NOW}
ANA = Caller("db/ana")


def _add(connection: Connection, entity: str, *rows: dict[str, Any]) -> None:
    table = entities()[entity].table
    connection.execute(insert(table), [{**STAMPS, **row} for row in rows])


@pytest.fixture(scope="module")
def small_engine(module_engine: Engine) -> Engine:
    """Investigations 1 (ana's) and 2; datasets 1 to 4, two in each; a file in 1 and in 3."""
    with module_engine.execution_options(writes=True).begin() as connection:
        _add(connection, "Facility", {"id": 1, "name": "F"})
        _add(connection, "InvestigationType", {"id": 1, "name": "t", "facility_id": 1})
        _add(
            connection,
            "DatasetType",
            {"id": 1, "name": "raw", "facility_id": 1},
            {"id": 2, "name": "derived", "facility_id": 1},
        )
        released = {1: datetime(2020, 1, 1, tzinfo=UTC), 2: datetime(2120, 1, 1, tzinfo=UTC)}
        _add(
            connection,
            "Investigation",
            *(
                {
                    "id": id,
                    "name": f"i{id}",
                    "visit_id": "1",
                    "title": "t",
                    "facility_id": 1,
                    "type_id": 1,
                    "release_date": released[id],
                }
                for id in (1, 2)
            ),
        )
        _add(connection, "Sample", {"id": 1, "name": "s", "investigation_id": 1})
        _add(
            connection,
            "Dataset",
            *(
                {
                    "id": id,
                    "name": f"d{id}",
                    "investigation_id": (id + 1) // 2,
                    "type_id": 1 + id % 2,
                    "complete": False,
                    "sample_id": 1 if id == 1 else None,
                }
                for id in (1, 2, 3, 4)
            ),
        )
        files = ({"id": 1, "name": "f", "dataset_id": 1}, {"id": 2, "name": "f", "dataset_id": 3})
        _add(connection, "Datafile", *files)
        _add(connection, "User", {"id": 1, "name": "db/ana"}, {"id": 2, "name": "db/bo"})
        _add(connection, "Grouping", {"id": 1, "name": "g"})
        _add(connection, "UserGroup", {"id": 1, "user_id": 1, "grouping_id": 1})
        member = {"id": 1, "role": "r", "user_id": 1, "investigation_id": 1}
        _add(connection, "InvestigationUser", member)
    return module_engine


@pytest.fixture
def give(small_engine: Engine) -> Iterator[Callable[..., None]]:
    """Stores a rule until the end of the test."""

    def give(what: str, flags: str = "R", grouping: int | None = None) -> None:
        what, flags = rules.check_rule(what, flags)
        row = {"what": what, "crud_flags": flags, "grouping_id": grouping}
        with small_engine.execution_options(writes=True).begin() as connection:
            _add(connection, "Rule", row)

    yield give
    with small_engine.execution_options(writes=True).begin() as connection:
        connection.execute(delete(entities()["Rule"].table))
        connection.execute(delete(entities()["PublicStep"].table))


@pytest.fixture
def sees(small_engine: Engine) -> Callable[..., list[Any]]:
    """Gives the rows of a query for a user, entities by their ids."""

    def sees(query: str = "Dataset", user: str = "db/ana") -> list[Any]:
        with small_engine.connect() as connection:
            found = search.search(connection, Caller(user), query, max_entities=100)
        return [next(iter(row.values()))["id"] if isinstance(row, dict) else row for row in found]

    return sees


@pytest.mark.parametrize(
    ("what", "datasets"),
    [
        ("Dataset", [1, 2, 3, 4]),
        ("SELECT ds FROM Dataset ds", [1, 2, 3, 4]),
        ("SELECT ds FROM Dataset ds JOIN ds.sample s", [1, 2, 3, 4]),  # no WHERE: unrestricted
        ("Dataset [type.name = 'raw']", [2, 4]),
        ("Dataset <-> Investigation [name = 'i2']", [3, 4]),
        ("Dataset <-> Investigation <-> InvestigationUser <-> User [name = :user]", [1, 2]),
        (
            "SELECT ds FROM Dataset ds JOIN ds.investigation i JOIN i.investigationUsers iu "
            "JOIN iu.user u WHERE u.name = :user AND iu.role = 'r' AND ds.type.name = 'raw'",
            [2],
        ),
        (
            "SELECT ds FROM Investigation i JOIN i.datasets ds JOIN i.investigationUsers iu "
            "WHERE iu.user.name = :user",
            [1, 2],
        ),
        (
            "SELECT ds FROM User u JOIN u.investigationUsers iu JOIN iu.investigation.datasets ds "
            "WHERE u.name = :user",
            [1, 2],
        ),
        ("SELECT ds FROM Datafile f JOIN f.dataset ds WHERE f.name = 'f'", [1, 3]),
        (
            "SELECT ds FROM Dataset ds WHERE ds.investigation.releaseDate < CURRENT_TIMESTAMP",
            [1, 2],
        ),
        (
            "SELECT ds FROM Dataset ds WHERE ds.investigation.releaseDate > {ts "
            "2100-01-01 00:00:00}",
            [3, 4],
        ),
        ("SELECT ds FROM Dataset ds JOIN ds.sample s WHERE s.investigation.id = 1", [1]),
        ("SELECT ds FROM Dataset ds JOIN ds.sample s WHERE ds.id > 0", [1]),
        ("SELECT ds FROM Dataset ds LEFT JOIN ds.sample s WHERE s.id IS NULL", [2, 3, 4]),
        (
            "SELECT ds FROM Dataset ds LEFT JOIN ds.datafiles f WHERE f.id IS NULL OR f.id=2",
            [2, 3, 4],
        ),
        ("SELECT ds FROM Dataset ds WHERE ds.datafiles IS EMPTY", [2, 4]),
        (
            "SELECT ds FROM Dataset ds WHERE EXISTS (SELECT f FROM ds.datafiles f WHERE f.id = 2)",
            [3],
        ),
        (
            "SELECT ds FROM Dataset ds WHERE ds.investigation.id IN (SELECT iu.investigation.id "
            "FROM InvestigationUser iu WHERE iu.user.name = :user)",
            [1, 2],
        ),
        (
            "SELECT ds FROM Dataset ds, InvestigationUser iu WHERE iu.user.name = :user "
            "AND iu.investigation = ds.investigation",
            [1, 2],
        ),
        ("SELECT ds FROM Dataset ds, User u WHERE u.name = :user", [1, 2, 3, 4]),
        ("SELECT ds FROM Dataset ds, User u WHERE u.name = 'nobody'", []),
        ("SELECT ds FROM Dataset ds WHERE :user = 'db/ana' AND ds.id < 3", [1, 2]),
        ("SELECT ds FROM Dataset ds WHERE :user = 'db/bo' OR ds.id = 4", [4]),
        (
            "SELECT ds FROM Dataset ds JOIN ds.investigation i JOIN i.investigationUsers iu "
            "JOIN i.samples s WHERE iu.user.name = :user AND s.name = 's' AND ds.name = 'd2'",
            [2],
        ),
    ],
)
def test_a_rule_gives(give, sees, what, datasets):
    give(what)
    assert sees() == datasets
    assert sees("COUNT(Dataset)") == [len(datasets)]
    assert sees("SELECT ds.name FROM Dataset ds") == [f"d{id}" for id in datasets]
    assert sees("SELECT f.dataset FROM Datafile f") == [id for id in datasets if id in (1, 3)]


def test_rules_add_up_and_give_nothing_twice(give, sees):
    give("Dataset [name = 'd1']")
    give("Dataset <-> Investigation [name = 'i1']")
    give("Dataset <-> Investigation <-> InvestigationUser <-> User [name = :user]")
    assert sees() == [1, 2]
    assert sees(user="db/bo") == [1, 2]


def test_a_group_rule_is_for_its_members(give, sees):
    give("Dataset", grouping=1)
    assert sees() == [1, 2, 3, 4]
    assert sees(user="db/bo") == []
    assert sees(user="anon/anon") == []


def test_only_rules_with_the_flag_count(give, sees):
    give("Dataset", "CUD")
    assert sees() == []


def test_without_rules_counts_are_zero_and_other_searches_empty(sees):
    assert sees("COUNT(Dataset)") == [0]
    assert sees("SELECT MAX(ds.id) FROM Dataset ds") == []
    assert sees("SELECT ds.name FROM Dataset ds") == []
    assert sees("SELECT NULL FROM Dataset ds") == []
    assert sees("SELECT 1 FROM Dataset ds WHERE ds.name = 'd1'") == []


def test_what_is_selected_is_checked_and_not_what_is_joined(give, sees):
    give("Facility")
    assert sees("SELECT f.name FROM Facility f JOIN f.investigations i WHERE i.name='i1'") == ["F"]
    assert sees("SELECT i.facility.name FROM Investigation i") == ["F", "F"]
    assert sees("SELECT i.facility.name, i.name FROM Investigation i") == []


def test_a_change_of_rules_is_seen_by_the_next_call(give, sees):
    assert sees() == []
    give("Dataset [name = 'd1']")
    assert sees() == [1]


def test_a_public_step_opens_an_include(small_engine, give):
    give("Investigation")
    text = "Investigation INCLUDE Dataset [id = 1]"
    with small_engine.connect() as connection:
        (row,) = search.search(connection, ANA, text, max_entities=100)
        assert row["Investigation"]["datasets"] == []
    with small_engine.execution_options(writes=True).begin() as connection:
        _add(connection, "PublicStep", {"origin": "Investigation", "field": "datasets"})
    with small_engine.connect() as connection:
        (row,) = search.search(connection, ANA, text, max_entities=100)
        assert [one["id"] for one in row["Investigation"]["datasets"]] == [1, 2]


def test_require_names_the_access_and_the_entity(small_engine, give):
    give("Dataset [id = 1]", "U")
    with small_engine.connect() as connection:
        rights = Rights(connection, ANA)
        rights.require(Access.UPDATE, "Dataset", [1])
        with pytest.raises(NotAuthorizedError, match=r"^UPDATE access to this Dataset is not allo"):
            rights.require(Access.UPDATE, "Dataset", [1, 2])
        with pytest.raises(NotAuthorizedError, match=r"^DELETE access implied by UPDATE to this D"):
            rights.require(Access.DELETE, "Dataset", [1], implied_by=Access.UPDATE)


def test_an_attribute_rule_allows_only_its_attribute(small_engine, give):
    give("SELECT ds.description FROM Dataset ds WHERE ds.id = 1", "U")
    give("SELECT ds.sample FROM Dataset ds WHERE ds.id = 1", "U")
    with small_engine.connect() as connection:
        rights = Rights(connection, ANA)
        rights.require_update("Dataset", 1, ["description"])
        rights.require_update("Dataset", 1, ["description", "sample"])
        assert rights.permitted(Access.UPDATE, "Dataset", [1]) == set()
        for id, names in ((1, ["description", "name"]), (2, ["description"]), (1, [])):
            with pytest.raises(NotAuthorizedError, match="UPDATE access to this Dataset"):
                rights.require_update("Dataset", id, names)


def test_delete_needs_the_right_for_all_that_goes_with_it(small_engine, give):
    give("Investigation", "D")
    give("Dataset", "D")
    with small_engine.connect() as connection:
        with pytest.raises(NotAuthorizedError, match="DELETE access to this Datafile"):
            Rights(connection, ANA).require_delete("Dataset", [1])
        Rights(connection, ANA).require_delete("Dataset", [2])
        Rights(connection, Caller("root", is_root=True)).require_delete("Investigation", [1])
    give("Datafile", "D")
    with small_engine.connect() as connection:
        Rights(connection, ANA).require_delete("Dataset", [1])
        with pytest.raises(NotAuthorizedError, match=r"DELETE access to this (Sample|Inv)"):
            Rights(connection, ANA).require_delete("Investigation", [1])


def test_those_who_have_the_same_rules_are_asked_about_each_with_the_own_name(small_engine, give):
    give("Investigation [name = :user]", "C")
    give("Investigation <-> InvestigationUser <-> User [name = :user]", "C")
    with small_engine.connect() as connection:
        for _ in range(2):
            for name, ids in (("db/ana", {1}), ("i2", {2}), ("db/bo", set())):
                rights = Rights(connection, Caller(name))
                assert rights.permitted(Access.CREATE, "Investigation", [1, 2]) == ids


def test_the_same_rules_are_asked_about_at_each_moment(small_engine, give):
    give("SELECT i FROM Investigation i WHERE i.releaseDate < CURRENT_TIMESTAMP", "C")
    give("SELECT d FROM Dataset d WHERE d.investigation.releaseDate <= CURRENT_DATE", "C")
    with small_engine.connect() as connection:
        for year, of_both in ((2019, set()), (2021, {1}), (2121, {1, 2}), (2021, {1})):
            rights = Rights(connection, ANA)
            rights.environment = Environment(ANA.name, datetime(year, 1, 1, 5, tzinfo=UTC))
            assert rights.permitted(Access.CREATE, "Investigation", [1, 2]) == of_both
            datasets = {2 * id - more for id in of_both for more in (0, 1)}
            assert rights.permitted(Access.CREATE, "Dataset", [1, 2, 3, 4]) == datasets


def test_a_day_begins_at_midnight(small_engine, give):
    give("SELECT i FROM Investigation i WHERE i.releaseDate = CURRENT_DATE", "C")
    with small_engine.connect() as connection:
        rights = Rights(connection, ANA)
        rights.environment = Environment(ANA.name, datetime(2020, 1, 1, 23, 59, tzinfo=UTC))
        assert rights.permitted(Access.CREATE, "Investigation", [1, 2]) == {1}


def test_a_new_rule_is_asked_about_at_once(small_engine, give):
    for number in (1, 3):
        give(f"Dataset [id = {number}]", "C")
        with small_engine.connect() as connection:
            rights = Rights(connection, ANA)
            found = rights.permitted(Access.CREATE, "Dataset", [1, 2, 3])
        assert found == {one for one in (1, 3) if one <= number}


def test_a_rule_is_stored_trimmed_and_in_upper_case():
    assert rules.check_rule("  Dataset [id = 1] ", " crUd ") == ("Dataset [id = 1]", "CRUD")


@pytest.mark.parametrize(
    ("what", "flags", "message"),
    [
        ("Dataset", "X", "Invalid value in crudFlags: X is not one of CRUD"),
        ("Dataset", "", "Invalid value in crudFlags: ''"),
        ("Dataset", "RR", "Invalid value in crudFlags: 'RR'"),
        ("Data", "R", "Data is not an ICAT entity (at character 0)"),
        ("Dataset [colour = 1]", "R", "Dataset has no field colour (at character 9)"),
        ("SELECT ds FROM Dataset ds WHERE ds.colour = 1", "R", "Dataset has no field colour"),
        ("SELECT ds FROM Dataset ds WHERE ds.name = 3 +", "R", "Expected token from types"),
        ("SELECT ds FROM Dataset ds WHERE ds.name = :me", "R", "An exception occurred while"),
        ("SELECT ds, ds.id FROM Dataset ds", "R", "a rule selects one variable, or one attribute"),
        ("COUNT(Dataset)", "R", "a rule selects one variable, or one attribute"),
        ("SELECT ds.type.name FROM Dataset ds", "U", "a rule selects one variable, or one"),
        ("SELECT DISTINCT ds FROM Dataset ds", "R", "DISTINCT is not allowed in rules"),
        ("SELECT ds FROM Dataset ds ORDER BY ds.id", "R", "ORDER BY is not allowed in rules"),
        ("SELECT ds FROM Dataset ds INCLUDE ds.type", "R", "INCLUDE is not allowed in rules"),
        ("SELECT ds FROM Dataset ds LIMIT 0, 1", "R", "LIMIT is not allowed in rules"),
        ("SELECT ds FROM Dataset ds GROUP BY ds", "R", "GROUP BY is not allowed in rules"),
        ("SELECT ds.datafiles FROM Dataset ds", "U", "Dataset has no single datafiles"),
        (
            "SELECT ds.name FROM Dataset ds",
            "RU",
            "Attribute selection in rules is only allowed for Update",
        ),
        ("Dataset [name = '" + "x" * 1024 + "']", "R", "Rule: what cannot have length > 1024"),
        ("Dataset [name = 'a\x1eR Dataset']", "R", "Rule: what cannot have the character '\\x1e'"),
    ],
)
def test_what_no_rule_may_say(what, flags, message):
    with pytest.raises(BadRequestError) as refusal:
        rules.check_rule(what, flags)
    assert refusal.value.message.startswith(message)


def test_a_wrong_rule_that_got_into_the_table_allows_nothing(small_engine, give, sees, caplog):
    with small_engine.execution_options(writes=True).begin() as connection:
        _add(connection, "Rule", {"what": "Dataset [colour = 1]", "crud_flags": "R"})
    give("Dataset [id = 1]")
    assert sees() == [1]
    assert "rule 'Dataset [colour = 1]' is left out" in caplog.text


def test_public_steps_are_relations():
    rules.check_public_step("Dataset", "datafiles")
    with pytest.raises(BadRequestError, match="Data is not an ICAT entity"):
        rules.check_public_step("Data", "datafiles")
    message = "Field value name does not implement a relationship from Dataset"
    with pytest.raises(BadRequestError, match=message):
        rules.check_public_step("Dataset", "name")
