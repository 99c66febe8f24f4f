"""The IDS interface: reads a request, calls one function, answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request

from datastore import multipart, schemas
from datastore.anonymous import Anonymous
from datastore.asker import asks
from datastore.incoming import Reading, heard_out, pieces_of_body
from datastore.locations import Locations
from datastore.multipart import Form
from datastore.prepared import PreparedStore
from datastore.selection import Resolver, SelectedDatafile, must_zip
from datastore.sending import Sender, Wanted
from datastore.service_status import status_of
from datastore.storing_many import ManyDepot, files_of_tar
from datastore.tiers.levels import Held, Levels, Status
from ijp.catalog import CatalogClient, CatalogSession
from ijp.datastore import (
    CRC32_HEADER,
    FILES_HEADER,
    ONLINE_HEADER,
    SHA256_HEADER,
    Stored,
)
from ijp.errors import BadRequestError, NotAuthorizedError, NotImplementedHereError

API_VERSION = "2.1.1"

blueprint = Blueprint("ids", __name__, url_prefix="/ids")


@dataclass(frozen=True)
class Parts:
    """What the calls use.

    Attributes:
        icat_url: As it is told to clients.
        root_users: Catalog user names who may ask what the service does.
        anonymous: For those who ask without a session where data are; None if they may not.
    """

    catalog: CatalogClient
    icat_url: str
    read_only: bool
    depot: ManyDepot
    prepared: PreparedStore
    sender: Sender
    locations: Locations = field(default_factory=Locations)
    levels: Levels = field(default_factory=Levels)
    root_users: frozenset[str] = frozenset()
    anonymous: Anonymous | None = None


def parts() -> Parts:
    """The parts of the application that answers."""
    found: Parts = current_app.extensions["datastore"]
    return found


@blueprint.get("/ping")
def ping() -> Response:
    """Say that this is a data service."""
    return _text("IdsOK")


@blueprint.get("/version")
def version() -> Response:
    """Tell the version, that the session may come in a header, and that tus is spoken."""
    return jsonify(version=API_VERSION, sessionHeader=True, tus=True, putMany=True)


@blueprint.get("/getApiVersion")
def get_api_version() -> Response:
    """Tell the version as old clients ask for it."""
    return _text(API_VERSION)


@blueprint.get("/getIcatUrl")
def get_icat_url() -> Response:
    """Tell which catalog the sessions are of."""
    return _text(parts().icat_url)


@blueprint.get("/isReadOnly")
def is_read_only() -> Response:
    """Tell whether files can be stored and deleted."""
    return _text(_word(parts().read_only))


@blueprint.get("/isTwoLevel")
def is_two_level() -> Response:
    """Tell whether there is an archive behind the storage."""
    return _text(_word(parts().levels.is_two))


@blueprint.get("/getStatus")
def get_status() -> Response:
    """Tell where the selection is; with one level of storage it is online, if it exists."""
    found: Status = parts().levels.status(_selected(is_status=True))
    return _text(found)


@blueprint.get("/getServiceStatus")
def get_service_status() -> Response:
    """Tell administrators what is being moved and locked, and what could not be moved."""
    session = _session()
    name = session.user_name()
    if name not in parts().root_users:
        raise NotAuthorizedError(f"{name} may not ask what the data service does")
    return jsonify(status_of(parts().levels.overview(), _resolver(session)))


@blueprint.get("/getSize")
def get_size() -> Response:
    """Tell the bytes of the selection."""
    sender = parts().sender
    sizes = (sender.size_of(one) if one.file_size is None else one.file_size for one in _selected())
    return _text(str(sum(sizes)))


@blueprint.get("/getDatafileIds")
def get_datafile_ids() -> Response:
    """Tell the datafiles of the selection that have content."""
    if "preparedId" in request.args:
        found = parts().prepared.get(schemas.uuid_of(request.args, "preparedId"))
        ids = [one.id for one in found.datafiles]
        return jsonify(zip=found.zip, compress=found.compress, ids=ids)
    return jsonify(ids=[one.id for one in _selected()])


@blueprint.post("/prepareData")
def prepare_data() -> Response:
    """Make a selection downloadable by an id alone."""
    asked = schemas.selection(request.form)
    datafiles = _resolver(_session()).resolve(asked)
    is_zip = schemas.flag(request.form, "zip") or must_zip(asked)
    compress = schemas.flag(request.form, "compress")
    parts().levels.prepare(datafiles)
    return _text(parts().prepared.add(datafiles, zip=is_zip, compress=compress))


@blueprint.get("/isPrepared")
def is_prepared() -> Response:
    """Tell whether a prepared selection can be downloaded at once; what is archived comes back.

    Headers say how many files there are, and how many of them are online.
    """
    found = parts().prepared.get(schemas.uuid_of(request.args, "preparedId"))
    levels, files = parts().levels, found.datafiles
    is_ready = levels.is_ready(files)
    answer = _text(_word(is_ready))
    answer.headers[FILES_HEADER] = str(len(files))
    answer.headers[ONLINE_HEADER] = str(len(files) if is_ready else levels.online(files))
    return answer


@blueprint.get("/getData")
def get_data() -> Response:
    """Send one file as it is, or a zip."""
    if "preparedId" in request.args:
        found = parts().prepared.get(schemas.uuid_of(request.args, "preparedId"))
        return _sent(found.datafiles, is_zip=found.zip, compress=found.compress)
    asked = schemas.selection(request.args)
    return _sent(
        _resolver(_session()).resolve(asked),
        is_zip=schemas.flag(request.args, "zip") or must_zip(asked),
        compress=schemas.flag(request.args, "compress"),
    )


def _sent(datafiles: list[SelectedDatafile], *, is_zip: bool, compress: bool) -> Response:
    wanted = Wanted(
        environ=request.environ,
        name=request.args.get("outname", ""),
        range=request.headers.get("Range"),
        if_range=request.headers.get("If-Range"),
    )
    held = parts().levels.reading(datafiles)
    try:
        if is_zip:
            answer = parts().sender.zip(datafiles, wanted, compress=compress)
        else:
            answer = parts().sender.file(datafiles[0], wanted)
    except BaseException:
        held.release()
        raise
    return _released_after(answer, held)


def _released_after(answer: Response, held: Held) -> Response:
    """Let data be moved when an answer has been sent, or has broken off."""
    body = answer.response
    close = getattr(body, "close", lambda: None)

    def close_and_release() -> None:
        try:
            close()
        finally:
            held.release()

    try:
        body.close = close_and_release  # type: ignore[union-attr]
    except AttributeError:
        answer.response = _Closing(body, close_and_release)
    return answer


class _Closing:
    """Pieces of an answer, with something to do at their end."""

    def __init__(self, pieces: Iterable[Any], close: Callable[[], None]) -> None:
        self._pieces = pieces
        self.close = close

    def __iter__(self) -> Iterator[Any]:
        return iter(self._pieces)


@blueprint.put("/put")
def put() -> Response:
    """Store the body as a file and register it."""
    return heard_out(lambda: _stored(request.args, pieces_of_body(), request.content_length))


@blueprint.post("/put")
def put_form() -> Response:
    """Store the file of a form and register it."""
    return heard_out(_stored_form)


def _stored_form() -> Response:
    _refuse_if_read_only()
    form: Form = multipart.read(Reading(request.stream), request.headers.get("Content-Type", ""))
    schemas.check_form(form.fields)
    if form.content is None:
        _session(form.fields)
        raise BadRequestError("the form has no file")
    fields = {"name": form.file_name, **form.fields}
    return _stored(fields, form.content, None)


def _stored(texts: Mapping[str, str], blocks: Iterator[bytes], length: int | None) -> Response:
    _refuse_if_read_only()
    session = _session(texts)
    new = schemas.new_datafile(
        texts,
        length=length,
        crc32=request.headers.get(CRC32_HEADER),
        sha256=request.headers.get(SHA256_HEADER),
    )
    stored: Stored = parts().depot.put(session, new, blocks)
    location = stored.location.replace("\\", "\\\\").replace("'", "\\'")
    answer = jsonify(id=stored.id, checksum=stored.checksum, location=location, size=stored.size)
    answer.status_code = 201
    return answer


@blueprint.put("/putMany")
def put_many() -> Response:
    """Store the files of a tar archive, which is the body, and register them: all or none."""
    return heard_out(_stored_many)


def _stored_many() -> Response:
    _refuse_if_read_only()
    session = _session()
    plain = schemas.new_datafile({**request.args, "name": "-"}, length=None, crc32=None)
    files = files_of_tar(Reading(request.stream), lambda name: replace(plain, name=name))
    found = parts().depot.put_many(session, plain.dataset_id, files)
    answer = jsonify([{"id": one.id, "checksum": one.checksum, "size": one.size} for one in found])
    answer.status_code = 201
    return answer


@blueprint.delete("/delete")
def delete() -> Response:
    """Delete the datafiles of the selection and their content."""
    _refuse_if_read_only()
    session = _session()
    datafiles = _resolver(session).resolve(schemas.selection(request.args))
    parts().depot.remove(session, datafiles)
    return Response(status=204)


@blueprint.post("/archive")
def archive() -> Response:
    """Have the selection leave the main storage."""
    return _moved(parts().levels.archive)


@blueprint.post("/restore")
def restore() -> Response:
    """Have the selection come back to the main storage."""
    return _moved(parts().levels.restore)


@blueprint.post("/write")
def write() -> Response:
    """Have the selection written to the archive again."""
    return _moved(parts().levels.write)


def _moved(action: Callable[[list[SelectedDatafile]], None]) -> Response:
    if not parts().levels.is_two:
        action([])
    asked = schemas.selection(request.form)
    action(_resolver(_session()).resolve(asked))
    return Response(status=204)


@blueprint.post("/reset")
def reset() -> Response:
    """Forget that something of the selection could not be moved."""
    parts().levels.reset(_selected())
    return Response(status=204)


@blueprint.post("/getLink")
def get_link() -> Response:
    """Refuse: nobody is given a way around the catalog's rules."""
    raise NotImplementedHereError("This operation has been configured to be unavailable")


def _refuse_if_read_only() -> None:
    if parts().read_only:
        raise NotImplementedHereError("This operation has been configured to be unavailable")


def _session(texts: Mapping[str, str] | None = None) -> CatalogSession:
    """The caller's session: from the header, or from the call's parameters."""
    authorization = request.headers.get("Authorization", "")
    kind, _, token = authorization.partition(" ")
    if kind.lower() == "bearer":
        texts = {"sessionId": token.strip()}
    elif texts is None:
        texts = request.form if request.method == "POST" else request.args
    return asks(parts().catalog.session(schemas.uuid_of(texts, "sessionId")))


def _resolver(session: CatalogSession) -> Resolver:
    return Resolver(session, parts().locations)


def _selected(*, is_status: bool = False) -> list[SelectedDatafile]:
    """The datafiles that a call with a preparedId, or with a session and ids, is about.

    Args:
        is_status: Whether no session will do, where that is allowed.
    """
    texts = request.form if request.method == "POST" else request.args
    if "preparedId" in texts:
        return parts().prepared.get(schemas.uuid_of(texts, "preparedId")).datafiles
    asked = schemas.selection(texts)
    has_session = "sessionId" in texts or "Authorization" in request.headers
    anonymous = parts().anonymous
    if is_status and not has_session and anonymous:
        resolver = _resolver(anonymous.session(request))
    else:
        resolver = _resolver(_session())
    # On one level all is where it is: only whether it exists, and for whom, has to be asked.
    return resolver.resolve(asked, inside=parts().levels.is_two or not is_status)


def _text(text: str) -> Response:
    return Response(text, content_type="text/plain; charset=utf-8")


def _word(value: bool) -> str:
    return "true" if value else "false"
