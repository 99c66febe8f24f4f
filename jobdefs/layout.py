"""Where the definitions lie in a facility's folder."""

from __future__ import annotations

from pathlib import Path

FAMILIES = "families.xml"
DATASET_ITEMS = "dataset_search_items.xml"
DATAFILE_ITEMS = "datafile_search_items.xml"
ITEMS_OF_2013 = "search_items.xml"
JOB_TYPES = "job_types"
QUANTITIES = "job_dataset_parameters"


def definition_files(folder: Path) -> list[Path]:
    """The files that are there, in the order in which later ones win."""
    single = [folder / name for name in (FAMILIES, DATASET_ITEMS, DATAFILE_ITEMS, ITEMS_OF_2013)]
    several = [
        file
        for subfolder in (QUANTITIES, JOB_TYPES)
        for file in sorted((folder / subfolder).glob("*.xml"))
        if not file.name.startswith(".")
    ]
    return [file for file in single if file.exists()] + several
