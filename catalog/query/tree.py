"""The immutable tree of a query; what stands in the text, before any name is looked up."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime

from catalog.model import ParameterValueType, StudyStatus

Constant = int | float | str | bool | datetime | ParameterValueType | StudyStatus | None


@dataclass(frozen=True)
class Node:
    """A part of a query; ``at`` is the 0-based character where it starts in the text."""

    at: int = field(default=0, kw_only=True, compare=False)


@dataclass(frozen=True)
class Expression(Node):
    """What has a value or is a condition; which of the two shows when names are known."""


@dataclass(frozen=True)
class Path(Expression):
    """``variable.relation.attribute``; the first name is the variable."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.names)

    def position(self, index: int) -> int:
        """Where in the text the name with this index starts."""
        return self.at + sum(len(name) + 1 for name in self.names[:index])


@dataclass(frozen=True)
class Literal(Expression):
    """A constant; ``None`` is NULL."""

    value: Constant


@dataclass(frozen=True)
class Parameter(Expression):
    """``:name``, whose value comes from outside the query."""

    name: str


@dataclass(frozen=True)
class Now(Expression):
    """The moment of the search, or the start of its day."""

    day: bool = False


@dataclass(frozen=True)
class Arithmetic(Expression):
    """``left operator right``, the operator one of ``+ - * /``."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Negative(Expression):
    """``-operand``."""

    operand: Expression


@dataclass(frozen=True)
class Call(Expression):
    """A function of single values; its name is in upper case."""

    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True)
class Aggregate(Expression):
    """COUNT, MIN, MAX, AVG or SUM over the rows."""

    function: str
    operand: Expression
    distinct: bool = False


@dataclass(frozen=True)
class Subselect(Expression):
    """A SELECT in parentheses, used as a value."""

    select: Select


@dataclass(frozen=True)
class Comparison(Expression):
    """``left operator right``, the operator one of ``= <> < <= > >=``."""

    operator: str
    left: Expression
    right: Expression


class Quantity(enum.Enum):
    """For how many rows of a subselect a comparison must hold."""

    ALL = "ALL"
    ANY = "ANY"


@dataclass(frozen=True)
class Quantified(Expression):
    """A comparison with all or any rows of a subselect."""

    operator: str
    left: Expression
    quantity: Quantity
    select: Select


@dataclass(frozen=True)
class And(Expression):
    """All of these hold."""

    members: tuple[Expression, ...]


@dataclass(frozen=True)
class Or(Expression):
    """One of these holds."""

    members: tuple[Expression, ...]


@dataclass(frozen=True)
class Not(Expression):
    """This does not hold."""

    operand: Expression


@dataclass(frozen=True)
class In(Expression):
    """The value is one of these."""

    operand: Expression
    members: tuple[Expression, ...] | Select


@dataclass(frozen=True)
class Between(Expression):
    """The value is not outside of two others."""

    operand: Expression
    low: Expression
    high: Expression


@dataclass(frozen=True)
class Like(Expression):
    """The text has a pattern in which ``%`` and ``_`` are wildcards unless escaped."""

    operand: Expression
    pattern: Expression
    escape: str | None = None


@dataclass(frozen=True)
class IsNull(Expression):
    """There is no value, or no such related entity."""

    operand: Expression


@dataclass(frozen=True)
class IsEmpty(Expression):
    """A to-many relation has nothing in it."""

    path: Path


@dataclass(frozen=True)
class Exists(Expression):
    """The subselect has a row."""

    select: Select


@dataclass(frozen=True)
class Range(Node):
    """``Entity variable`` in FROM: all entities of a kind."""

    entity: str
    variable: str


@dataclass(frozen=True)
class Join(Node):
    """``path variable`` in FROM: the entities that a relation leads to."""

    path: Path
    variable: str
    outer: bool = False


@dataclass(frozen=True)
class Order(Node):
    """One expression to sort by."""

    expression: Expression
    descending: bool = False


@dataclass(frozen=True)
class Select(Node):
    """``SELECT … FROM … WHERE …``."""

    items: tuple[Expression, ...]
    sources: tuple[Range | Join, ...]
    distinct: bool = False
    where: Expression | None = None
    group_by: tuple[Path, ...] = ()
    having: Expression | None = None
    order_by: tuple[Order, ...] = ()


@dataclass(frozen=True)
class IncludeStep(Node):
    """A relation to follow from a variable; ``variable`` names what it leads to, or is None."""

    path: Path
    variable: str | None = None


@dataclass(frozen=True)
class Include(Node):
    """What to return with each entity: all its to-one relations (``INCLUDE 1``), or steps."""

    steps: tuple[IncludeStep, ...] = ()
    one: bool = False


@dataclass(frozen=True)
class Limit(Node):
    """Which rows to give; ``count`` None is all of them."""

    offset: int
    count: int | None


@dataclass(frozen=True)
class Query(Node):
    """A whole query."""

    select: Select
    include: Include | None = None
    limit: Limit | None = None


def children(node: Node) -> Iterator[Node]:
    """The parts of a node, one level down."""
    for one in fields(node):
        value = getattr(node, one.name)
        for member in value if isinstance(value, tuple) else (value,):
            if isinstance(member, Node):
                yield member


def walk(node: Node) -> Iterator[tuple[Node, int, int]]:
    """All parts of a tree in the order of the text, however deep it is.

    With each comes how deep it is, and how many SELECTs it stands in; both count itself.
    """
    waiting = [(node, 1, 0)]
    while waiting:
        found, depth, outer = waiting.pop()
        selects = outer + isinstance(found, Select)
        yield found, depth, selects
        parts = reversed(list(children(found)))
        waiting.extend((child, depth + 1, selects) for child in parts)


def own_parts(node: Node) -> Iterator[Node]:
    """All parts of a tree but those of a SELECT inside it."""
    yield node
    for child in children(node):
        if not isinstance(child, Select):
            yield from own_parts(child)


def conjuncts(condition: Expression | None) -> list[Expression]:
    """The conditions that all must hold for one to hold."""
    if isinstance(condition, And):
        return [one for member in condition.members for one in conjuncts(member)]
    return [] if condition is None else [condition]
