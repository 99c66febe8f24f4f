"""Names of files: in zips, in headers, and which ones may be given."""

from __future__ import annotations

import re
from datetime import datetime
from urllib.parse import quote, quote_plus

from datastore.storage import DatasetInfo
from ijp.errors import BadRequestError

LONGEST_NAME = 255
"""Characters that the catalog keeps of a Datafile's name."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_PLAIN = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*", re.ASCII)
_DRIVE = re.compile(r"^[A-Za-z]:")


def checked(name: str) -> str:
    """A name under which a file may be stored; it may have folders, all below its dataset.

    Raises:
        BadRequestError: It is too long, or would lead anywhere else when it is unpacked.
    """
    parts = name.split("/")
    if len(name) > LONGEST_NAME:
        raise _illegal(name[:40] + "…", f"longer than {LONGEST_NAME} characters")
    if _CONTROL.search(name):
        raise _illegal(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", name), "has control characters")
    if _DRIVE.match(name) or "\\" in name:
        raise _illegal(name, "has a drive letter or backslash")
    if any(part.strip() in ("", ".", "..") for part in parts):
        raise _illegal(name, "has an empty part or one of dots, or begins or ends with /")
    return name


def _illegal(name: str, why: str) -> BadRequestError:
    return BadRequestError(f"Illegal filename or dataset: {name!r} {why}")


def zip_folder(dataset: DatasetInfo) -> str:
    """The folder of a dataset's files in a zip; each part is encoded as in a form."""
    parts = (
        dataset.facility_name,
        dataset.investigation_name,
        dataset.visit_id,
        dataset.name,
    )
    return "/".join(["ids", *map(_encoded, parts)])


def _encoded(part: str) -> str:
    text = quote_plus(part, safe="*").replace("~", "%7E")
    return text.replace(".", "%2E") if text in (".", "..") else text


def entry_name(folder: str, name: str, datafile_id: int) -> str:
    """Where a file stands in a zip: always below its dataset's folder, whatever its name is."""
    if _PLAIN.fullmatch(name):
        return f"{folder}/{name}"
    plain = _CONTROL.sub("_", name).replace("\\", "/")
    plain = _DRIVE.sub(lambda found: found.group()[0] + "_", plain.lstrip("/"))
    parts = [part for part in plain.split("/") if part.strip() not in ("", ".", "..")]
    return "/".join([folder, *(parts or [f"datafile-{datafile_id}"])])


def zip_name(asked: str, now: datetime) -> str:
    """The file name of a zip: as asked, ending in ``.zip``, or the time."""
    name = asked or now.strftime("%Y-%m-%d_%H-%M-%S.zip")
    return name if name.rpartition(".")[2] == "zip" else name + ".zip"


def content_disposition(name: str) -> str:
    """The header that proposes a name to save as (RFC 6266); nothing in it can end the header."""
    last = _CONTROL.sub("", name).replace("\\", "/").rstrip("/").rpartition("/")[2] or "download"
    plain = re.sub(r"[^ !#-\[\]-~]|%", "_", last)
    text = f'attachment; filename="{plain}"'
    return text if plain == last else f"{text}; filename*=UTF-8''{quote(last, safe='')}"
