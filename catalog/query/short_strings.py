"""Lets comparisons with short strings use the index of parameter values."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, and_, func, literal_column

from catalog.model.base import INDEXED_LENGTH
from catalog.query.values import Value

_INDEXED = "string_value"


def with_length(
    condition: ColumnElement[bool], operand: Value, others: Iterable[Value]
) -> ColumnElement[bool]:
    """The condition that a value equals one of others, in the form that the index is made for.

    The index leaves long strings out, and is only used where the query leaves them out too. That
    changes nothing: what equals a short string is short.
    """
    column = operand.sql
    if getattr(column, "key", None) != _INDEXED or getattr(column, "table", None) is None:
        return condition
    if not all(other.constant and _is_short(other.literal) for other in others):
        return condition
    # the planner compares texts: the number must stand in the query as it does in the index
    return and_(condition, func.length(column) <= literal_column(str(INDEXED_LENGTH)))


def _is_short(found: object) -> bool:
    return isinstance(found, str) and len(found) <= INDEXED_LENGTH
