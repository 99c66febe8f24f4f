"""A dataset's page: what it is, its files, what it was made from and what was made from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from flask import (
    Blueprint,
    Response,
    flash,
    redirect,
    render_template,
    request,
    stream_with_context,
)
from flask.typing import ResponseReturnValue

from ijp import datastore
from ijp.catalog import Entity
from ijp.datastore import Download
from ijp.errors import DataNotOnlineError, NotAuthorizedError, NotFoundError, PortalError
from ijp.query import query
from portal import data_places
from portal.find import Found
from portal.offers import offers
from portal.previews import is_picture, picture_type
from portal.provenance_graph import DEPTH, Expansion, Graph, Node, graph_of
from portal.provenance_graph import Kind as NodeKind
from portal.provenance_picture import HEIGHT, WIDTH, draw
from portal.selection import Selection, look_up
from portal.services import services
from portal.sessions import User, login_required, require_user

blueprint = Blueprint("dataset", __name__)
blueprint.add_app_template_test(is_picture, "picture")

FILES_SHOWN = 100
_WHOLE = "Dataset d INCLUDE d.parameters AS its, its.type, d.type, d.investigation AS i, i.facility"
# What is shown inside a page must not be able to do anything there.
_FILE_POLICY = "default-src 'none'; sandbox"


@blueprint.get("/datasets/<int:dataset_id>")
@login_required
def show(dataset_id: int) -> ResponseReturnValue:
    """All about one dataset."""
    user = require_user()
    entity = _get(user, dataset_id)
    selected = look_up(user.catalog, Selection((dataset_id,)))
    found = offers(services().definitions.current(), user.name, selected)
    files = _files(user, dataset_id, _after())
    return render_template(
        "dataset/show.html",
        dataset=Found.of(entity),
        files=files[:FILES_SHOWN],
        more_files=files[FILES_SHOWN - 1]["id"] if len(files) > FILES_SHOWN else None,
        offers=[one for one in found if one.fits],
        quote=quote,
        public_url=services().settings.public_url.rstrip("/"),
        place=data_places.place_of(services().datastore, user, _whole(dataset_id)),
        **_provenance(user, dataset_id),
    )


@blueprint.post("/datasets/<int:dataset_id>/restore")
@login_required
def restore(dataset_id: int) -> ResponseReturnValue:
    """Have a dataset come back from the archive."""
    user = require_user()
    _get(user, dataset_id)
    data_places.restore(services().datastore, user, _whole(dataset_id))
    flash("The data have been asked for; they come back from the archive.", "success")
    return redirect(f"/datasets/{dataset_id}", 303)


def _whole(dataset_id: int) -> datastore.Selection:
    return datastore.Selection(dataset_ids=(dataset_id,))


@blueprint.get("/datasets/<int:dataset_id>/provenance")
@login_required
def provenance(dataset_id: int) -> ResponseReturnValue:
    """The picture alone: as a page, or as a part of one for the script that expands it."""
    user = require_user()
    entity = _get(user, dataset_id)
    part = request.headers.get("X-Fragment")
    page = "provenance/_picture.html" if part else "provenance/page.html"
    return render_template(page, dataset=Found.of(entity), **_provenance(user, dataset_id))


@blueprint.get("/datafiles/<int:datafile_id>/content")
@login_required
def content(datafile_id: int) -> ResponseReturnValue:
    """A file's content: ``?inline=1`` for a picture inside a page, else to be saved."""
    user = require_user()
    chosen = datastore.Selection(datafile_ids=(datafile_id,))
    if request.args.get("inline"):
        _require_on_disk(user, chosen)
    try:
        download = services().datastore.session(user.session_id).get_data(chosen)
    except (NotFoundError, NotAuthorizedError):
        raise NotFoundError(f"there is no datafile {datafile_id} that you may see") from None
    blocks = _closing(download)
    first = next(blocks, b"")
    answer = Response(stream_with_context(_chain(first, blocks)))
    kind = picture_type(first) if request.args.get("inline") else None
    answer.mimetype = kind or "application/octet-stream"
    name = quote(download.name or f"datafile-{datafile_id}", safe="")
    if kind is None:
        answer.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
    else:
        answer.headers["Cache-Control"] = "private, max-age=300"
    if download.size is not None:
        answer.content_length = download.size
    answer.headers["Content-Security-Policy"] = _FILE_POLICY
    return answer


def _require_on_disk(user: User, chosen: datastore.Selection) -> None:
    """A picture inside a page does not bring its data back from the archive."""
    place = data_places.place_of(services().datastore, user, chosen)
    if place is not None and place.status != "ONLINE":
        raise DataNotOnlineError("this picture is in the archive")


def _get(user: User, dataset_id: int) -> Entity:
    try:
        return user.catalog.get(_WHOLE, dataset_id)
    except (NotFoundError, NotAuthorizedError):
        # As everywhere, what is not there and what is not for the user are not told apart.
        raise NotFoundError(f"there is no dataset {dataset_id} that you may see") from None


def _after() -> int:
    text = request.args.get("files-after", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _files(user: User, dataset_id: int, after: int) -> list[Entity]:
    text = (
        "SELECT f FROM Datafile f WHERE f.dataset.id = {} AND f.id > {}"
        f" ORDER BY f.id LIMIT 0, {FILES_SHOWN + 1} INCLUDE f.datafileFormat"
    )
    return list(user.catalog.search(query(text, dataset_id, after)))


def _closing(download: Download) -> Iterator[bytes]:
    with download:
        yield from download.blocks()


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


@dataclass(frozen=True)
class _Links:
    """Where the nodes of a graph lead."""

    root: int
    expansion: Expansion
    jobs: dict[str, str]

    def go(self, node: Node) -> str | None:
        """The page of what a node stands for."""
        if node.kind is NodeKind.DATASET:
            return f"/datasets/{node.number}"
        if node.kind is NodeKind.DATAFILE:
            return f"/datafiles/{node.number}/content"
        return self.jobs.get(node.id)

    def expand(self, kind: str, number: int) -> str:
        """The picture with one more thing expanded."""
        texts = self.expansion.with_one(kind, number).texts()
        parts = {"expand": ",".join(texts)}
        if self.expansion.depth != DEPTH:
            parts["depth"] = str(self.expansion.depth)
        return f"/datasets/{self.root}?{urlencode(parts, safe=':,')}#provenance"

    def expand_more(self, node: Node) -> str:
        """The picture with all that a ``more`` node stands for."""
        return self.expand("job", int(node.id.split(":")[2]))


def _provenance(user: User, dataset_id: int) -> dict[str, object]:
    depth = request.args.get("depth", "")
    depth_number = int(depth) if depth.isascii() and depth.isdigit() and len(depth) < 4 else DEPTH
    expansion = Expansion.parse(request.args.getlist("expand"), depth_number)
    graph = graph_of(user.catalog, dataset_id, expansion)
    return {
        "graph": graph,
        "picture": draw(graph),
        "links": _Links(dataset_id, expansion, _job_pages(user, graph)),
        "box_width": WIDTH,
        "box_height": HEIGHT,
        "expansion": expansion,
    }


def _job_pages(user: User, graph: Graph) -> dict[str, str]:
    """The pages of the jobs that are this user's own."""
    found = {}
    for node in graph.nodes.values():
        if node.public_id:
            try:
                found[node.id] = f"/jobs/{services().jobs.get(user, node.public_id).id}"
            except PortalError:
                continue
    return found
