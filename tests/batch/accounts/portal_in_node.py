"""A whole portal on a worker node, as its own account, with jobs in accounts; run there."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.batch.accounts.node import HELPER
from tests.portal_site import install, running


def main(folder: Path) -> dict[str, Any]:
    """Run a job that reads and makes data through the gateway, and one that tells what it is."""
    install(folder)
    file = folder / "ijp.toml"
    text = file.read_text()
    table = "[portal.engine_settings]\n"
    assert table in text
    command = json.dumps(["/usr/bin/sudo", "-n", HELPER])
    file.write_text(text.replace(table, f"{table}accounts = {command}\n"))
    with running(folder) as portal:
        source = portal.dataset("source", files={"a.txt": b"hello"})
        (work,) = portal.user().submit("work", dataset_ids=[source], options={"Result": "made"})
        portal.completed(work)
        (show,) = portal.user().submit("told", arguments=["show", "a b"])
        portal.completed(show)
        told = json.loads(b"".join(portal.user().output(show["id"])))
        made = portal.root.search("SELECT f.name FROM Datafile f WHERE f.dataset.name = 'made'")
        return {"told": told, "made": made, "work": portal.user().job(work["id"])}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
