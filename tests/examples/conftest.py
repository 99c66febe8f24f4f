"""The example facilities, each as an installation of its own with its people and drop folder."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ijp.datastore import DatastoreClient, Selection
from ijp.portal import Record
from portal.demo import fill_drop_folder
from tests.portal_site import Portal, install, running

PASSWORDS = {"ana": "ana's words", "ben": "ben's words", "dora": "dora's words"}
NEXUS = Path(__file__).parents[2] / ".." / "shared" / "data" / "nexus"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.end_to_end)


@dataclass
class FacilitySite:
    """A running installation of an example facility."""

    portal: Portal

    @property
    def drop(self) -> Path:
        """Where instruments leave their files."""
        return self.portal.folder / "drop"

    def run(
        self, job_type: str, user: str = "ana", state: str = "Completed", **arguments: Any
    ) -> Record:
        """Run a job to its end; gives it with ``out`` and ``err``, what it wrote."""
        (job,) = self.portal.user(user).submit(job_type, **arguments)
        done = self.portal.wait(job, user=user, seconds=150)
        for stream in ("out", "err"):
            text = b"".join(self.portal.user(user).output(job["id"], stream=stream))
            done[stream] = text.decode()
        assert done["state"] == state, (done["reason"], done["err"])
        return done

    def ingest(self, job_type: str, folder: str, place: str, state: str = "Completed") -> Record:
        """Load a folder of the drop folder into an investigation, as the data manager."""
        return self.run(
            job_type,
            "dora",
            state,
            options={"Folder": folder},
            investigation_id=self.portal.investigation(place),
        )

    def datasets(self, user: str = "ana", **search: Any) -> dict[str, Record]:
        """What a search finds, by name."""
        found = self.portal.user(user).datasets(limit="200", **search)["datasets"]
        return {one["name"]: one for one in found}

    def parameters(self, dataset_id: int) -> dict[str, Any]:
        """The values of a dataset's parameters by name."""
        found = self.portal.user("ana").dataset(dataset_id)["parameters"]
        return {one["name"]: one["value"] for one in found}

    def files(self, dataset_id: int) -> dict[str, bytes]:
        """The content of a dataset's files by name."""
        user = self.portal.user("ana")
        client = DatastoreClient(f"{self.portal.url}/ids")
        session = client.session(str(user.session_id))
        found: dict[str, bytes] = {}
        for file in user.datafiles(dataset_id):
            with session.get_data(Selection(datafile_ids=[file["id"]])) as data:
                target = io.BytesIO()
                for block in data.blocks():
                    target.write(block)
                found[file["name"]] = target.getvalue()
        client._transport._http.close()
        return found


@contextmanager
def _site(folder: Path, name: str) -> Iterator[FacilitySite]:
    install(folder, described=name, passwords=PASSWORDS)
    with running(folder, passwords=PASSWORDS) as portal:
        yield FacilitySite(portal)


@pytest.fixture(scope="session")
def imaging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FacilitySite]:
    """The imaging facility with the pictures of two investigations loaded."""
    with _site(tmp_path_factory.mktemp("imaging") / "site", "imaging") as site:
        fill_drop_folder(site.drop)
        for place in ("MIC-2026-1", "MAT-2026-3"):
            site.ingest("ingest", place, place)
        yield site


@pytest.fixture(scope="session")
def neutron(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FacilitySite]:
    """The neutron and X-ray facility, empty: made of files only (req. 5, 24)."""
    with _site(tmp_path_factory.mktemp("neutron") / "site", "neutron") as site:
        site.drop.mkdir()
        yield site


@pytest.fixture(scope="session")
def nexus_files() -> list[Path]:
    """Ten real files, by name."""
    if not NEXUS.is_dir():
        pytest.skip(f"the ten NeXus files are not there: {NEXUS} is no folder")
    return sorted(one for one in NEXUS.iterdir() if one.suffix != ".md")
