"""Log in and out."""

from __future__ import annotations

import sys
from typing import Any

import click

from ijp.cli.environment import Environment, pass_environment


@click.command()
@click.argument("authenticator", required=False)
@click.argument("credentials", nargs=-1, metavar="[NAME VALUE]...")
@pass_environment
def login(
    environment: Environment, authenticator: str | None, credentials: tuple[str, ...]
) -> None:
    """Log in to a portal.

    Without arguments everything is asked for. A password is never given on the command line:
    leave it out, or write - to read it from standard input.

    \b
    ijp --portal https://jobs.example.org login
    ijp login simple username ana password -
    """
    portal = environment.anonymous()
    known = {one["mnemonic"]: one for one in portal.authenticators()}
    if authenticator is None:
        authenticator = _choose(known)
    if authenticator not in known:
        names = ", ".join(sorted(known))
        raise click.UsageError(f"no authenticator {authenticator!r} (there are: {names})")
    if len(credentials) % 2:
        raise click.UsageError("credentials are pairs: NAME VALUE")
    given = dict(zip(credentials[::2], credentials[1::2], strict=True))
    asked = {key["name"]: key.get("hide", False) for key in known[authenticator].get("keys", [])}
    for name in given:
        if name not in asked:
            names = ", ".join(asked) or "nothing"
            raise click.UsageError(f"{authenticator} does not ask for {name!r} (but for: {names})")
    values = {name: _value(name, given.get(name), hide) for name, hide in asked.items()}
    found = portal.login(authenticator, values)
    environment.keep({"url": portal.url, "sessionId": found["sessionId"]})
    shown = {key: value for key, value in found.items() if key != "sessionId"}
    environment.show(shown, f"logged in to {portal.url} as {found['userName']}")


def _choose(known: dict[str, Any]) -> str:
    if len(known) == 1:
        return str(next(iter(known)))
    return str(click.prompt("Log in with", type=click.Choice(sorted(known))))


def _value(name: str, given: str | None, hide: bool) -> str:
    if given == "-" and not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    if given is None or given == "-":
        return str(click.prompt(name, hide_input=hide))
    if hide:
        raise click.UsageError(f"do not write the {name} on the command line: leave it out, or -")
    return given


@click.command()
@pass_environment
def logout(environment: Environment) -> None:
    """Log out. Jobs that are not finished go on."""
    try:
        environment.portal().logout()
    finally:
        environment.forget_session()
    environment.show({"loggedOut": True}, "logged out")


@click.command()
@pass_environment
def session(environment: Environment) -> None:
    """Say who is logged in where, and for how long."""
    portal = environment.portal()
    found = {key: value for key, value in portal.session().items() if key != "sessionId"}
    minutes = float(found["remainingMinutes"])
    text = f"{found['userName']} at {portal.url}, {minutes:.0f} minutes left"
    environment.show({"url": portal.url, **found}, text)


@click.command()
@pass_environment
def refresh(environment: Environment) -> None:
    """Let the session last its full time again."""
    portal = environment.portal()
    portal.refresh()
    minutes = float(portal.session()["remainingMinutes"])
    environment.show({"remainingMinutes": minutes}, f"{minutes:.0f} minutes left")
