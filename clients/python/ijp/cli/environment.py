"""What a command touches: the files in ``~/.config/ijp``, the services, the terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, update_wrapper
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import urlsplit

import click
import requests
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ijp.catalog import CatalogClient, CatalogSession
from ijp.cli.choices import Choices
from ijp.cli.text import json_text, one_line
from ijp.datastore import DatastoreClient, DatastoreSession
from ijp.errors import NotAuthenticatedError
from ijp.portal import PortalClient, Record
from ijp.transport import http_session

_SESSION_FILE = "session.json"
P = ParamSpec("P")
T = TypeVar("T")


def config_folder() -> Path:
    """Where the command keeps what it knows: ``$IJP_CONFIG``, or ``ijp`` in the user's own."""
    if own := os.environ.get("IJP_CONFIG"):
        return Path(own)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "ijp"


@dataclass
class Environment:
    """One run of the command."""

    as_json: bool = False
    portal_url: str | None = None
    folder: Path = field(default_factory=config_folder)

    # what is kept

    def kept(self) -> dict[str, Any]:
        """What the last log-in left; empty if there was none."""
        try:
            return dict(json.loads((self.folder / _SESSION_FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}

    def keep(self, values: Mapping[str, Any]) -> None:
        """Keep something for the next command; only the user can read it."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / _SESSION_FILE
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(dict(values), stream)
        fresh.replace(path)

    def forget_session(self) -> None:
        """Keep the address only."""
        self.keep({"url": self.kept().get("url")})

    # services

    @property
    def url(self) -> str:
        """The portal's address: the option, the environment, or that of the last log-in.

        Raises:
            UsageError: None of them says it, or it is none.
        """
        url = str(self.portal_url or self.kept().get("url") or "").rstrip("/")
        if not url:
            raise click.UsageError("which portal? log in with: ijp --portal URL login")
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise click.UsageError(
                f"{url!r} is not a portal's address, such as https://jobs.example.org"
            )
        return url

    @property
    def session_id(self) -> str | None:
        """The user's session at this portal: that of $IJP_SESSION, or of the last log-in."""
        if given := os.environ.get("IJP_SESSION"):
            return given
        kept = self.kept()
        return kept.get("sessionId") if kept.get("url") == self.url else None

    def anonymous(self) -> PortalClient:
        """The portal before log-in."""
        return PortalClient(self.url, http=self._http)

    @cached_property
    def portal(self) -> PortalClient:
        """The portal with the user's session.

        Raises:
            NotAuthenticatedError: Nobody is logged in.
        """
        if not (self.portal_url or self.kept()) or not (session_id := self.session_id):
            raise NotAuthenticatedError("there is no session")
        return PortalClient(self.url, session_id, self._http)

    @cached_property
    def catalog(self) -> CatalogSession:
        """The portal's catalog with the user's session."""
        client = CatalogClient(self._addresses["catalogUrl"], self._http)
        return client.session(str(self.portal.session_id))

    @cached_property
    def datastore(self) -> DatastoreSession:
        """The portal's data service with the user's session."""
        client = DatastoreClient(self._addresses["datastoreUrl"], self._http)
        return client.session(str(self.portal.session_id))

    @cached_property
    def _addresses(self) -> Record:
        return self.portal.session()

    def close(self) -> None:
        """End the connections."""
        if "_http" in vars(self):
            self._http.close()

    @cached_property
    def _http(self) -> requests.Session:
        return http_session(ca_bundle=os.environ.get("IJP_CA_BUNDLE"))

    # what is shown

    def show(self, value: Any, lines: Iterable[str]) -> None:
        """Print a result: JSON if that was asked for, else the lines."""
        if self.as_json:
            click.echo(json_text(value))
            return
        for line in lines:
            click.echo(one_line(line))

    def table(
        self, value: Any, columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str
    ) -> None:
        """Print a table on a terminal, lines with tabs into a pipe, or JSON.

        Args:
            empty: Told to a person where there are no rows; a script gets nothing.
        """
        if self.as_json:
            self.show(value, ())
            return
        found = [["" if cell is None else one_line(cell) for cell in row] for row in rows]
        if not found:
            click.echo(empty, err=True)
        elif not sys.stdout.isatty():
            for row in found:
                click.echo("\t".join(row))
        else:
            _print_table(columns, found)


def _print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in columns:
        made.add_column(name, overflow="fold")
    for row in rows:
        made.add_row(*map(Text, row))
    Console(highlight=False).print(made)


def pass_environment(
    command: Callable[Concatenate[Environment, P], T],
) -> Callable[P, T]:
    """Give a command its environment as the first argument."""

    def with_environment(*arguments: P.args, **options: P.kwargs) -> T:
        context = click.get_current_context()
        choices = context.find_object(Choices) or Choices()
        environment = Environment(as_json=choices.as_json, portal_url=choices.portal_url)
        context.call_on_close(environment.close)
        return command(environment, *arguments, **options)

    return update_wrapper(with_environment, command)
