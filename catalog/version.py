"""The version of ICAT whose interface this is."""

from __future__ import annotations

VERSION = "6.2.0"
