"""What every part of ``/api/v1`` is: a blueprint whose refusals read like all others here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from flask import Request
from flask_smorest import Blueprint
from marshmallow import RAISE, Schema, ValidationError, fields
from webargs.flaskparser import FlaskParser

from ijp.errors import ValidationFailedError
from servicekit.wire import WireSchema

URL_PREFIX = "/api/v1"
F = TypeVar("F", bound=Callable[..., Any])


class _Parser(FlaskParser):
    """Reads arguments; unknown ones are refused everywhere."""

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = dict.fromkeys(
        ("json", "form", "query", "querystring", "files", "view_args", "path"), RAISE
    ) | {"headers": None, "cookies": None}

    def handle_error(
        self,
        error: ValidationError,
        req: Request,
        schema: Schema,
        *,
        error_status_code: int | None,
        error_headers: Mapping[str, str] | None,
    ) -> NoReturn:
        """Raise what our pages and programs know."""
        faults = dict(flat(error.messages))
        text = "; ".join(f"{name}: {' '.join(texts)}" for name, texts in faults.items())
        raise ValidationFailedError(text, fields=faults) from error


def flat(messages: Any, path: str = "") -> list[tuple[str, list[str]]]:
    """Nested messages of a schema as (dotted name, texts); the location is left out."""
    if not isinstance(messages, Mapping):
        texts = messages if isinstance(messages, list) else [messages]
        return [(path or "request", [str(one) for one in texts])]
    found = []
    for key, inner in messages.items():
        outermost = not path and key in _Parser.DEFAULT_UNKNOWN_BY_LOCATION
        name = "" if outermost or key == "_schema" else str(key)
        found += flat(inner, ".".join(part for part in (path, name) if part))
    return found


class ApiBlueprint(Blueprint):  # type: ignore[misc]  # it has no types
    """A part of the interface; its name is its tag in the OpenAPI document."""

    ARGUMENTS_PARSER = _Parser()

    if TYPE_CHECKING:
        # flask-smorest says nothing of its types

        def route(self, rule: str, **options: Any) -> Callable[[F], F]: ...

        def arguments(self, schema: Any, **options: Any) -> Callable[[F], F]: ...

        def response(self, status: int, schema: Any = None, **options: Any) -> Callable[[F], F]: ...

        def doc(self, **words: Any) -> Callable[[F], F]: ...

    def __init__(self, name: str, import_name: str, description: str) -> None:
        """Take a name such as ``jobs``; routes are below ``/api/v1``."""
        super().__init__(f"api-{name}", import_name, url_prefix=URL_PREFIX, description=description)


class Problem(WireSchema):
    """What every error is answered with."""

    code = fields.String(required=True, metadata={"description": "names the kind of error"})
    message = fields.String(required=True)
    fields_ = fields.Dict(
        keys=fields.String(), values=fields.List(fields.String()), data_key="fields"
    )
    correlation_id = fields.String(metadata={"description": "what to look for in the log"})


class Ids(fields.Field[tuple[int, ...]]):
    """Ids separated by commas, as a query parameter has them."""

    default_error_messages = {"invalid": "give ids separated by commas, such as 1,2,3"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> tuple[int, ...]:
        try:
            return tuple(int(part) for part in str(value).split(",") if part.strip())
        except ValueError as error:
            raise self.make_error("invalid") from error
