"""Commands of the portal: ``ijpd init``, ``ijpd jobs``, ``ijpd nodes`` and ``ijpd demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from portal import audit, installation, settings
from portal.demo_cli import demo
from portal.engine_options import engine_options
from portal.model import UNFINISHED, JobRow
from portal.nodes_cli import nodes
from servicekit import database
from servicekit.cli import SETTINGS


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--facility",
    default="",
    help="A folder with a facility.toml, or the name of an example; otherwise an empty one.",
)
@click.option("--name", default="", help="Of a new, empty facility.")
@click.option("--database-url", default="", help="Such as postgresql+psycopg2://…; else SQLite.")
@click.option("--public-url", default="http://127.0.0.1:8080", show_default=True)
@click.option("--slots", type=click.IntRange(1), help="Cores for jobs; otherwise all.")
@engine_options
def init(
    folder: Path,
    facility: str,
    name: str,
    database_url: str,
    public_url: str,
    slots: int | None,
    engine: str,
    engine_settings: dict[str, Any],
) -> None:
    """Make a new installation in FOLDER: settings, secrets, an empty or example facility.

    \b
    Afterwards:
      ijpd db upgrade --settings FOLDER/ijp.toml
      ijpd serve --settings FOLDER/ijp.toml
      ijpd facility load --settings FOLDER/ijp.toml
    """
    made = installation.make(
        folder,
        facility=facility,
        facility_name=name,
        database_url=database_url,
        public_url=public_url,
        slots=slots,
        engine=engine,
        engine_settings=engine_settings,
    )
    click.echo(f"{made.settings_file}: settings")
    click.echo(f"{made.facility_folder}: job types and the facility's description")
    click.echo(f"{made.root_password_file}: password of simple/root, who may do everything")


@click.group()
def jobs() -> None:
    """See and end the jobs of all users, without the portal's pages."""


@jobs.command("list")
@SETTINGS
@click.option("--all", "everything", is_flag=True, help="Ended jobs too.")
@click.option("--limit", default=100, show_default=True)
def list_jobs(settings_file: Path, everything: bool, limit: int) -> None:
    """List unfinished jobs, newest first."""
    query = select(JobRow).order_by(JobRow.id.desc()).limit(limit)
    with Session(_tables(settings_file)) as transaction:
        for row in transaction.scalars(query if everything else query.where(UNFINISHED)):
            click.echo(
                f"{row.id:>8} {row.submitted_at:%Y-%m-%d %H:%M} {row.state:10} "
                f"{row.user_name:20} {row.job_type}: {row.reason}"
            )


@jobs.command()
@SETTINGS
@click.argument("job_ids", nargs=-1, required=True, type=int, metavar="JOB...")
def cancel(settings_file: Path, job_ids: tuple[int, ...]) -> None:
    """End jobs, whoever they belong to; the dispatcher does it within a second."""
    with (
        Session(database.writing(_tables(settings_file))) as transaction,
        transaction.begin(),
    ):
        for job_id in job_ids:
            statement = (
                update(JobRow)
                .where(JobRow.id == job_id, UNFINISHED, JobRow.ended_at.is_(None))
                .values(wanted="cancel", cancelled=True)
                .returning(JobRow.user_name)
            )
            owner = transaction.scalar(statement)
            if owner is None:
                click.echo(f"job {job_id}: there is no such job, or it has ended", err=True)
                continue
            audit.record(transaction, "operator", "cancel", f"job {job_id}", owner)
            click.echo(f"job {job_id} of {owner}: is being cancelled")


def _tables(settings_file: Path) -> Engine:
    return database.engine_for(settings.read(settings_file).database_url, "portal")


commands: list[click.Command] = [init, jobs, nodes, demo]
