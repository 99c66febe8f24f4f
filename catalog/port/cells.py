"""What a token is as the value of an attribute."""

from __future__ import annotations

from sqlalchemy import Enum, String

from catalog.port.tokens import Moment, Token, Word
from catalog.query.schema import Entity
from catalog.values import converters, stamp_converters
from ijp.errors import BadRequestError, ValidationFailedError


def value_of(entity: Entity, name: str, token: Token) -> tuple[str, object]:
    """The column of an attribute, and what is to be stored there.

    Raises:
        BadRequestError: The token cannot be a value of this attribute.
    """
    column, convert = {**converters(entity), **stamp_converters(entity)}[name]
    kind = entity.attributes[name].type
    if isinstance(kind, String) and not isinstance(kind, Enum):
        if isinstance(token, Word | Moment):
            raise BadRequestError(
                f"Field {name} must be a string in {entity.name}, not {token.text[:60]}"
            )
        if name in stamp_converters(entity) and isinstance(token, str) and kind.length:
            _check_length(entity, name, token, kind.length)
    return column, convert(plain(token))


def _check_length(entity: Entity, name: str, text: str, most: int) -> None:
    if len(text) > most:
        raise ValidationFailedError(f"{entity.name}: {name} cannot have length > {most}")


def label(token: Token) -> str:
    """A label; a number will do, too.

    Raises:
        BadRequestError: It is neither text nor a number.
    """
    if isinstance(token, str) or (isinstance(token, int) and not isinstance(token, bool)):
        return str(token)
    raise BadRequestError(f"a label is a string, not {shown(token)}")


def plain(token: Token) -> object:
    """A value in the form in which JSON would have it."""
    return token.text if isinstance(token, Moment | Word) else token


def shown(token: Token) -> str:
    """A value for a message."""
    text = repr(plain(token))
    return text if len(text) <= 60 else text[:60] + "…"
