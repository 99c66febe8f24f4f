"""What an ordinary user writes is checked by the rules: each object, before and after."""

from __future__ import annotations

import pytest


@pytest.fixture
def ana_group(root) -> int:
    """A group whose only member is ana."""
    group = root.create("Grouping", name="writers")
    root.create("User", name="simple/ana", userGroups=[{"grouping": {"id": group}}])
    return group


@pytest.fixture
def allow(root, ana_group):
    """Makes a rule for ana's group."""

    def allow(flags: str, what: str) -> None:
        root.create("Rule", what=what, crudFlags=flags, grouping={"id": ana_group})

    return allow


def _refused(answer, message: str, offset: int = 0) -> None:
    assert (answer.status_code, answer.json) == (
        403,
        {"code": "INSUFFICIENT_PRIVILEGES", "message": message, "offset": offset},
    )


def _count(root, entity: str) -> int:
    return root.search(f"SELECT COUNT(x) FROM {entity} x")[0]


def test_without_a_rule_nothing_can_be_created(root, ana, dataset_body):
    answer = ana.post({"Dataset": dataset_body("a")})
    _refused(answer, "CREATE access to this Dataset is not allowed.")
    assert _count(root, "Dataset") == 0


def test_a_rule_allows_what_it_names_and_no_more(root, ana, allow, dataset_body):
    allow("C", "SELECT d FROM Dataset d WHERE d.name LIKE 'mine%'")
    assert (
        len(ana.write({"Dataset": dataset_body("mine1")}, {"Dataset": dataset_body("mine2")})) == 2
    )
    answer = ana.post([{"Dataset": dataset_body("mine3")}, {"Dataset": dataset_body("other")}])
    _refused(answer, "CREATE access to this Dataset is not allowed.", 1)
    assert _count(root, "Dataset") == 2


def test_every_child_is_checked(root, ana, allow, dataset_body, places):
    allow("C", "Dataset")
    values = [{"type": {"id": places["number"]}, "numericValue": 1}]
    answer = ana.post({"Dataset": dataset_body("a", parameters=values)})
    _refused(answer, "CREATE access to this DatasetParameter is not allowed.")
    assert _count(root, "Dataset") == 0
    allow("C", "SELECT p FROM DatasetParameter p WHERE p.numericValue < 5")
    assert ana.write({"Dataset": dataset_body("a", parameters=values)})


def test_a_change_needs_update_of_the_object_as_it_was(root, ana, allow, make_dataset):
    mine, other = make_dataset("mine"), make_dataset("other")
    allow("U", "SELECT d FROM Dataset d WHERE d.name LIKE 'mine%'")
    assert ana.write({"Dataset": {"id": mine, "description": "x"}}) == []
    answer = ana.post({"Dataset": {"id": other, "name": "mine too"}})
    _refused(answer, "UPDATE access to this Dataset is not allowed.")


def test_a_rule_on_an_attribute_allows_a_change_of_that_alone(root, ana, allow, make_dataset):
    id = make_dataset("a")
    allow("U", "SELECT d.description FROM Dataset d")
    assert ana.write({"Dataset": {"id": id, "description": "x"}}) == []
    answer = ana.post({"Dataset": {"id": id, "description": "y", "doi": "10.1/x"}})
    _refused(answer, "UPDATE access to this Dataset is not allowed.")


def test_related_objects_are_changed_by_their_own_rules(root, ana, allow, make_dataset, places):
    id = make_dataset("a")
    allow("U", "Dataset")
    sent = {"id": id, "type": {"id": places["dataset_type"], "name": "hijacked"}}
    _refused(ana.post({"Dataset": sent}), "UPDATE access to this DatasetType is not allowed.")
    assert root.search("SELECT t.name FROM DatasetType t") == ["raw"]


def test_moving_to_another_parent_needs_delete_there_and_create_here(
    root, ana, allow, make_dataset, places
):
    id = make_dataset("a")
    kind = root.search("SELECT t.id FROM InvestigationType t")[0]
    target = root.create(
        "Investigation",
        name="J",
        visitId="1",
        title="t",
        type={"id": kind},
        facility={"id": places["facility"]},
    )
    allow("U", "Dataset")
    sent = {"Dataset": {"id": id, "investigation": {"id": target}}}
    _refused(ana.post(sent), "DELETE access implied by UPDATE to this Dataset is not allowed.")
    allow("D", "Dataset")
    _refused(ana.post(sent), "CREATE access implied by UPDATE to this Dataset is not allowed.")
    allow("C", "SELECT d FROM Dataset d WHERE d.investigation.name = 'J'")
    assert ana.write(sent) == []
    stay = {"Dataset": {"id": id, "investigation": {"id": target}, "description": "x"}}
    assert ana.write(stay) == []


def test_delete_needs_the_right_to_everything_below(root, ana, allow, make_dataset, places):
    values = [{"type": {"id": places["number"]}, "numericValue": 1}]
    id, other = make_dataset("a", parameters=values), make_dataset("b", datafiles=[{"name": "f"}])
    items = [{"Dataset": {"id": id}}, {"Dataset": {"id": other}}]
    _refused(ana.delete(items), "DELETE access to this Dataset is not allowed.")
    allow("D", "Dataset")
    _refused(ana.delete(items), "DELETE access to this DatasetParameter is not allowed.")
    allow("D", "DatasetParameter")
    _refused(ana.delete(items), "DELETE access to this Datafile is not allowed.", 1)
    assert _count(root, "Dataset") == 2
    allow("D", "Datafile")
    assert ana.delete(items).status_code == 204
    assert _count(root, "Dataset") == 0


def test_a_change_of_rules_holds_at_once(root, ana, allow, dataset_body):
    allow("C", "Dataset")
    assert ana.write({"Dataset": dataset_body("a")})
    (rule,) = root.search("SELECT r.id FROM Rule r WHERE r.crudFlags = 'C'")
    root.delete({"Rule": {"id": rule}})
    _refused(
        ana.post({"Dataset": dataset_body("b")}), "CREATE access to this Dataset is not allowed."
    )


def test_nobody_makes_rules_for_himself(root, ana, allow):
    rule = {"Rule": {"what": "Dataset", "crudFlags": "CRUD"}}
    _refused(ana.post(rule), "CREATE access to this Rule is not allowed.")
    group = {"UserGroup": {"user": {"id": 1}, "grouping": {"id": 1}}}
    assert ana.post(group).status_code in (403, 412)


@pytest.mark.parametrize("what", ["Rule", "SELECT r FROM Rule r WHERE r.crudFlags = 'CRUD'"])
def test_a_new_rule_does_not_allow_its_own_creation(root, ana, what):
    answer = ana.post({"Rule": {"what": what, "crudFlags": "CRUD"}})
    _refused(answer, "CREATE access to this Rule is not allowed.")
    first, second = {"what": what, "crudFlags": "CRUD"}, {"what": "Dataset", "crudFlags": "CRUD"}
    answer = ana.post([{"Rule": first}, {"Rule": second}])
    _refused(answer, "CREATE access to this Rule is not allowed.")
    assert _count(root, "Rule") == 0


def test_a_new_member_is_not_allowed_by_the_rules_of_the_group(root, ana):
    group = root.create("Grouping", name="admins")
    user = root.create("User", name="simple/ana")
    root.create("Rule", what="UserGroup", crudFlags="C", grouping={"id": group})
    answer = ana.post({"UserGroup": {"user": {"id": user}, "grouping": {"id": group}}})
    _refused(answer, "CREATE access to this UserGroup is not allowed.")


def test_anonymous_users_are_users_like_others(root, rest, dataset_body):
    root.create("Rule", what="Facility", crudFlags="R")
    anon = rest.login("anon")
    assert [one["Facility"]["name"] for one in anon.search("Facility")] == ["F"]
    _refused(
        anon.post({"Dataset": dataset_body("a")}), "CREATE access to this Dataset is not allowed."
    )
