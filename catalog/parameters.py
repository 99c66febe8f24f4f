"""Whether the value of a parameter is one that its type allows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Row, select

from catalog.items import Values
from catalog.model import ParameterType, ParameterValueType, PermissibleStringValue
from ijp.errors import ValidationFailedError

_CHUNK = 500


@dataclass(frozen=True)
class _Owner:
    flag: str
    name: str


_OWNERS = {
    "DataCollectionParameter": _Owner("applicable_to_data_collection", "a DataCollection"),
    "DatafileParameter": _Owner("applicable_to_datafile", "a Datafile"),
    "DatasetParameter": _Owner("applicable_to_dataset", "a Dataset"),
    "InvestigationParameter": _Owner("applicable_to_investigation", "an Investigation"),
    "SampleParameter": _Owner("applicable_to_sample", "a Sample"),
}


def is_parameter(entity_name: str) -> bool:
    """Whether an entity is a value of a parameter type."""
    return entity_name in _OWNERS


class ParameterTypes:
    """The parameter types that some values need, read once."""

    def __init__(self, connection: Connection, ids: Iterable[object]) -> None:
        self._types: dict[object, Row[tuple[ParameterType]]] = {}
        self._strings: dict[int, set[str]] = {}
        wanted = sorted({one for one in ids if isinstance(one, int)})
        for start in range(0, len(wanted), _CHUNK):
            self._read(connection, wanted[start : start + _CHUNK])

    def _read(self, connection: Connection, ids: list[int]) -> None:
        table = ParameterType.__table__
        for row in connection.execute(select(table).where(table.c.id.in_(ids))):
            self._types[row.id] = row
        strings = select(PermissibleStringValue.type_id, PermissibleStringValue.value)
        for type_id, value in connection.execute(
            strings.where(PermissibleStringValue.type_id.in_(ids))
        ):
            self._strings.setdefault(type_id, set()).add(value)

    def check_applicable(self, entity_name: str, values: Values) -> None:
        """Check that a type is meant for what the parameter belongs to.

        Raises:
            ValidationFailedError: It is not.
        """
        if (found := self._types.get(values.get("type_id"))) is None:
            return
        owner = _OWNERS[entity_name]
        if not getattr(found, owner.flag):
            raise ValidationFailedError(
                f"Parameter of type {found.name} is not applicable to {owner.name}"
            )

    def check_value(self, values: Mapping[str, object]) -> None:
        """Check the value of a parameter against the range of an enforced type.

        A type that is not there passes: the foreign key will not.

        Raises:
            ValidationFailedError: The value is out of range, or no permissible string.
        """
        found = self._types.get(values.get("type_id"))
        if found is None or not found.enforced:
            return
        if found.value_type is ParameterValueType.NUMERIC:
            self._check_number(found, values.get("numeric_value"))
        elif found.value_type is ParameterValueType.STRING:
            self._check_string(found, values.get("string_value"))

    @staticmethod
    def _check_number(found: Row[tuple[ParameterType]], value: object) -> None:
        if not isinstance(value, int | float):
            return
        least, most = found.minimum_numeric_value, found.maximum_numeric_value
        if least is not None and value < least:
            raise ValidationFailedError(
                f"Parameter of type {found.name} has value {value} < {least}"
            )
        if most is not None and value > most:
            raise ValidationFailedError(
                f"Parameter of type {found.name} has value {value} > {most}"
            )

    def _check_string(self, found: Row[tuple[ParameterType]], value: object) -> None:
        allowed = self._strings.get(found.id)
        if value is not None and allowed and value not in allowed:
            raise ValidationFailedError(
                f"Parameter of type {found.name} has value {value!r}, which is not permissible"
            )
