"""The command ``ijp``: the portal's day from a shell."""

from __future__ import annotations

from importlib import import_module

import click

from ijp.cli.choices import Choices
from ijp.cli.failures import told

_COMMANDS = {
    "login": ("login", "Log in to a portal."),
    "logout": ("login", "Log out; jobs that are not finished go on."),
    "session": ("login", "Say who is logged in where, and for how long."),
    "refresh": ("login", "Let the session last its full time again."),
    "search": ("search", "Find datasets by type, words and typed parameters."),
    "show": ("search", "Show a dataset, or anything else in the catalog."),
    "provenance": ("provenance", "Show what a dataset was made from, and what from it."),
    "download": ("download", "Get datasets as a zip, or a datafile as it is."),
    "upload": ("upload", "Store files, and whole folders, in a dataset."),
    "jobtype": ("jobtype", "List the job types, or show one with its options."),
    "submit": ("submit", "Submit a job; prints its number."),
    "status": ("jobs", "List your jobs, newest first, or show one."),
    "external": ("external", "List your jobs that were submitted outside of the portal."),
    "output": ("jobs", "Print what a job wrote, also while it runs."),
    "wait": ("wait", "Wait until jobs have ended."),
    "cancel": ("bulk", "Have jobs end, waiting or running."),
    "hold": ("bulk", "Keep waiting jobs from starting."),
    "release": ("bulk", "Let held jobs start."),
    "first": ("bulk", "Start jobs before your others."),
    "last": ("bulk", "Start jobs when your others have started."),
    "retry": ("bulk", "Try failed jobs again in place."),
    "repeat": ("bulk", "Submit jobs again as new ones."),
    "alter": ("alter", "Ask for other limits of a waiting job."),
    "alterations": ("alter", "List what was asked for jobs, or decide."),
    "delete": ("bulk", "Remove ended jobs and their output."),
    "limits": ("limits", "Show what you may have, and what you use of it."),
    "queues": ("queues", "List the queues of the batch system."),
    "nodes": ("nodes", "List the hosts that run jobs, or set one offline."),
}
"""By name, the module of a command and what the list of commands says of it."""


class _Commands(click.Group):
    """Commands whose modules are imported when they are used: so help and completion are fast."""

    def list_commands(self, context: click.Context) -> list[str]:
        """In the order of a day."""
        return list(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The command, imported."""
        if name not in _COMMANDS:
            return None
        module = import_module(f"ijp.cli.{_COMMANDS[name][0]}")
        command: click.Command = getattr(module, name)
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

    def invoke(self, context: click.Context) -> object:
        """Run the command; what goes wrong becomes a message and an exit status."""
        with told(context.params["as_json"]):
            return super().invoke(context)


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 90}
)
@click.option(
    "--portal",
    "portal_url",
    envvar="IJP_PORTAL",
    metavar="URL",
    help="The portal's address (or $IJP_PORTAL); login keeps it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts; errors too.")
@click.version_option(package_name="ijp")
@click.pass_context
def ijp(context: click.Context, portal_url: str | None, as_json: bool) -> None:
    """Find data in a catalog, run jobs on them, and follow what was made from what.

    \b
    A day:
      ijp --portal https://jobs.example.org login
      ijp search --type image --where "channels >= 2"
      ijp jobtype -d 12                     what can run on dataset 12?
      ijp submit segment -d 12 --watch
      ijp output 1
      ijp provenance 13
      ijp download 13

    \b
    Exit status:
      0 well                 4 not allowed        8 try again later
      1 another error        5 not found         10 the job failed
      2 wrong usage          6 exists already    11 the job was cancelled
      3 not logged in        7 bad request      130 interrupted
    """
    context.obj = Choices(as_json=as_json, portal_url=portal_url)


def main() -> None:
    """Run ``ijp``."""
    ijp()
