"""The command ``ijp``: the portal's day from a shell."""

from __future__ import annotations

import sys

import click

from ijp.cli import data, jobs, login, search
from ijp.cli.environment import Environment, printable
from ijp.cli.exit_status import ExitStatus, of_error
from ijp.errors import PortalError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--portal",
    "portal_url",
    envvar="IJP_PORTAL",
    metavar="URL",
    help="The portal's address (or $IJP_PORTAL); kept by login.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
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
    Exit status: 0 well; 2 wrong usage; 3 not logged in; 4 not allowed; 5 not found;
    6 exists already; 7 bad request; 8 try again later; 10 the job failed; 11 it was cancelled.
    """
    context.obj = Environment(as_json=as_json, portal_url=portal_url)


for command in (
    login.login,
    login.logout,
    login.session,
    login.refresh,
    search.search,
    search.show,
    search.provenance,
    data.upload,
    data.download,
    jobs.jobtype,
    jobs.submit,
    jobs.status,
    jobs.output,
    jobs.cancel,
    jobs.delete,
):
    ijp.add_command(command)


def main() -> None:
    """Run ``ijp``."""
    try:
        ijp(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(ExitStatus.INTERRUPTED)
    except PortalError as error:
        click.echo(f"ijp: {printable(error.message)}", err=True)
        for name, texts in error.fields.items():
            click.echo(f"  {printable(name)}: {printable(' '.join(texts))}", err=True)
        sys.exit(of_error(error))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(ExitStatus.ERROR)
