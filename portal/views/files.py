"""Bringing files in."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from ijp.catalog import Entity
from ijp.errors import ConflictError, PortalError, ValidationFailedError
from portal import drafts, uploads
from portal.incoming import Incoming, Readable
from portal.sessions import login_required, require_user
from portal.uploads import NewDataset

blueprint = Blueprint("files", __name__)


@blueprint.get("/upload")
@login_required
@drafts.restores_draft
def start() -> ResponseReturnValue:
    """Choose the dataset that files are to go to, or make one."""
    chosen = request.args.get("dataset", "")
    if chosen.isascii() and chosen.isdigit() and len(chosen) < 19:
        return redirect(url_for(".upload", dataset_id=int(chosen)))
    typed = drafts.typed()
    return _start_page(typed or {})


def _start_page(typed: Any, faults: dict[str, list[str]] | None = None) -> str:
    user = require_user()
    return render_template(
        "files/start.html",
        datasets=[_dataset_choice(one) for one in uploads.own_datasets(user)],
        investigations=[
            (one["id"], f"{one['name']}, {one.get('title', '')[:80]}")
            for one in uploads.investigations(user.catalog)
        ],
        types=[(one["id"], one["name"]) for one in uploads.dataset_types(user.catalog)],
        typed=typed,
        faults=faults or {},
    )


def _dataset_choice(dataset: Entity) -> tuple[int, str]:
    state = "" if dataset.get("complete") else " (not complete)"
    return dataset["id"], f"{dataset['name']}{state}, {dataset['investigation']['name']}"


@blueprint.post("/upload")
@login_required
def make() -> ResponseReturnValue:
    """Make a dataset, and go on to its files."""
    given = request.form
    try:
        wanted = NewDataset(
            name=given.get("name", "").strip(),
            type_id=_id(given.get("type", ""), "type"),
            investigation_id=_id(given.get("investigation", ""), "investigation"),
            description=given.get("description", "").strip(),
        )
        dataset_id = uploads.make_dataset(require_user().catalog, wanted)
    except ValidationFailedError as error:
        return _start_page(given, error.fields or {"name": [error.message]}), 400
    except ConflictError:
        text = "this investigation has a dataset of that name and type already"
        return _start_page(given, {"name": [text]}), 409
    return redirect(url_for(".upload", dataset_id=dataset_id), 303)


def _id(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ValidationFailedError(f"choose the {name}", fields={name: [f"choose the {name}"]})
    return int(text)


@blueprint.get("/upload/<int:dataset_id>")
@login_required
def upload(dataset_id: int) -> ResponseReturnValue:
    """Choose files for a dataset and watch them arrive."""
    session = require_user().catalog
    dataset = uploads.target(session, dataset_id)
    return render_template(
        "files/upload.html",
        dataset=dataset,
        formats=[
            ("", "By the ending of each name"),
            *(
                (one["id"], f"{one['name']} {one['version']}")
                for one in uploads.formats(session, dataset)
            ),
        ],
    )


@blueprint.get("/upload/<int:dataset_id>/names")
@login_required
def names(dataset_id: int) -> ResponseReturnValue:
    """The names of the files that are there already, for the script that asks about them."""
    return jsonify(uploads.names(require_user().catalog, dataset_id))


@blueprint.put("/upload/<int:dataset_id>/files/<path:name>")
@login_required
def receive(dataset_id: int, name: str) -> ResponseReturnValue:
    """One file as the request's body, passed on while it arrives."""
    stored = _put(dataset_id, name, Incoming(name), request.args.get("format", ""))
    return jsonify(stored), 201


@blueprint.post("/upload/<int:dataset_id>")
@login_required
def receive_form(dataset_id: int) -> ResponseReturnValue:
    """Files of a form, for browsers without script; they arrive as a whole before they go on."""
    done, faults = 0, []
    for file in request.files.getlist("file"):
        if not file.filename:
            continue
        name = file.filename.replace("\\", "/").rpartition("/")[2]
        try:
            _put(dataset_id, name, file.stream, request.form.get("format", ""))
        except PortalError as error:
            faults.append(f"{name}: {error.message}")
        else:
            done += 1
    if done:
        flash(f"{done} file{'' if done == 1 else 's'} arrived.", "success")
    for fault in faults:
        flash(fault, "error")
    if not done and not faults:
        flash("Choose files first.", "info")
    return redirect(url_for(".upload", dataset_id=dataset_id), 303)


def _put(dataset_id: int, name: str, content: Readable, format_text: str) -> dict[str, Any]:
    user = require_user()
    dataset = uploads.target(user.catalog, dataset_id)
    format_id = int(format_text) if format_text.isascii() and format_text.isdigit() else None
    stored = uploads.put(user, dataset, name, content, format_id=format_id)
    return {
        "id": stored.id,
        "name": name,
        "size": stored.size,
        "checksum": f"{stored.checksum:08x}",
    }


@blueprint.post("/upload/<int:dataset_id>/complete")
@login_required
def complete(dataset_id: int) -> ResponseReturnValue:
    """Say that all files of a dataset have arrived."""
    session = require_user().catalog
    dataset = uploads.target(session, dataset_id)
    session.update("Dataset", dataset_id, complete=True)
    flash(f"{dataset['name']} is complete.", "success")
    return redirect(f"/datasets/{dataset_id}", 303)
