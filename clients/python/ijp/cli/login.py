"""Log in and out."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import click

from ijp.cli.environment import Environment, pass_environment
from ijp.cli.failures import BadCredentialsError
from ijp.errors import InternalError, NotAuthenticatedError, NotFoundError, NotImplementedHereError
from ijp.portal import PortalClient, Record

_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


@click.command()
@click.argument("authenticator", required=False)
@click.argument("credentials", nargs=-1, metavar="[NAME VALUE]...")
@pass_environment
def login(
    environment: Environment, authenticator: str | None, credentials: tuple[str, ...]
) -> None:
    """Log in to a portal.

    What is not given is asked for. A password never stands on the command line, where others
    can read it: leave it out, or write - to have it read from standard input.

    \b
    ijp --portal https://jobs.example.org login
    ijp login simple username ana
    ijp login simple username ana password - < password.txt

    The session is kept in ~/.config/ijp (or $IJP_CONFIG) for the next commands. A program that
    has a session from elsewhere gives it in $IJP_SESSION, and the address in $IJP_PORTAL.
    """
    portal = environment.anonymous()
    known = {one["mnemonic"]: one for one in _authenticators(portal)}
    chosen = known.get(authenticator or _choose(known))
    if chosen is None:
        names = ", ".join(sorted(known))
        raise click.UsageError(f"no authenticator {authenticator!r} (there are: {names})")
    values = _values(chosen, _pairs(credentials))
    _warn(portal.url, chosen)
    try:
        found = portal.login(chosen["mnemonic"], values)
    except NotAuthenticatedError as error:
        raise BadCredentialsError(error.message) from error
    environment.keep({"url": portal.url, "sessionId": portal.session_id})
    environment.show(_shown(portal, found), [f"logged in to {portal.url} as {found['userName']}"])


def _authenticators(portal: PortalClient) -> list[Record]:
    try:
        return portal.authenticators()
    except (InternalError, NotFoundError, NotImplementedHereError) as error:
        raise click.UsageError(f"{portal.url} is not a portal: {error.message}") from error


def _choose(known: Mapping[str, Any]) -> str:
    if len(known) == 1:
        return str(next(iter(known)))
    if not sys.stdin.isatty():
        raise click.UsageError("name the authenticator; there are: " + ", ".join(sorted(known)))
    return str(click.prompt("Log in with", type=click.Choice(sorted(known)), err=True))


def _pairs(credentials: tuple[str, ...]) -> dict[str, str]:
    if len(credentials) % 2:
        raise click.UsageError("credentials are pairs: NAME VALUE")
    return dict(zip(credentials[::2], credentials[1::2], strict=True))


def _values(authenticator: Record, given: Mapping[str, str]) -> dict[str, str]:
    keys = {key["name"]: bool(key.get("hide")) for key in authenticator.get("keys", [])}
    for name in given:
        if name not in keys:
            names = ", ".join(keys) or "nothing"
            raise click.UsageError(
                f"{authenticator['mnemonic']} does not ask for {name!r} (but for: {names})"
            )
    return {name: _value(name, given.get(name), hide) for name, hide in keys.items()}


def _value(name: str, given: str | None, hide: bool) -> str:
    if given == "-" and not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    if given is None or given == "-":
        if not sys.stdin.isatty():
            raise click.UsageError(
                f"give the {name} as: {name} - < FILE (nobody can be asked here)"
            )
        return str(click.prompt(name, hide_input=hide, err=True))
    if hide:
        raise click.UsageError(f"do not write the {name} on the command line: leave it out, or -")
    return given


def _warn(url: str, authenticator: Record) -> None:
    hidden = any(key.get("hide") for key in authenticator.get("keys", []))
    if hidden and urlsplit(url).scheme == "http" and urlsplit(url).hostname not in _HERE:
        click.echo(f"warning: {url} is not https: others on the way can read this", err=True)


def _shown(portal: PortalClient, found: Record) -> Record:
    return {"url": portal.url} | {name: found[name] for name in found if name != "sessionId"}


@click.command()
@pass_environment
def logout(environment: Environment) -> None:
    """Log out; jobs that are not finished go on."""
    if environment.session_id is None:
        environment.show({"loggedOut": False}, ["nobody was logged in"])
        return
    try:
        environment.portal.logout()
    finally:
        environment.forget_session()
    environment.show({"loggedOut": True}, ["logged out"])


@click.command()
@pass_environment
def session(environment: Environment) -> None:
    """Say who is logged in where, and for how long."""
    portal = environment.portal
    found = portal.session()
    minutes = float(found["remainingMinutes"])
    text = f"{found['userName']} at {portal.url}, {minutes:.0f} minutes left"
    environment.show(_shown(portal, found), [text])


@click.command()
@pass_environment
def refresh(environment: Environment) -> None:
    """Let the session last its full time again."""
    environment.portal.refresh()
    minutes = float(environment.portal.session()["remainingMinutes"])
    environment.show({"remainingMinutes": minutes}, [f"{minutes:.0f} minutes left"])
