"""The tus 1.0 protocol at ``/ids/tus``: uploads in pieces that go on after any interruption.

The session comes in the header ``Authorization`` only, with every request. A ``POST`` begins an
upload, whose metadata are the parameters of ``put``, and ``crc32`` or ``sha256`` (hexadecimal) if
the content is to be verified. When the last byte has arrived the file is registered, and the
answer has the id in ``X-Datafile-Id``; if that could not be done, the next ``HEAD`` does it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass

from flask import Blueprint, Response, current_app, request, url_for
from werkzeug.http import http_date

from datastore import schemas
from datastore.asker import asks
from datastore.incoming import heard_out, pieces_of_body
from datastore.tus_pieces import (
    ALGORITHMS,
    ChecksumError,
    Expected,
    LockedError,
    OffsetError,
)
from datastore.tus_records import Arriving
from datastore.tus_uploads import TusUploads
from ijp.catalog import CatalogClient, CatalogSession
from ijp.datastore import CRC32_HEADER, SHA256_HEADER
from ijp.errors import (
    BadRequestError,
    ConflictError,
    NotAuthenticatedError,
    NotImplementedHereError,
    PortalError,
)
from ijp.tus import VERSION, metadata_header, metadata_of

EXTENSIONS = "creation,creation-with-upload,expiration,checksum,termination"
DATAFILE_HEADER = "X-Datafile-Id"
PIECE = "application/offset+octet-stream"
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_ID = "<uuid:id>"

blueprint = Blueprint("tus", __name__, url_prefix="/ids/tus")


@dataclass(frozen=True)
class TusParts:
    """What the protocol works with.

    Attributes:
        largest_bytes: None for no limit.
    """

    catalog: CatalogClient
    uploads: TusUploads
    read_only: bool
    largest_bytes: int | None


class VersionError(BadRequestError):
    """The client speaks another version."""


class MediaTypeError(BadRequestError):
    """A piece is not marked as one."""


_STATUS: tuple[tuple[type[PortalError], int], ...] = (
    (VersionError, 412),
    (MediaTypeError, 415),
    (OffsetError, 409),
    (LockedError, 423),
    (ChecksumError, 460),
    # Not 409, with which clients try again.
    (ConflictError, 422),
)


def _parts() -> TusParts:
    found: TusParts = current_app.extensions["tus"]
    return found


@blueprint.errorhandler(PortalError)
def _refused(error: PortalError) -> Response:
    # The application's own form of an error; the protocol has statuses of its own.
    answer: Response = current_app.extensions["ids_answer"](error)
    own = (status for kind, status in _STATUS if isinstance(error, kind))
    answer.status_code = next(own, answer.status_code)
    return answer


@blueprint.after_request
def _mark(answer: Response) -> Response:
    answer.headers["Tus-Resumable"] = VERSION
    answer.headers["Cache-Control"] = "no-store"
    if answer.status_code == 412:
        answer.headers["Tus-Version"] = VERSION
    answer.headers["Access-Control-Allow-Methods"] = "POST, HEAD, PATCH, DELETE, OPTIONS"
    answer.headers["Access-Control-Allow-Headers"] = (
        "Authorization, Content-Type, Tus-Resumable, Upload-Checksum, Upload-Length, "
        "Upload-Metadata, Upload-Offset, X-HTTP-Method-Override, X-Requested-With"
    )
    answer.headers["Access-Control-Expose-Headers"] = (
        f"Location, Tus-Checksum-Algorithm, Tus-Extension, Tus-Max-Size, Tus-Resumable, "
        f"Tus-Version, Upload-Expires, Upload-Length, Upload-Metadata, Upload-Offset, "
        f"{DATAFILE_HEADER}"
    )
    return answer


@blueprint.route("", methods=["OPTIONS"], provide_automatic_options=False)
@blueprint.route(f"/{_ID}", methods=["OPTIONS"], provide_automatic_options=False)
def describe(id: object = None) -> Response:
    """Tell what this server can do."""
    answer = Response(status=204)
    answer.headers["Tus-Version"] = VERSION
    answer.headers["Tus-Extension"] = EXTENSIONS
    answer.headers["Tus-Checksum-Algorithm"] = ",".join(ALGORITHMS)
    if (largest := _parts().largest_bytes) is not None:
        answer.headers["Tus-Max-Size"] = str(largest)
    return answer


@blueprint.route("", methods=["POST"], provide_automatic_options=False)
def create() -> Response:
    """Begin an upload, with its first piece if one comes along."""
    return heard_out(_created)


def _created() -> Response:
    session = _session()
    if "Upload-Defer-Length" in request.headers:
        raise BadRequestError("Upload-Length must be told at the start")
    length = _number("Upload-Length")
    upload = _parts().uploads.create(session, metadata(_header("Upload-Metadata")), length)
    answer = _taken(session, upload, 0) if _has_piece() else _state(session, upload, 0, 201)
    answer.status_code = 201
    answer.headers["Location"] = url_for(".send", id=upload.id, _external=False)
    return answer


@blueprint.route(f"/{_ID}", methods=["HEAD"], provide_automatic_options=False)
def tell(id: object) -> Response:
    """Tell how much has arrived."""
    session = _session()
    uploads = _parts().uploads
    upload = uploads.get(session, str(id))
    answer = _state(session, upload, uploads.offset(upload), 200)
    answer.headers["Upload-Length"] = str(upload.length)
    answer.headers["Upload-Metadata"] = metadata_header(upload.told)
    return answer


@blueprint.route(f"/{_ID}", methods=["PATCH"], provide_automatic_options=False)
def send(id: object) -> Response:
    """Add a piece."""
    return heard_out(lambda: _added(str(id)))


def _added(id: str) -> Response:
    session = _session()
    if not _has_piece():
        raise MediaTypeError(f"a piece has the Content-Type {PIECE}")
    return _taken(session, _parts().uploads.get(session, id), _number("Upload-Offset"))


@blueprint.route(f"/{_ID}", methods=["DELETE"], provide_automatic_options=False)
def give_up(id: object) -> Response:
    """Remove what has arrived."""
    uploads = _parts().uploads
    uploads.remove(uploads.get(_session(), str(id)))
    return Response(status=204)


_OVERRIDDEN: dict[str, Callable[[object], Response]] = {
    "PATCH": send,
    "DELETE": give_up,
    "HEAD": tell,
}


@blueprint.route(f"/{_ID}", methods=["POST"], provide_automatic_options=False)
def override(id: object) -> Response:
    """Do what X-HTTP-Method-Override says, for clients that only have POST."""
    wanted = _OVERRIDDEN.get(request.headers.get("X-HTTP-Method-Override", ""))
    if wanted is None:
        raise BadRequestError("X-HTTP-Method-Override must be PATCH, DELETE or HEAD")
    return wanted(id)


def _taken(session: CatalogSession, upload: Arriving, offset: int) -> Response:
    reached = _parts().uploads.append(upload, offset, pieces_of_body(), _expected())
    return _state(session, upload, reached, 204)


def _state(session: CatalogSession, upload: Arriving, reached: int, status: int) -> Response:
    """How far the upload is; one that is whole is registered first."""
    uploads = _parts().uploads
    answer = Response(status=status)
    if reached == upload.length:
        answer.headers[DATAFILE_HEADER] = str(uploads.finish(session, upload))
        if found := uploads.found(upload):
            answer.headers[CRC32_HEADER] = f"{found.crc32:08x}"
            answer.headers[SHA256_HEADER] = found.sha256
    answer.headers["Upload-Offset"] = str(reached)
    answer.headers["Upload-Expires"] = http_date(upload.expires)
    return answer


def _session() -> CatalogSession:
    if _parts().read_only:
        raise NotImplementedHereError("This operation has been configured to be unavailable")
    if request.headers.get("Tus-Resumable") != VERSION:
        raise VersionError(f"Tus-Resumable must be {VERSION}")
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer":
        raise NotAuthenticatedError("uploads need a session in the header Authorization")
    id = schemas.uuid_of({"sessionId": token.strip()}, "sessionId")
    return asks(_parts().catalog.session(id))


def _has_piece() -> bool:
    return request.mimetype == PIECE


def _header(name: str) -> str:
    return request.headers.get(name, "")


def _number(name: str) -> int:
    text = _header(name)
    if not _NUMBER.fullmatch(text):
        raise BadRequestError(f"{name} must be a number of bytes, not {text[:40]!r}")
    return int(text)


def _expected() -> Expected | None:
    """What Upload-Checksum announces."""
    if not (text := _header("Upload-Checksum")):
        return None
    algorithm, _, encoded = text.partition(" ")
    if algorithm not in ALGORITHMS:
        raise BadRequestError(f"Upload-Checksum has {algorithm[:40]!r}, not one of {_known()}")
    try:
        return Expected(algorithm, base64.b64decode(encoded, validate=True))
    except binascii.Error as error:
        raise BadRequestError("Upload-Checksum is not in base64") from error


def _known() -> str:
    return ", ".join(ALGORITHMS)


def metadata(header: str) -> dict[str, str]:
    """Read Upload-Metadata; ``filename``, which browsers' clients send, stands for ``name``.

    Raises:
        BadRequestError: It is not in its form, or has a session, which is for headers only.
    """
    found = metadata_of(header)
    if "sessionId" in found:
        raise BadRequestError("the session belongs into the header Authorization")
    if "filename" in found:
        found.setdefault("name", found.pop("filename"))
    return found
