"""What comes with the package: example facilities that can be run as they are."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).resolve().parent / "examples"


def examples_folder() -> Path:
    """The folder of the example facilities and of the rules that fit most facilities."""
    return _FOLDER


def example(name: str) -> Path:
    """The folder of an example facility.

    Raises:
        ValueError: There is none of that name; the message lists those there are.
    """
    known = sorted(one.parent.name for one in _FOLDER.glob("*/facility.toml"))
    if name not in known:
        raise ValueError(f"no example facility {name!r} (there are: {', '.join(known)})")
    return _FOLDER / name
