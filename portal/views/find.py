"""The search page: lists and parameter rows, hits, the selection and what can run on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from ijp.errors import BadRequestError, PortalError, ValidationFailedError
from jobdefs.search_items import SearchItem
from portal.find import Found, Page
from portal.histogram import histogram
from portal.offers import Offer, offers
from portal.search import Row, Search
from portal.searchable import LABELS, Kind, Operator, Searchable, Vocabulary
from portal.selection import MOST_SELECTED, Selected, Selection, look_up, parse_ids
from portal.services import services
from portal.sessions import User, current_user, login_required, require_user
from portal.views.finding import finder

blueprint = Blueprint("find", __name__)

SHOWN_SELECTED = 12


@blueprint.get("/")
def start() -> ResponseReturnValue:
    """The first page is work: the search."""
    return redirect(url_for(".find") if current_user() else "/login")


@dataclass(frozen=True)
class RowField:
    """A parameter row as the form shows it; ``searchable`` is None if there is none such."""

    number: int
    row: Row
    searchable: Searchable | None
    faults: Sequence[str] = ()

    @property
    def operators(self) -> list[tuple[str, str]]:
        """What to choose from, with labels."""
        fitting = self.searchable.operators if self.searchable else tuple(Operator)
        return [(one.value, LABELS[one]) for one in fitting]

    @property
    def operator(self) -> str:
        """The chosen one."""
        return self.row.operator or self.operators[0][0]

    @property
    def input_type(self) -> str:
        """What kind of input takes its values."""
        kind = self.searchable.kind if self.searchable else Kind.STRING
        timed = "T" in self.row.value or "T" in self.row.high
        date = "datetime-local" if timed else "date"
        return {Kind.NUMERIC: "text", Kind.DATE: date}.get(kind, "text")


@blueprint.get("/find")
@login_required
def find() -> ResponseReturnValue:
    """Search; a form's own fields are first put into the one form of the URL."""
    user = require_user()
    written = _from_form(request.args)
    if written is not None:
        shown = {"show": request.args["show"]} if request.args.get("show") else {}
        return redirect(_address(written, **shown))
    search = Search.parse(request.args)
    page, faults = _page(user, search)
    known = finder().vocabulary(user)
    context = {
        "search": search,
        "page": page,
        "faults": faults,
        "types": finder().dataset_types(user),
        "items": _items(services().definitions.dataset_search_items, search),
        "rows": _row_fields(search, known, faults),
        "known": known,
        "detail": _detail(page, request.args.get("show", "")),
        "address": _address,
        "replace": replace,
        **selection_context(user, search),
    }
    return render_template("find/find.html", **context)


def _page(user: User, search: Search) -> tuple[Page, dict[str, list[str]]]:
    """The page, or an empty one with what is wrong; the form stays filled either way."""
    try:
        return finder().page(user, search), {}
    except ValidationFailedError as error:
        faults = error.fields or {"search": [error.message]}
    except BadRequestError as error:
        faults = {"search": [error.message]}
    return Page((), None, None, None, ()), faults


def selection_context(user: User, search: Search) -> dict[str, object]:
    """What the panel beside the hits shows."""
    selected = look_up(user.catalog, search.selection) if len(search.selection) else Selected()
    found = offers(services().definitions.current(), user.name, selected)
    return {
        "selected": selected,
        "offers": found,
        "fitting": [one for one in found if one.fits],
        "unfit": [one for one in found if not one.fits],
        "run_address": _run_address,
        "shown_selected": SHOWN_SELECTED,
    }


def _run_address(offer: Offer, selected: Selected) -> str:
    address = f"/run/{quote(offer.job_type.name, safe='')}"
    chosen = selected.selection.parameters()
    return address + (
        "?" + "&".join(f"{key}={text}" for key, text in chosen.items()) if chosen else ""
    )


@blueprint.get("/find/selection")
@login_required
def selection() -> ResponseReturnValue:
    """The panel of the selection alone, for the script that keeps it without a reload."""
    search = Search.parse(request.args)
    context = selection_context(require_user(), search)
    return render_template("find/_selection.html", search=search, address=_address, **context)


@blueprint.get("/find/row")
@login_required
def row() -> ResponseReturnValue:
    """One empty parameter row, for the script that adds one without a reload."""
    known = finder().vocabulary(require_user())
    searchable = known.find(request.args.get("name", ""))
    number = int(request.args.get("number", "0")[:3] or 0)
    field = RowField(number, Row(searchable.key), searchable)
    return render_template("find/_row.html", field=field, search=Search.parse(request.args))


@blueprint.get("/find/total")
@login_required
def total() -> ResponseReturnValue:
    """How many datasets a search finds, as text."""
    number = finder().total(require_user(), Search.parse(request.args))
    return Response(f"{number:,}", mimetype="text/plain")


@blueprint.get("/find/details/<int:dataset_id>")
@login_required
def details(dataset_id: int) -> ResponseReturnValue:
    """All that is known of one hit, for the panel below the table."""
    return render_template("find/_details.html", detail=_one(require_user(), dataset_id))


@blueprint.get("/find/histogram.svg")
@login_required
def histogram_of() -> ResponseReturnValue:
    """How the values of a numeric parameter are distributed."""
    user = require_user()
    searchable = finder().vocabulary(user).find(request.args.get("name", ""))
    values = finder().values(user, searchable, Search.parse(request.args))
    answer = Response(histogram(values, searchable.units), mimetype="image/svg+xml")
    answer.headers["Cache-Control"] = "private, max-age=60"
    return answer


def _one(user: User, dataset_id: int) -> Found:
    text = "Dataset d INCLUDE d.parameters AS its, its.type, d.type, d.investigation"
    return Found.of(user.catalog.get(text, dataset_id))


def _detail(page: Page, show: str) -> Found | None:
    """The hit whose parameters the lower panel shows: the chosen one, else the first."""
    if not page.rows:
        return None
    if show.isascii() and show.isdigit():
        for one in page.rows:
            if one.id == int(show):
                return one
        try:
            return _one(require_user(), int(show[:18]))
        except PortalError:
            return None
    return page.rows[0]


def _items(items: Sequence[SearchItem], search: Search) -> list[tuple[SearchItem, tuple[str, ...]]]:
    return [(one, search.items.get(one.param_name, ())) for one in items]


def _row_fields(search: Search, known: Vocabulary, faults: dict[str, list[str]]) -> list[RowField]:
    found = []
    for number, row in enumerate(search.rows):
        try:
            searchable = known.find(row.name)
        except BadRequestError:
            searchable = None
        found.append(RowField(number, row, searchable, faults.get(f"p{number}", ())))
    return found


def _address(search: Search, **more: str | int) -> str:
    """The page's address for a search."""
    parts = [text for text in (search.query_string(),) if text]
    parts += [f"{name}={quote(str(value))}" for name, value in more.items()]
    return url_for("find.find") + ("?" + "&".join(parts) if parts else "")


# A form without script cannot write p=NAME:operator:value, nor keep the selection of other pages.
_FORM_FIELDS = ("form", "rn", "s", "f", "shown", "add", "remove", "pick", "columns")


def _from_form(given: MultiDict[str, str]) -> Search | None:
    """The search that a form was filled in for; None if this is an address already."""
    if not any(name in given for name in _FORM_FIELDS):
        return None
    plain = MultiDict((name, value) for name, value in given.items(multi=True) if value)
    search = Search.parse(plain)
    rows = [
        Row(name, operator, value.strip(), high.strip() if operator == "between" else "")
        for name, operator, value, high in zip(
            given.getlist("rn"),
            given.getlist("ro"),
            given.getlist("rv"),
            given.getlist("rh"),
            strict=False,
        )
    ]
    if (gone := given.get("remove", "")).isdigit() and int(gone) < len(rows):
        del rows[int(gone)]
    if name := given.get("add"):
        rows.append(Row(name))
    columns = tuple(given.getlist("c")) if "columns" in given else search.columns
    search = replace(search, rows=(*search.rows, *rows), columns=columns)
    return search.selecting(_selection_of_form(given, search))


def _selection_of_form(given: MultiDict[str, str], search: Search) -> Selection:
    shown = parse_ids(",".join(given.getlist("shown")))
    ticked = parse_ids(",".join(given.getlist("s")))
    kept = search.selection.without_datasets(set(shown) - set(ticked)).with_datasets(ticked)
    kept = kept.with_datafiles(parse_ids(",".join(given.getlist("f"))))
    if given.get("pick") == "none":
        return Selection()
    if given.get("pick") == "page":
        return kept.with_datasets(shown)
    if given.get("pick") == "all":
        return kept.with_datasets(finder().ids(require_user(), search, MOST_SELECTED))
    return kept
