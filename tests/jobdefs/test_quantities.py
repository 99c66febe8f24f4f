"""Named quantities: their queries, with the dataset put in."""

from __future__ import annotations

import pytest

from jobdefs.quantities import NamedQuery, read_quantities


def read(write, *parameters, types="<datasetTypes>image</datasetTypes>"):
    text = "".join(f"<jobDatasetParameter>{one}</jobDatasetParameter>" for one in parameters)
    found, problems = read_quantities(
        write("job_dataset_parameters/a.xml", f"<jobDatasetType>{types}{text}</jobDatasetType>")
    )
    return found, [(one.severity.value, one.message) for one in problems]


def test_queries_of_both_syntaxes(write):
    """ijp-spec §1.2, req. 115-117."""
    old = "COUNT(Datafile) <-> Dataset [id=${datasetId}]"
    new = "SELECT SUM(f.fileSize) FROM Datafile f WHERE f.dataset.id = ${datasetId}"
    escaped = old.replace("<", "&lt;")
    found, problems = read(
        write,
        f"<name>numFiles</name><query>\n {escaped}</query>",
        f"<query>{new}</query><name>size</name>",
    )
    assert problems == []
    assert found.dataset_types == ("image",)
    assert found.queries == (NamedQuery("numFiles", old), NamedQuery("size", new))
    assert found.queries[0].for_each == "COUNT(Datafile) <-> Dataset [id=:id]"
    assert found.queries[1].for_dataset(17).endswith("f.dataset.id = 17")


def test_only_a_number_is_put_into_a_query():
    """B4, security 13."""
    with pytest.raises(ValueError):
        NamedQuery("n", "id = ${datasetId}").for_dataset("1 OR 1 = 1")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parameter", "severity", "message", "kept"),
    [
        ("<name>n</name>", "error", "<jobDatasetParameter> has no <query>", False),
        ("<query>${datasetId}</query>", "error", "<jobDatasetParameter> has no <name>", False),
        (
            "<name>n</name><query>${datasetID}</query>",
            "error",
            "query of 'n': ${datasetID} means nothing",
            False,
        ),
        ("<name>n</name><query>x</query>", "warning", "query of 'n' is the same", True),
        (
            "<name>n</name><query>'${datasetId}'</query>",
            "warning",
            "query of 'n' has ${datasetId} in quotes",
            True,
        ),
        (
            "<name>n files</name><query>${datasetId}</query>",
            "warning",
            "no condition can mention 'n files'",
            True,
        ),
        (
            "<name>null</name><query>${datasetId}</query>",
            "warning",
            "no condition can mention 'null'",
            True,
        ),
    ],
)
def test_what_is_wrong_is_said_and_the_rest_is_kept(write, parameter, severity, message, kept):
    found, problems = read(write, parameter, "<name>ok</name><query>${datasetId}</query>")
    assert [one[0] for one in problems] == [severity]
    assert problems[0][1].startswith(message)
    assert [one.name for one in found.queries][-1] == "ok"
    assert (len(found.queries) == 2) is kept


def test_a_file_that_defines_nothing_says_so(write):
    found, problems = read(write, types="")
    assert found.queries == ()
    assert [severity for severity, _ in problems] == ["error", "warning"]
