"""What all entities share: identity, stamps, names on the wire."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, DateTime, Double, Enum, Index, Integer, MetaData, String, text
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

_NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

BigId = BigInteger().with_variant(Integer, "sqlite")
"""A 64-bit key; SQLite makes keys by itself only for a column it calls INTEGER."""


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, aware and in UTC in Python; a value without zone is taken as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        utc = aware.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[Any], datetime | None] | None:
        # Sessions of PostgreSQL are in UTC: what comes from there is right already.
        return None if dialect.name == "postgresql" else super().result_processor(dialect, coltype)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class ParameterValueType(enum.Enum):
    """Which of a parameter's value columns is filled."""

    DATE_AND_TIME = "DATE_AND_TIME"
    NUMERIC = "NUMERIC"
    STRING = "STRING"


class StudyStatus(enum.Enum):
    """How far a study is."""

    NEW = "NEW"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETE = "COMPLETE"
    CANCELLED = "CANCELLED"


def _enum(values: type[enum.Enum]) -> Enum:
    return Enum(values, native_enum=False, create_constraint=True, length=20, name=values.__name__)


class Base(DeclarativeBase):
    """An entity: a key made by the database, and who made and last changed it, and when."""

    metadata = MetaData(naming_convention=_NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        float: Double,
        ParameterValueType: _enum(ParameterValueType),
        StudyStatus: _enum(StudyStatus),
    }
    __key__: ClassVar[tuple[str, ...]] = ()
    """Names of the attributes and to-one relations of the unique key, in constraint order."""

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    create_id: Mapped[str] = mapped_column(String(255))
    create_time: Mapped[datetime]
    mod_id: Mapped[str] = mapped_column(String(255))
    mod_time: Mapped[datetime]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__tablename__" in cls.__dict__:
            # The id of what was deleted is never another's: jobs and links go by it.
            cls.metadata.tables[cls.__tablename__].dialect_options["sqlite"]["autoincrement"] = True
            ENTITIES[cls.__name__] = cls


ENTITIES: dict[str, type[Base]] = {}
"""The 53 entities by the name they have on the wire."""


class ParameterMixin:
    """A value of a parameter type: the column for ``type.valueType`` is the one to read.

    ``numeric_value``, ``error`` (standard deviation) and the range are in ``type.units``.
    """

    date_time_value: Mapped[datetime | None]
    error: Mapped[float | None]
    numeric_value: Mapped[float | None]
    range_bottom: Mapped[float | None]
    range_top: Mapped[float | None]
    string_value: Mapped[str | None] = mapped_column(String(4000))


INDEXED_LENGTH = 200
"""Longer string values are not in the index: PostgreSQL refuses keys over 2.7 kB."""


def value_indexes(table: str, owner: str) -> tuple[Index, ...]:
    """Indexes of a parameter table for searches by type and value.

    Each holds the owner too, so that such a search need not look at the table. The one with the
    string value is used by a query that also says ``length(string_value) <= INDEXED_LENGTH``,
    the number being part of its text.
    """
    short = text(f"length(string_value) <= {INDEXED_LENGTH}")
    dated = text("date_time_value IS NOT NULL")
    return (
        # p.type.id = … AND p.numericValue BETWEEN …; by its beginning also p.type.id = …
        Index(f"ix_{table}_numeric", "type_id", "numeric_value", owner),
        # p.type.id = … AND p.stringValue = …, such as the public id of a job
        Index(
            f"ix_{table}_string",
            "type_id",
            "string_value",
            owner,
            postgresql_where=short,
            sqlite_where=short,
        ),
        # p.type.id = … AND p.dateTimeValue > …
        Index(
            f"ix_{table}_date_time",
            "type_id",
            "date_time_value",
            owner,
            postgresql_where=dated,
            sqlite_where=dated,
        ),
    )


SYSTEM_ATTRIBUTES = ("id", "create_id", "create_time", "mod_id", "mod_time")

_IRREGULAR = {"scheme_uri": "schemeURI", "value_uri": "valueURI"}
_REGULAR = {wire: name for name, wire in _IRREGULAR.items()}


def wire_name(name: str) -> str:
    """The camelCase name on the wire of a snake_case attribute or relation."""
    first, *others = name.split("_")
    return _IRREGULAR.get(name) or first + "".join(part.capitalize() for part in others)


def attribute_name(wire: str) -> str:
    """The snake_case name of what is camelCase on the wire."""
    return _REGULAR.get(wire) or re.sub(r"[A-Z]", lambda found: "_" + found.group().lower(), wire)
