"""Makes job types and files of definitions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jobdefs.job_type import JobType
from jobdefs.read import read_job_type


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Writes a file of the facility's folder, which is ``tmp_path``."""

    def write(name: str, text: str) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    return write


@pytest.fixture
def make_job_type(write: Callable[[str, str], Path]) -> Callable[..., JobType]:
    """Makes a batch job type for images from its options, attributes and further elements."""

    def make_job_type(
        options: str = "",
        attributes: str = 'acceptsDatasets="true" acceptsDatafiles="true"',
        more: str = "<type>batch</type><datasetTypes>image</datasetTypes>",
    ) -> JobType:
        file = write(
            "job_types/made.xml",
            f"<jobType {attributes}><name>made</name><executable>/bin/echo</executable>"
            f"{more}{options}</jobType>",
        )
        found = read_job_type(file)
        assert found.job_type is not None, found.problems
        return found.job_type

    return make_job_type


@pytest.fixture
def option() -> Callable[..., str]:
    """Writes one option: ``option("Depth", "integer", "--depth", minValue="1")``."""

    def option(name: str, kind: str, parameter: str = "", **elements: str | list[str]) -> str:
        inner = "".join(
            f"<{element}>{one}</{element}>"
            for element, text in elements.items()
            for one in ([text] if isinstance(text, str) else text)
        )
        return (
            f"<jobOptions><name>{name}</name><type>{kind}</type>"
            f"<programParameter>{parameter}</programParameter>{inner}</jobOptions>"
        )

    return option
