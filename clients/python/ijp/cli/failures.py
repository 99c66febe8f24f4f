"""What goes wrong in a command, as a message on standard error and an exit status."""

from __future__ import annotations

import errno
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from ijp.cli.exit_status import ExitStatus, of_error
from ijp.cli.text import one_line
from ijp.errors import BadRequestError, NotAuthenticatedError, PortalError

_SESSION = "you are not logged in, or your session has ended: use ijp login"
_WAYS_OUT = {"oneJob": " (--one or --each)", "investigationId": " (--investigation ID)"}
_WITHOUT_NAME = re.compile(r"inputs|arguments|oneJob|investigationId|request|p\d+")


class BadCredentialsError(NotAuthenticatedError):
    """A log-in was refused: there is no session yet that could have ended."""


@contextmanager
def told(as_json: bool) -> Iterator[None]:
    """Run a command; end the program with a message if it fails."""
    try:
        yield
    except PortalError as error:
        _tell(error.code, list(_sentences(error)), error, as_json)
        sys.exit(of_error(error))
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        _tell("file", [_of_file(error)], None, as_json)
        sys.exit(ExitStatus.ERROR)
    except (click.Abort, KeyboardInterrupt, EOFError):
        click.echo(err=True)
        sys.exit(ExitStatus.INTERRUPTED)


def _sentences(error: PortalError) -> Iterator[str]:
    if isinstance(error, NotAuthenticatedError) and not isinstance(error, BadCredentialsError):
        yield _SESSION
        return
    if isinstance(error, BadRequestError) and error.fields:
        for name, texts in error.fields.items():
            label = "" if _WITHOUT_NAME.fullmatch(name) else f"{name}: "
            yield from (f"{label}{text}{_WAYS_OUT.get(name, '')}" for text in texts)
        return
    known_as = error.correlation_id if of_error(error) is ExitStatus.ERROR else None
    yield error.message + (f" (number {known_as} in the server's log)" if known_as else "")


def _tell(code: str, sentences: list[str], error: PortalError | None, as_json: bool) -> None:
    if as_json:
        fields = error.fields if error else {}
        told = {"code": code, "message": "; ".join(sentences), "fields": fields}
        click.echo(json.dumps({"error": told}), err=True)
        return
    for sentence in sentences:
        click.echo(f"ijp: {one_line(sentence)}", err=True)


def _of_file(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}"
