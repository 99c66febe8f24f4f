"""Many entities in one call: stored as they were sent, and what is wrong is found among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

MANY = 60
WRONG = 47

Bean = Callable[..., str]


@pytest.fixture
def allow(root: Any) -> Callable[[str], None]:
    """Let everybody create and read what a rule says."""

    def allow(what: str) -> None:
        root.create("Rule", what=what, crudFlags="CR")

    return allow


@pytest.fixture
def dataset(places: dict[str, int]) -> Bean:
    """The XML of a dataset with three files and a parameter."""

    def dataset(name: str, *, more: str = "", number: str = "1.5", files: int = 3) -> str:
        inside = "".join(f"<datafiles><name>f{n}</name></datafiles>" for n in range(files))
        kind = f"<type><id>{places['number']}</id></type>"
        return (
            f'<beans xsi:type="t:dataset">{more}{inside}'
            f"<investigation><id>{places['investigation']}</id></investigation>"
            f"<name>{name}</name><type><id>{places['dataset_type']}</id></type>"
            f"<parameters><numericValue>{number}</numericValue>{kind}</parameters></beans>"
        )

    return dataset


def _with_one(dataset: Bean, wrong: str) -> str:
    return "".join(wrong if n == WRONG else dataset(f"d{n}") for n in range(MANY))


def test_entities_are_stored_in_their_order_with_what_is_in_them(soap_root: Any, dataset: Bean):
    beans = "".join(
        dataset(
            f"d{n}", more=f"<fileSize>{2**40 + n}</fileSize>" if n % 2 else "", number=f"{n}.25"
        )
        for n in range(MANY)
    )
    ids = soap_root.texts("createMany", beans)
    assert ids == sorted(ids, key=int)
    assert soap_root.values("SELECT d.name FROM Dataset d ORDER BY d.id") == [
        f"d{n}" for n in range(MANY)
    ]
    sizes = [str(2**40 + n) if n % 2 else "0" for n in range(MANY)]
    assert soap_root.values("SELECT d.fileSize FROM Dataset d ORDER BY d.id") == sizes
    assert soap_root.values(
        "SELECT p.numericValue FROM DatasetParameter p ORDER BY p.dataset.id"
    ) == [f"{n}.25" for n in range(MANY)]
    query = f"SELECT f.name FROM Datafile f WHERE f.dataset.id = {ids[WRONG]}"
    assert soap_root.values(query) == ["f0", "f1", "f2"]
    query = "SELECT COUNT(d) FROM Dataset d WHERE d.createTime = d.modTime AND d.createId = d.modId"
    assert soap_root.values(query) == [str(MANY)]


def test_dates_choices_and_odd_text_are_stored_as_they_were_sent(soap_root: Any, bean: Bean):
    facility = soap_root.create("facility", "<name>F</name>")
    text = "é 'x' \"y\" \\ {} 😀\n\t%s :name"
    beans = "".join(
        bean(
            "study",
            f"<description>{text}</description><endDate>0003-02-01T00:00:00.5+02:00</endDate>"
            f"<name>s{n}</name><startDate>9999-12-31</startDate><status>IN_PROGRESS</status>",
            "beans",
        )
        for n in range(MANY)
    )
    assert len(soap_root.texts("createMany", beans)) == MANY
    assert facility
    (row,) = soap_root.search("SELECT s FROM Study s WHERE s.name = 's7'")
    assert [row.findtext(name) for name in ("description", "status", "endDate", "startDate")] == [
        text,
        "IN_PROGRESS",
        "0003-01-31T22:00:00.500Z",
        "9999-12-31T00:00:00.000Z",
    ]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (("d3", ""), f"OBJECT_ALREADY_EXISTS {WRONG}: Dataset exists with investigation = 'id:"),
        (("there", ""), f"OBJECT_ALREADY_EXISTS {WRONG}: Dataset exists with investigation = "),
        (
            ("x", "<sample><id>999</id></sample>"),
            rf"INTERNAL {WRONG}: Unexpected DB response: Sample\[id:999\] not found",
        ),
        (("x" * 256, ""), f"VALIDATION {WRONG}: Dataset: name cannot have length > 255"),
        (
            ("x", "<fileSize>1.5</fileSize>"),
            f"BAD_PARAMETER {WRONG}: Field fileSize must be an int",
        ),
        (
            ("x", "<datafiles><name>f1</name></datafiles>"),
            f"OBJECT_ALREADY_EXISTS {WRONG}: Datafile exists with dataset = 'id:",
        ),
    ],
    ids=["key twice", "key there", "dangling", "too long", "not a number", "child's key"],
)
def test_what_is_wrong_is_told_with_its_place_and_nothing_is_stored(
    soap_root: Any, fault: Any, dataset: Bean, make_dataset: Any, wrong: tuple[str, str], told: str
):
    make_dataset("there")
    name, more = wrong
    with pytest.raises(fault, match=told):
        soap_root.texts("createMany", _with_one(dataset, dataset(name, more=more)))
    assert soap_root.values("SELECT COUNT(d) FROM Dataset d") == ["1"]
    assert soap_root.values("SELECT COUNT(f) FROM Datafile f") == ["0"]


def test_the_one_that_no_rule_allows_is_told(
    soap_root: Any, soap_ana: Any, fault: Any, dataset: Bean, allow: Callable[[str], None]
):
    allow("SELECT d FROM Dataset d WHERE d.name LIKE 'd%'")
    with pytest.raises(fault, match=f"INSUFFICIENT_PRIVILEGES {WRONG}: CREATE access to this Data"):
        soap_ana.texts("createMany", _with_one(dataset, dataset("x")))
    assert soap_root.values("SELECT COUNT(d) FROM Dataset d") == ["0"]
    assert len(soap_ana.texts("createMany", _with_one(dataset, dataset("d")))) == MANY


def test_a_value_that_its_type_forbids_is_told(
    root: Any, soap_root: Any, fault: Any, dataset: Bean, places: dict[str, int]
):
    own = {"id": places["number"], "enforced": True, "maximumNumericValue": 2}
    root.write({"ParameterType": own})
    with pytest.raises(
        fault, match=f"VALIDATION {WRONG}: Parameter of type size has value 2.5 > 2"
    ):
        soap_root.texts("createMany", _with_one(dataset, dataset("x", number="2.5")))
