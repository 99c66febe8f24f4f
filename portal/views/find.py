"""The search page: lists and parameter rows, hits, the selection and what can run on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from ijp.errors import BadRequestError, PortalError, ValidationFailedError
from jobdefs.search_items import SearchItem
from portal.find import Found, Page, lacks
from portal.histogram import histogram
from portal.offers import Offer, offers
from portal.search import NEWEST_FIRST, Row, Search
from portal.searchable import LABELS, Kind, Operator, Searchable, Vocabulary
from portal.selection import MOST_SELECTED, Selected, Selection, look_up, parse_ids
from portal.services import services
from portal.sessions import User, current_user, login_required, require_user
from portal.subject import DATAFILES, DATASETS, SUBJECTS, Subject
from portal.views.finding import finder

blueprint = Blueprint("find", __name__)

SHOWN_SELECTED = 12
_SORTS = (
    (NEWEST_FIRST, "Newest first"),
    ("created", "Oldest first"),
    ("name", "By name"),
    ("-name", "By name, backwards"),
)
_SORTS_OF_FILES = (
    *_SORTS,
    ("-datafile.fileSize", "Largest first"),
    ("datafile.fileSize", "Smallest first"),
)

View = Callable[..., ResponseReturnValue]


def _both(path: str = "") -> Callable[[View], View]:
    """Decorate a view that gets the subject: it is there for datasets, and for datafiles.

    The latter's endpoint has ``_files`` after the name.
    """

    def register(view: View) -> View:
        checked = login_required(view)
        for subject, ending in ((DATASETS, ""), (DATAFILES, "_files")):
            blueprint.add_url_rule(
                subject.page + path,
                endpoint=view.__name__ + ending,
                view_func=checked,
                defaults={"subject": subject},
            )
        return view

    return register


@blueprint.get("/")
def start() -> ResponseReturnValue:
    """The first page is work: the search."""
    return redirect(url_for(".find") if current_user() else "/login")


@dataclass(frozen=True)
class ListField:
    """A list of the facility as the form shows it.

    Attributes:
        lacking: What must be chosen before it can be used; empty if it can.
    """

    item: SearchItem
    chosen: Sequence[str]
    lacking: str


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


@_both()
def find(subject: Subject) -> ResponseReturnValue:
    """Search; a form's own fields are first put into the one form of the URL."""
    user = require_user()
    written = _from_form(request.args, subject)
    if written is not None:
        shown = {"show": request.args["show"]} if request.args.get("show") else {}
        return redirect(_address(written, **shown))
    search = Search.parse(request.args, subject)
    page, faults = _page(user, search)
    known = finder().vocabulary(user, subject.entity)
    context = {
        "search": search,
        "subject": subject,
        "subjects": SUBJECTS,
        "sorts": _SORTS_OF_FILES if subject is DATAFILES else _SORTS,
        "page": page,
        "faults": faults,
        "types": finder().dataset_types(user),
        "items": _items(search),
        "rows": _row_fields(search, known, faults),
        "known": known,
        "detail": _detail(page, subject, request.args.get("show", "")),
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


@_both("/selection")
def selection(subject: Subject) -> ResponseReturnValue:
    """The panel of the selection alone, for the script that keeps it without a reload."""
    search = Search.parse(request.args, subject)
    context = selection_context(require_user(), search)
    return render_template("find/_selection.html", search=search, address=_address, **context)


@_both("/row")
def row(subject: Subject) -> ResponseReturnValue:
    """One empty parameter row, for the script that adds one without a reload."""
    known = finder().vocabulary(require_user(), subject.entity)
    searchable = known.find(request.args.get("name", ""))
    number = int(request.args.get("number", "0")[:3] or 0)
    field = RowField(number, Row(searchable.key), searchable)
    search = Search.parse(request.args, subject)
    return render_template("find/_row.html", field=field, search=search)


@_both("/total")
def total(subject: Subject) -> ResponseReturnValue:
    """How many a search finds, as text."""
    number = finder().total(require_user(), Search.parse(request.args, subject))
    return Response(f"{number:,}", mimetype="text/plain")


@_both("/details/<int:id>")
def details(subject: Subject, id: int) -> ResponseReturnValue:
    """All that is known of one hit, for the panel below the table."""
    found = _one(require_user(), subject, id)
    search = Search.parse(request.args, subject)
    return render_template("find/_details.html", detail=found, subject=subject, search=search)


@_both("/histogram.svg")
def histogram_of(subject: Subject) -> ResponseReturnValue:
    """How the values of a numeric parameter are distributed."""
    user = require_user()
    known = finder().vocabulary(user, subject.entity)
    searchable = known.find(request.args.get("name", ""))
    values = finder().values(user, searchable, Search.parse(request.args, subject))
    answer = Response(histogram(values, searchable.units), mimetype="image/svg+xml")
    answer.headers["Cache-Control"] = "private, max-age=60"
    return answer


def _one(user: User, subject: Subject, id: int) -> Found:
    return Found.of(user.catalog.get(subject.whole, id))


def _detail(page: Page, subject: Subject, show: str) -> Found | None:
    """The hit whose parameters the lower panel shows: the chosen one, else the first."""
    if not page.rows:
        return None
    if show.isascii() and show.isdigit():
        for one in page.rows:
            if one.id == int(show):
                return one
        try:
            return _one(require_user(), subject, int(show[:18]))
        except PortalError:
            return None
    return page.rows[0]


def _items(search: Search) -> list[ListField]:
    return [
        ListField(one, search.items.get(one.param_name, ()), lacks(one, search))
        for one in finder().items(search.subject)
    ]


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
    return search.subject.page + ("?" + "&".join(parts) if parts else "")


# A form without script cannot write p=NAME:operator:value, nor keep the selection of other pages.
_FORM_FIELDS = ("form", "rn", "s", "f", "shown", "add", "remove", "pick", "columns")


def _from_form(given: MultiDict[str, str], subject: Subject) -> Search | None:
    """The search that a form was filled in for; None if this is an address already."""
    if not any(name in given for name in _FORM_FIELDS):
        return None
    plain = MultiDict((name, value) for name, value in given.items(multi=True) if value)
    search = Search.parse(plain, subject)
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
    subject = search.subject
    kept = subject.leave(search.selection, set(shown) - set(ticked))
    kept = subject.choose(kept, ticked)
    kept = kept.with_datafiles(parse_ids(",".join(given.getlist("f"))))
    if given.get("pick") == "none":
        return Selection()
    if given.get("pick") == "page":
        return subject.choose(kept, shown)
    if given.get("pick") == "all":
        return subject.choose(kept, finder().ids(require_user(), search, MOST_SELECTED))
    return kept
