"""What calls are told, from text to values; names and messages are those of the IDS interface."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from datastore.storing import NewDatafile
from ijp.datastore import Selection
from ijp.errors import BadRequestError

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_LONG = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_CRC32 = re.compile(r"[0-9A-Fa-f]{1,8}")
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_PUT_FIELDS = frozenset(
    {
        "sessionId",
        "name",
        "datafileFormatId",
        "datasetId",
        "description",
        "doi",
        "datafileCreateTime",
        "datafileModTime",
        "wrap",
        "padding",
    }
)

Texts = Mapping[str, str]


def uuid_of(texts: Texts, name: str) -> str:
    """An id of a session or of a prepared selection.

    Raises:
        BadRequestError: It is missing or has not the form of one.
    """
    found = texts.get(name)
    if found is None:
        raise BadRequestError(f"The {name} parameter must be set")
    if not _UUID.fullmatch(found):
        raise BadRequestError(f"The {name} parameter is not a valid UUID")
    return found


def flag(texts: Texts, name: str) -> bool:
    """Only the word true, in any case, is."""
    return texts.get(name, "").lower() == "true"


def selection(texts: Texts) -> Selection:
    """The selected ids.

    Raises:
        BadRequestError: A member of a list is no number.
    """
    return Selection(
        investigation_ids=_ids(texts, "investigationIds"),
        dataset_ids=_ids(texts, "datasetIds"),
        datafile_ids=_ids(texts, "datafileIds"),
    )


def new_datafile(
    texts: Texts, *, length: int | None, crc32: str | None, sha256: str | None = None
) -> NewDatafile:
    """What ``put`` is told of a file.

    Raises:
        BadRequestError: Something is missing, or is no number where one is needed.
    """
    for needed in ("name", "datafileFormatId", "datasetId"):
        if not texts.get(needed):
            raise BadRequestError(f"The {needed} parameter must be set")
    if crc32 is not None and not _CRC32.fullmatch(crc32):
        raise BadRequestError("The CRC-32 of the content must be a hexadecimal number")
    if sha256 is not None and not _SHA256.fullmatch(sha256):
        raise BadRequestError("The SHA-256 of the content must have 64 hexadecimal digits")
    return NewDatafile(
        name=texts["name"],
        datafile_format_id=_number(texts, "datafileFormatId"),
        dataset_id=_number(texts, "datasetId"),
        description=texts.get("description"),
        doi=texts.get("doi"),
        create_time=_moment(texts, "datafileCreateTime"),
        mod_time=_moment(texts, "datafileModTime"),
        length=length,
        crc32=None if crc32 is None else int(crc32, 16),
        sha256=None if sha256 is None else sha256.lower(),
    )


def check_form(texts: Texts) -> None:
    """Refuse a field that the form of ``put`` does not have.

    Raises:
        BadRequestError: There is one.
    """
    if unknown := texts.keys() - _PUT_FIELDS:
        raise BadRequestError(f"The form has the unknown field {sorted(unknown)[0][:40]!r}")


def _ids(texts: Texts, name: str) -> tuple[int, ...]:
    found = texts.get(name)
    if found is None:
        return ()
    return tuple(_long(one, name) for one in re.split(r"\s*,\s*", found.strip()))


def _number(texts: Texts, name: str) -> int:
    try:
        return _long(texts[name], name)
    except BadRequestError:
        raise BadRequestError(f"The {name} parameter must be numeric") from None


def _moment(texts: Texts, name: str) -> datetime | None:
    if not texts.get(name):
        return None
    try:
        return _EPOCH + timedelta(milliseconds=_number(texts, name))
    except OverflowError:
        raise BadRequestError(f"The {name} parameter is no moment") from None


def _long(text: str, name: str) -> int:
    if not _LONG.fullmatch(text) or not -(2**63) <= int(text) < 2**63:
        raise BadRequestError(f"The {name} parameter has {text[:40]!r}, which is not a number")
    return int(text)
