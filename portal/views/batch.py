"""Many jobs from a file: looked at row by row, then submitted as a sweep."""

from __future__ import annotations

import hashlib
import secrets
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from flask import Blueprint, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from ijp.errors import (
    BadRequestError,
    ConflictError,
    PortalError,
    TooLargeError,
    UnavailableError,
    ValidationFailedError,
)
from portal import batches, drafts, planning
from portal.api.batches import template_of
from portal.batch_file import MOST_BYTES, Format, decoded, format_of
from portal.batch_row import columns_of
from portal.batches import BatchPreview, BatchRequest
from portal.formats import count
from portal.planning import Request
from portal.selection import Selection
from portal.services import services
from portal.sessions import login_required, require_user

blueprint = Blueprint("batch", __name__, url_prefix="/batch")


@dataclass(frozen=True)
class Typed:
    """What the form holds."""

    text: str = ""
    name: str = ""
    key: str = ""
    kind: Format | None = None

    @property
    def digest(self) -> str:
        """What tells whether the rows are those that were shown, however lines end."""
        return hashlib.sha256("\n".join(self.text.splitlines()).encode()).hexdigest()[:32]


@blueprint.get("/<path:name>")
@login_required
@drafts.restores_draft
def show(name: str) -> ResponseReturnValue:
    """The form; with ``template`` a file to fill in instead."""
    selection = Selection.parse(request.args.get("sel", ""), request.args.get("files", ""))
    if wanted := request.args.get("template"):
        if wanted not in {str(one) for one in Format}:
            raise BadRequestError(f"templates are csv, tsv or jsonl, not {wanted[:20]!r}")
        return template_of(name, selection, Format(wanted))
    typed = drafts.typed()
    return _page(name, _typed(typed) if typed is not None else Typed(key=_key()))


@blueprint.post("/<path:name>")
@login_required
def submit(name: str) -> ResponseReturnValue:
    """Show what the file would do; with ``intent=submit`` do it."""
    try:
        typed = _typed(request.form)
    except (TooLargeError, ValidationFailedError) as refusal:
        return _page(name, Typed(key=_key()), refusal=refusal), 400
    intent = request.form.get("intent", "look")
    has_changed = intent != "look" and request.form.get("seen", typed.digest) != typed.digest
    if has_changed:
        intent = "look"
    asked = BatchRequest(
        job_type=name,
        text=typed.text,
        kind=typed.kind,
        version=request.form.get("version") if intent != "look" else None,
        key=typed.key,
        name=typed.name or None,
        leave_out=intent == "leave-out",
    )
    try:
        if intent == "look":
            found = batches.preview(services(), require_user(), asked)
            return _page(name, typed, preview=found, has_changed=has_changed)
        jobs = batches.submit(services(), require_user(), asked)
    except ValidationFailedError as refusal:
        if set(refusal.fields or ()) == {"file"} or intent == "look":
            return _page(name, typed, refusal=refusal), 400
        found = batches.preview(services(), require_user(), asked)
        return _page(name, typed, preview=found), 400
    except (ConflictError, TooLargeError, UnavailableError) as refusal:
        return _page(name, typed, refusal=refusal), 409
    flash(f"{count(len(jobs), 'job')} submitted.", "success")
    sweep_id = jobs[0].sweep_id
    return redirect(f"/jobs/sweeps/{sweep_id}" if sweep_id else f"/jobs/{jobs[0].id}", 303)


def _typed(given: MultiDict[str, str]) -> Typed:
    """What was typed or uploaded; a file goes before the text.

    Raises:
        TooLargeError: The file is larger than batch files may be.
        ValidationFailedError: It is no text.
    """
    text, kind = given.get("text", ""), given.get("kind", "")
    chosen = Format(kind) if kind in {str(one) for one in Format} else None
    file = request.files.get("file")
    if file is not None and file.filename:
        with closing(file):
            text = decoded(file.stream.read(MOST_BYTES + 1))
        chosen = format_of(text, file.filename)
    return Typed(text, given.get("name", "").strip()[:255], given.get("key") or _key(), chosen)


def _key() -> str:
    return secrets.token_urlsafe(16)


def _page(
    name: str,
    typed: Typed,
    *,
    preview: BatchPreview | None = None,
    refusal: PortalError | None = None,
    has_changed: bool = False,
) -> str:
    definitions = services().definitions.current()
    job_type = planning.job_type_of(definitions, require_user(), Request(name))
    selection = Selection.parse(request.args.get("sel", ""), request.args.get("files", ""))
    place = f"/batch/{quote(job_type.name, safe='')}"
    here = selection.parameters()
    return render_template(
        "batch/page.html",
        job_type=job_type,
        columns=columns_of(job_type),
        typed=typed,
        preview=preview,
        refusal=refusal,
        has_changed=has_changed,
        engines_are_several=services().engines.are_several,
        address=place + (f"?{urlencode(here, safe=',')}" if here else ""),
        templates=[
            (str(kind).upper(), f"{place}?{urlencode({**here, 'template': str(kind)}, safe=',')}")
            for kind in Format
        ],
        form_address=f"/run/{quote(job_type.name, safe='')}",
        most_mib=MOST_BYTES >> 20,
        most_jobs=services().settings.jobs_per_submission,
    )
