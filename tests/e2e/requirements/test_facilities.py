"""No facility is in the code, and none of the parts is closed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

from ijp.portal import PortalClient
from portal import facility, installation

NEXUS = Path(__file__).parents[4] / "shared" / "data" / "nexus"
IJPD = Path(sys.executable).with_name("ijpd")
OPEN = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software|MPL|Mozilla|LGPL|Lesser General|GPL|ZPL|Zope|Unlicense"
    r"|HPND|0BSD|Public Domain|CC0",
    re.IGNORECASE,
)


@pytest.mark.slow
def test_neutron_facility_is_another_installation_of_the_same_package(
    tmp_path, free_address, named, serving
):
    """req. 5, 24, 51: real NeXus files, by configuration alone, beside the microscopes."""
    if not NEXUS.is_dir():
        pytest.skip(f"the NeXus files are not at {NEXUS}")
    folder = tmp_path / "neutrons"
    words = ["init", folder, "--facility", "neutron", "--public-url", f"http://{free_address}"]
    subprocess.run([IJPD, *words], check=True, capture_output=True)
    passwords = {"ana": "ana: two words", "dora": "dora: two words"}
    installation.add_users(folder / "secrets", passwords)
    settings = folder / installation.SETTINGS_FILE
    subprocess.run([IJPD, "db", "upgrade", "--settings", settings], check=True, capture_output=True)
    described = facility.read(folder / "facility").document
    place = described["investigations"][0]["name"]
    drop = folder / "drop" / place
    drop.mkdir(parents=True)
    for one in NEXUS.iterdir():
        if one.suffix != ".md":
            shutil.copy(one, drop)
    with serving(settings, free_address):
        load = [IJPD, "facility", "load", "--settings", settings]
        subprocess.run(load, check=True, capture_output=True)
        people = {}
        for name, word in passwords.items():
            people[name] = PortalClient(f"http://{free_address}")
            people[name].login("simple", {"username": name, "password": word})
        _measure(people["dora"], people["ana"], place, named, len(list(drop.iterdir())))


def _measure(dora, ana, place: str, named, files: int) -> None:
    options = {"Folder": place}
    found = dora.form("ingest NeXus", options=options)["investigations"]
    (id,) = [one["id"] for one in found if one["name"] == place]
    (job,) = dora.submit("ingest NeXus", options=options, investigation_id=id)
    ended = _ended(dora, job)
    errors = b"".join(dora.output(job["id"], stream="err")).decode()
    assert ended["state"] == "Completed", errors
    loaded = named(ana, type="nexus")
    assert len(loaded) == files
    assert [one["name"] for one in ana.job_types()] == ["profile"]
    measured = named(ana, type="nexus", p=["numDimensions:ge:2", "peakCounts:gt:10"])
    assert measured
    (job,) = ana.submit(
        "profile", dataset_ids=[next(iter(measured.values()))["id"]], options={"Logarithmic": True}
    )
    assert _ended(ana, job)["state"] == "Completed"


def _ended(client, job):
    until = time.monotonic() + 120
    while (found := client.job(job["id"]))["state"] not in ("Completed", "Failed", "Cancelled"):
        assert time.monotonic() < until
        time.sleep(0.2)
    return found


def _components(name: str, seen: set[str]) -> set[str]:
    """Everything that a distribution needs to run, itself not counted."""
    for text in metadata.requires(name) or []:
        if "extra ==" in text and not (name == "ijp-server" and '"demo"' in text):
            continue
        needed = re.match(r"[A-Za-z0-9._-]+", text)[0].lower().replace("_", "-")
        try:
            metadata.distribution(needed)
        except metadata.PackageNotFoundError:
            continue  # only for other platforms or versions of Python
        if needed not in seen:
            seen.add(needed)
            _components(needed, seen)
    return seen


def test_every_component_has_an_open_licence():
    """req. 9: as its own metadata say."""
    licences = {}
    for name in sorted(_components("ijp-server", set())):
        about = metadata.metadata(name)
        said = [about.get("License-Expression"), (about.get("License") or "")[:200]]
        said += [one for one in about.get_all("Classifier") or [] if one.startswith("License")]
        licences[name] = " | ".join(one for one in said if one)
    assert len(licences) > 20
    assert {name: said for name, said in licences.items() if not OPEN.search(said)} == {}
