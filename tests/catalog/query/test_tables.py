"""What is joined: only tables of which more than the id is needed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from catalog.authz import definition
from catalog.authz.visible import VisibleRows
from catalog.query.parse import parse
from catalog.query.scope import Environment
from catalog.query.translate import statement

ENVIRONMENT = Environment("db/ana", datetime(2026, 1, 1, tzinfo=UTC))


def _tables_of(query: str, *rules: str) -> list[str]:
    """The tables in the SQL of a query in their order, each as often as it is there."""
    visible = VisibleRows([definition.read(rule) for rule in rules], ENVIRONMENT)
    check = visible if rules else lambda _source: None
    text = str(statement(parse(query).select, ENVIRONMENT, check).sql)
    words = text.replace("(", " ").replace(")", " ").split()
    return [
        words[place + 1]
        for place, word in enumerate(words)
        if word in ("FROM", "JOIN") and words[place + 1] != "SELECT"
    ]


@pytest.mark.parametrize(
    ("query", "tables"),
    [
        ("SELECT ds.name FROM Dataset ds WHERE ds.type.id = 3", "dataset"),
        ("SELECT ds FROM Dataset ds JOIN ds.type t WHERE t.id = 3", "dataset"),
        (
            "SELECT ds FROM Dataset ds WHERE ds.investigation.facility.id = 3",
            "dataset investigation",
        ),
        (
            "SELECT ds FROM Dataset ds WHERE ds.type.name = 'a' OR ds.type.name = 'b'",
            "dataset dataset_type",
        ),
        (
            "SELECT ds FROM Dataset ds JOIN ds.investigation i JOIN i.investigationUsers iu",
            "dataset investigation_user",
        ),
        ("COUNT(Datafile) <-> Dataset [id=3]", "datafile"),
        (
            "SELECT ds FROM Dataset ds WHERE EXISTS (SELECT p FROM ds.parameters p "
            "WHERE p.type.id = ds.type.id)",
            "dataset dataset_parameter",
        ),
    ],
)
def test_tables_of_a_query(query, tables):
    assert _tables_of(query) == tables.split()


OWN = "JOIN {}investigation i JOIN i.investigationUsers iu WHERE iu.user.name = :user"


@pytest.mark.parametrize(
    ("entity", "rules", "tables"),
    [
        ("Dataset", ["Dataset"], "dataset"),
        ("Dataset", ["Dataset [complete = TRUE]"], "dataset"),
        (
            "Dataset",
            [f"SELECT x FROM Dataset x {OWN.format('x.')}"],
            "dataset investigation_user user_",
        ),
        (
            "Investigation",
            ["Investigation <-> InvestigationUser <-> User [name = :user]"],
            "investigation investigation_user user_",
        ),
        (
            "Datafile",
            [f"SELECT x FROM Datafile x {OWN.format('x.dataset.')}"],
            "datafile dataset investigation_user user_",
        ),
        (
            "Dataset",
            [
                f"SELECT x FROM Dataset x {OWN.format('x.')}",
                "SELECT x FROM Dataset x WHERE x.investigation.releaseDate < CURRENT_TIMESTAMP",
            ],
            "dataset investigation_user user_ investigation",
        ),
        ("Sample", ["Dataset"], "sample"),
    ],
)
def test_tables_of_rules(entity, rules, tables):
    assert _tables_of(f"SELECT x FROM {entity} x", *rules) == tables.split()


def test_rule_goes_on_from_a_row_that_is_joined_already():
    rules = [
        f"SELECT x FROM Dataset x {OWN.format('x.')}",
        f"SELECT x FROM Datafile x {OWN.format('x.dataset.')}",
    ]
    query = "SELECT x.dataset.name, x.name FROM Datafile x"
    members = "investigation_user user_"
    assert _tables_of(query, *rules) == f"datafile dataset {members} {members}".split()


def test_rules_with_one_key_are_one_set():
    rules = [
        f"SELECT x FROM Dataset x {OWN.format('x.')}",
        "SELECT x FROM Dataset x WHERE x.investigation.releaseDate < CURRENT_TIMESTAMP",
    ]
    visible = VisibleRows([definition.read(rule) for rule in rules], ENVIRONMENT)
    query = parse("SELECT ds FROM Dataset ds").select
    text = str(statement(query, ENVIRONMENT, visible).sql)
    assert text.count("dataset_1.investigation_id IN (") == 1
    assert text.count("UNION ALL") == 1
    assert " OR " not in text


def test_no_text_of_a_query_is_in_its_sql():
    query = (
        "SELECT secret1 FROM Dataset secret1 WHERE secret1.name = 'secret2' AND secret1.id IN (7771"
        ",7772) AND secret1.name LIKE 'secret3%' ESCAPE 's' AND CONCAT(secret1.name,'secret4')<>''"
    )
    text = str(statement(parse(query).select, ENVIRONMENT, lambda _source: None).sql)
    assert "secret" not in text
    assert "777" not in text
