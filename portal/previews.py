"""Which files a browser can show as pictures, told by what is in them, not by their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST_BYTES = 2 << 20

_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
_ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".webp")


def picture_type(beginning: bytes) -> str | None:
    """The MIME type of a picture that begins so; None if it is no picture for browsers."""
    for known, kind in _BEGINNINGS:
        if beginning.startswith(known):
            return kind
    is_webp = beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP"
    return "image/webp" if is_webp else None


def is_picture(datafile: Mapping[str, Any]) -> bool:
    """Whether a file is worth showing: called like a picture, and small enough."""
    size = datafile.get("fileSize")
    small = size is not None and 0 < int(size) <= MOST_BYTES
    return small and str(datafile.get("name", "")).lower().endswith(_ENDINGS)
