"""How the facility calls itself, for those who are not logged in yet."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

FILE = "facility.toml"


@dataclass(frozen=True)
class FacilityName:
    """Its full name, and its own pages if it says where they are."""

    title: str
    url: str | None


def of(folder: Path, name: str) -> FacilityName:
    """What the facility's own file says; its short name if it says nothing."""
    try:
        changed = (folder / FILE).stat().st_mtime_ns
    except OSError:
        return FacilityName(name, None)
    return _read(folder / FILE, changed, name)


@lru_cache(maxsize=8)
def _read(file: Path, _changed: int, name: str) -> FacilityName:
    try:
        found = tomllib.loads(file.read_text("utf-8")).get("facility", {})
    except (OSError, ValueError):
        return FacilityName(name, None)
    url = str(found.get("url") or "")
    safe = urlsplit(url).scheme in ("http", "https")
    return FacilityName(str(found.get("full_name") or name), url if safe else None)
