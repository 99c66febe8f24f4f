"""Portals whose jobs run on a real Slurm."""

from __future__ import annotations

import json
from pathlib import Path

from portal import installation
from tests.batch.sites import slurm
from tests.batch.sites.slurm import SlurmSite
from tests.portal_site import copy


def install(source: Path, folder: Path, site: SlurmSite) -> None:
    """Copy an installation and have its jobs run on Slurm."""
    copy(source, folder)
    settings_file = folder / installation.SETTINGS_FILE
    head, _, _ = settings_file.read_text().partition("[portal.engine_settings]")
    head = head.replace('engine = "local"', 'engine = "slurm"\npoll_interval_seconds = 0.5')
    settings_file.write_text(f"{head}[portal.engine_settings]\n{_table(site)}array_limit = 100\n")


def add(folder: Path, site: SlurmSite, name: str) -> None:
    """Let an installation have Slurm as one more engine."""
    with (folder / installation.SETTINGS_FILE).open("a") as target:
        target.write(f'\n[portal.engines.{name}]\nkind = "slurm"\npoll_interval_seconds = 0.5\n')
        target.write(f"\n[portal.engines.{name}.settings]\n{_table(site)}")


def _table(site: SlurmSite) -> str:
    environment = json.dumps(site.environment).replace(":", " =")
    return (
        f'command_folder = "{slurm.COMMANDS}"\n'
        f"environment = {environment}\n"
        f'defaults = {{queue = "batch"}}\n'
    )
