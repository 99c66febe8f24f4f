"""What a command touches: the terminal, the files in ``~/.config/ijp``, the network."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ijp.catalog import CatalogClient, CatalogSession
from ijp.datastore import DatastoreClient
from ijp.errors import NotAuthenticatedError
from ijp.portal import PortalClient
from ijp.transport import http_session

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def config_folder() -> Path:
    """Where the command keeps what it knows: ``$IJP_CONFIG``, or ``ijp`` in the user's own."""
    if own := os.environ.get("IJP_CONFIG"):
        return Path(own)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "ijp"


def printable(text: str) -> str:
    """Text whose control characters a terminal shows and does not obey."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", text)


@dataclass
class Environment:
    """One run of the command."""

    as_json: bool = False
    portal_url: str | None = None
    folder: Path = field(default_factory=config_folder)

    @property
    def console(self) -> Console:
        """Standard output."""
        return Console(highlight=False, soft_wrap=True)

    # what is kept

    def kept(self) -> dict[str, Any]:
        """What the last log-in left; empty if there was none."""
        try:
            return dict(json.loads((self.folder / "session.json").read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return {}

    def keep(self, values: Mapping[str, Any]) -> None:
        """Keep something for the next command; only the user can read it."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / "session.json"
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

    def url(self) -> str:
        """The portal's address: the option, the environment, or that of the last log-in.

        Raises:
            UsageError: None of them says it.
        """
        url = self.portal_url or self.kept().get("url")
        if not url:
            raise click.UsageError("which portal? log in with: ijp --portal URL login")
        return str(url)

    def anonymous(self) -> PortalClient:
        """The portal before log-in."""
        return PortalClient(self.url(), http=self._http())

    def portal(self) -> PortalClient:
        """The portal with the user's session.

        Raises:
            NotAuthenticatedError: Nobody is logged in.
        """
        kept = self.kept()
        session_id = os.environ.get("IJP_SESSION") or kept.get("sessionId")
        same = self.portal_url is None or self.portal_url.rstrip("/") == kept.get("url")
        if not session_id or not (same or os.environ.get("IJP_SESSION")):
            raise NotAuthenticatedError("you are not logged in: use ijp login")
        return PortalClient(self.url(), str(session_id), http=self._http())

    def catalog(self) -> CatalogSession:
        """The portal's catalog with the user's session."""
        portal = self.portal()
        url = self._services(portal).get("catalogUrl") or f"{portal.url}/icat"
        return CatalogClient(url, self._http()).session(str(portal.session_id))

    def datastore(self) -> DatastoreClient:
        """The portal's data service."""
        portal = self.portal()
        url = self._services(portal).get("datastoreUrl") or f"{portal.url}/ids"
        return DatastoreClient(url, self._http())

    @staticmethod
    def _services(portal: PortalClient) -> dict[str, Any]:
        return portal.session()

    @staticmethod
    def _http() -> Any:
        return http_session(ca_bundle=os.environ.get("IJP_CA_BUNDLE"))

    # what is shown

    def show(self, value: Any, text: str | None = None) -> None:
        """Print a result: JSON if that was asked for, else the text."""
        if self.as_json or text is None:
            click.echo(json.dumps(value, ensure_ascii=False, indent=2))
        elif text:
            click.echo(printable(text))

    def table(
        self, value: Any, columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str
    ) -> None:
        """Print a table on a terminal, tab-separated lines into a pipe, or JSON."""
        if self.as_json:
            self.show(value)
            return
        found = [["" if cell is None else printable(str(cell)) for cell in row] for row in rows]
        if not sys.stdout.isatty():
            for row in found:
                click.echo("\t".join(cell.replace("\t", " ") for cell in row))
            return
        if not found:
            click.echo(empty)
            return
        made = Table(box=None, pad_edge=False, header_style="bold")
        for name in columns:
            made.add_column(name, overflow="fold")
        for row in found:
            made.add_row(*(cell.replace("[", "\\[") for cell in row))
        self.console.print(made)


pass_environment = click.make_pass_decorator(Environment)
