"""Search lists of the Find page, and the queries that their values fill."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ijp.errors import ValidationFailedError
from ijp.query import literal
from jobdefs import document
from jobdefs.document import Node
from jobdefs.problem import Problem

# A text of the query, or a placeholder: what stands inside quotes is filled differently.
_PIECE = re.compile(r"'(?:[^']|'')*'|\$\{(?P<name>[^}]*)\}")
_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
_TIMESTAMP = re.compile(r"\{\s*(?:ts|d)\s+(.*?)\s*\}")

LISTS = ("stringValues", "numericValues", "dateValues")
PLACEHOLDERS = ("datasetType", "datasetId", *LISTS)


@dataclass(frozen=True, slots=True)
class ListOption:
    """One line of a list; an empty ``submit_value`` means "any"."""

    display_value: str
    submit_value: str


@dataclass(frozen=True, slots=True)
class SearchItem:
    """A list to choose from; its query gives the ids of the datasets or datafiles that fit."""

    param_name: str
    query: str
    multiple_select: bool = False
    visible_item_count: int = 1
    list_options: tuple[ListOption, ...] = ()
    line: int | None = None


def fill(
    item: SearchItem,
    values: Sequence[str],
    *,
    dataset_type: str | None = None,
    dataset_id: int | None = None,
) -> str | None:
    """The query of an item for the chosen values, each as a typed and escaped literal.

    Args:
        item: The item.
        values: The submit values chosen; empty ones count for nothing.
        dataset_type: For ``${datasetType}``.
        dataset_id: For ``${datasetId}``.

    Returns:
        The query, or None when nothing was chosen: the item then does not narrow the search.

    Raises:
        ValidationFailedError: A value is not one of the list's, or not a number or date where the
            query wants one; several values where one may be chosen; the query needs a dataset
            (type) and none was given.
    """
    chosen = [value for value in values if value]
    if not chosen:
        return None
    _check(item, chosen)
    texts: dict[str, str | None] = {
        "datasetType": dataset_type,
        "datasetId": None if dataset_id is None else str(int(dataset_id)),
    }

    def piece(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return _in_text(match.group(), item, texts)
        if name in _TYPED:
            return ", ".join(literal(_TYPED[name](item, value)) for value in chosen)
        text = _given(item, texts, name)
        return text if name == "datasetId" else literal(text)

    return _PIECE.sub(piece, item.query)


def _in_text(text: str, item: SearchItem, texts: dict[str, str | None]) -> str:
    """A text of the query, ``'${datasetType}'`` say, with what it is filled with escaped."""

    def value(match: re.Match[str]) -> str:
        return _given(item, texts, match[1]).replace("'", "''")

    return _PLACEHOLDER.sub(value, text)


def _given(item: SearchItem, texts: dict[str, str | None], name: str) -> str:
    text = texts.get(name)
    if text is None:
        raise _refused(item, f"its query needs ${{{name}}}, which is not known here")
    return text


def _refused(item: SearchItem, message: str) -> ValidationFailedError:
    text = f"{item.param_name}: {message}"
    return ValidationFailedError(text, fields={item.param_name: [message]})


def _check(item: SearchItem, chosen: list[str]) -> None:
    known = {option.submit_value for option in item.list_options}
    for value in chosen:
        if known and value not in known:
            raise _refused(item, f"{value!r} is not in its list")
    if len(chosen) > 1 and not item.multiple_select:
        raise _refused(item, "only one value may be chosen")


def _string(item: SearchItem, value: str) -> str:
    return value


def _number(item: SearchItem, value: str) -> int | float:
    try:
        return int(value)
    except ValueError:
        pass
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _refused(item, f"{value!r} is not a number")
    return number


def _date(item: SearchItem, value: str) -> datetime:
    text = value.strip()
    if wrapped := _TIMESTAMP.fullmatch(text):
        text = wrapped[1]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        message = f"{value!r} is not a date such as 2026-01-31 or 2026-01-31 14:05:00"
        raise _refused(item, message) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_TYPED: dict[str, Callable[[SearchItem, str], object]] = {
    "stringValues": _string,
    "numericValues": _number,
    "dateValues": _date,
}


def read_search_items(file: Path) -> tuple[tuple[SearchItem, ...], list[Problem]]:
    """Read a file of search items.

    Raises:
        UnreadableError: It gives no items at all.
    """
    root = document.parse(file, document.read_bytes(file))
    root.expect(("searchItem",))
    items: dict[str, SearchItem] = {}
    for node in root.children("searchItem"):
        item = _item(node)
        if item is None:
            continue
        if item.param_name in items:
            node.warning(f"search item {item.param_name!r} is there twice", "the last one counts")
        items[item.param_name] = item
    return tuple(items.values()), root.problems


def _item(node: Node) -> SearchItem | None:
    node.expect(
        ("paramName", "query", "listOptions", "multipleSelect", "visibleItemCount"),
        ("multipleSelect", "visibleItemCount"),
    )
    name, query = node.text("paramName"), node.text("query")
    if name is None or query is None:
        what = "paramName" if name is None else "query"
        node.error(f"<searchItem> has no <{what}>", "it is not used")
        return None
    if not _query_fits(node, name, query):
        return None
    options = tuple(_list_option(one) for one in node.children("listOptions"))
    if not options:
        node.warning(f"search item {name!r} has nothing to choose from", "add <listOptions>")
    return SearchItem(
        param_name=name,
        query=query,
        multiple_select=_multiple_select(node),
        visible_item_count=_visible_item_count(node),
        list_options=options,
        line=node.line,
    )


def _multiple_select(node: Node) -> bool:
    """Whether several may be chosen; the original spelt it as an element or an attribute."""
    child = node.child("multipleSelect")
    return (child.truth if child is not None else node.boolean("multipleSelect")) or False


def _visible_item_count(node: Node) -> int:
    text = node.text("visibleItemCount") or (node.attribute("visibleItemCount") or "1").strip()
    if re.fullmatch("[0-9]{1,4}", text) and int(text) > 0:
        return int(text)
    node.error(f"visibleItemCount {text!r} is not a whole number above 0", "1 is used")
    return 1


def _list_option(node: Node) -> ListOption:
    node.expect(("displayValue", "submitValue"))
    submit = node.raw("submitValue") or ""
    display = node.text("displayValue")
    if display is None:
        node.warning("<listOptions> has no <displayValue>", "add what users read")
    return ListOption(display or submit, submit)


def _query_fits(node: Node, name: str, query: str) -> bool:
    used = set(_PLACEHOLDER.findall(query))
    if unknown := sorted(used - set(PLACEHOLDERS)):
        found = ", ".join(f"${{{one}}}" for one in unknown)
        advice = document.closest(unknown[0], PLACEHOLDERS) or f"known: {', '.join(PLACEHOLDERS)}"
        node.error(f"query of {name!r}: {found} means nothing", advice)
        return False
    quoted = {
        one
        for match in _PIECE.finditer(query)
        if match["name"] is None
        for one in _PLACEHOLDER.findall(match.group())
    }
    if wrong := sorted(quoted & set(LISTS)):
        node.error(
            f"query of {name!r} has ${{{wrong[0]}}} in quotes", "take the quotes out: it adds them"
        )
        return False
    if not used & set(LISTS):
        node.warning(
            f"query of {name!r} does not depend on what is chosen", "use ${stringValues} in it"
        )
    return True
