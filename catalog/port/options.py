"""What can be chosen for an export or an import."""

from __future__ import annotations

import enum

VERSION = "1.0"

FIRST_LINE = "# written by ijpd; a whole file ends with the line # end"
LAST_LINE = "# end"


class Attributes(enum.Enum):
    """Which attributes are written or read: without or with who made and changed what, and when."""

    USER = "USER"
    ALL = "ALL"


class Duplicate(enum.Enum):
    """What an import does with a row whose key is there already."""

    THROW = "THROW"
    IGNORE = "IGNORE"
    CHECK = "CHECK"
    OVERWRITE = "OVERWRITE"
