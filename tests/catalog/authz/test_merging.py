from __future__ import annotations

import pytest

from catalog.authz.definition import read
from catalog.authz.merging import merged
from catalog.query import tree

INSTRUMENT = (
    "SELECT ds FROM Dataset ds JOIN ds.investigation.investigationInstruments ii "
    "WHERE ii.instrument.name = '{}' AND ds.complete = TRUE"
)


def _lists(texts):
    """For each rule that is left, what is in the lists of its condition."""
    return [
        [
            [constant.value for constant in one.members]
            for one in tree.conjuncts(rule.select.where)
            if isinstance(one, tree.In)
        ]
        for rule in merged(texts)
    ]


def test_rules_that_differ_in_one_constant_become_one():
    assert _lists([INSTRUMENT.format(name) for name in "abc"]) == [[["a", "b", "c"]]]


def test_what_else_the_rules_say_is_said_by_the_one():
    (rule,) = merged([INSTRUMENT.format(name) for name in "ab"])
    alone = read(INSTRUMENT.format("a"))
    assert rule.is_restricted
    assert (rule.entity, rule.variable) == (alone.entity, alone.variable)
    assert rule.select.sources == alone.select.sources
    assert tree.conjuncts(alone.select.where)[1] in tree.conjuncts(rule.select.where)


def test_a_rule_that_is_there_twice_is_there_once():
    assert merged([INSTRUMENT.format("a")] * 2) == (read(INSTRUMENT.format("a")),)


@pytest.mark.parametrize(
    "texts",
    [
        ["Dataset", "Datafile"],
        ["Dataset [name = 'a']", "Dataset [doi = 'a']"],
        ["Dataset [name = 'a']", "Datafile [name = 'a']"],
        ["Dataset [name = 'a']", "Dataset [name <> 'b']"],
        ["Dataset [name = 'a']", "Dataset [name = NULL]"],
        ["Dataset [name = 'a' AND doi = 'a']", "Dataset [name = 'b' AND doi = 'b']"],
        ["Dataset [name = 'a' OR name = 'b']", "Dataset [name = 'a' OR name = 'c']"],
        # 1 and 1.0 are equal to each other, and different as texts
        ["Dataset [name = 1]", "Dataset [name = 1.0]"],
        ["Dataset [name = 1 AND doi = 'a']", "Dataset [name = 1.0 AND doi = 'b']"],
    ],
)
def test_other_rules_stay_as_they_are(texts):
    assert merged(texts) == tuple(read(text) for text in texts)


def test_a_rule_joins_those_that_it_has_most_in_common_with():
    texts = ["Dataset [name = 'a' AND doi = 'x']"]
    texts += [f"Dataset [name = 'a' AND doi = '{doi}']" for doi in "yz"]
    texts += ["Dataset [name = 'b' AND doi = 'x']"]
    assert _lists(texts) == [[["x", "y", "z"]], [["b"]]]
