"""How request and answer bodies are checked: camelCase on the wire, snake_case here."""

from __future__ import annotations

from typing import Any

from marshmallow import RAISE, Schema


def camel_case(name: str) -> str:
    """The name on the wire of a snake_case name."""
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


class WireSchema(Schema):
    """A schema whose fields are camelCase on the wire; unknown fields are refused."""

    class Meta:
        """Nothing passes that is not declared."""

        unknown = RAISE

    def on_bind_field(self, field_name: str, field_obj: Any) -> None:
        if field_obj.data_key is None:
            field_obj.data_key = camel_case(field_name)
