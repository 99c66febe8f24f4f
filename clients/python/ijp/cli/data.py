"""Bring data here and there."""

from __future__ import annotations

import mimetypes
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from ijp.catalog import CatalogSession
from ijp.cli.environment import Environment, pass_environment, printable
from ijp.cli.jobs import ids
from ijp.datastore import DatastoreSession, Download, Selection
from ijp.errors import BadRequestError, ConflictError, NotFoundError
from ijp.query import query


@contextmanager
def _bar(label: str, total: int | None) -> Iterator[Any]:
    """A progress bar on standard error, if that is a terminal; gives what to tell the bytes."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True, highlight=False)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task(printable(label).replace("[", "\\["), total=total)
        yield lambda size: bars.advance(task, size)


@click.command()
@click.argument("datasets", nargs=-1, metavar="[DATASET]...")
@click.option("-f", "--datafile", "datafiles", multiple=True, metavar="ID[,ID]", help="Datafiles.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write, or a folder.")
@click.option("-x", "--extract", is_flag=True, help="Unpack the zip into a folder of its name.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@pass_environment
def download(
    environment: Environment,
    datasets: tuple[str, ...],
    datafiles: tuple[str, ...],
    output: Path | None,
    extract: bool,
    force: bool,
) -> None:
    """Get datasets as a zip, or a single datafile as it is.

    A download that was broken off goes on where it stopped when the command is given again.
    """
    selection = Selection(
        dataset_ids=ids(datasets, "dataset"), datafile_ids=ids(datafiles, "datafile")
    )
    if not (selection.dataset_ids or selection.datafile_ids):
        raise click.UsageError("give ids of datasets, or -f and ids of datafiles")
    portal = environment.portal()
    session = environment.datastore().session(str(portal.session_id))
    name = _proposed(environment, selection)
    path = _fetch(session, selection, output, name, force)
    if extract and zipfile.is_zipfile(path):
        path = _unpack(path)
    environment.show({"path": str(path)}, str(path))


def _proposed(environment: Environment, selection: Selection) -> str:
    if len(selection.dataset_ids) == 1 and not selection.datafile_ids:
        found = environment.portal().dataset(selection.dataset_ids[0])
        return str(found["name"]).replace("/", "_") + ".zip"
    return "" if len(selection.datafile_ids) == 1 and not selection.dataset_ids else "data.zip"


def _fetch(
    session: DatastoreSession, selection: Selection, output: Path | None, name: str, force: bool
) -> Path:
    with session.get_data(selection, name=name) as fresh:
        place = output / fresh.name if output and output.is_dir() else output or Path(fresh.name)
        if place.exists() and not force:
            raise ConflictError(f"{place} is there already (--force replaces it)")
        part = place.with_name(f".{place.name}.part")
        if not (part.exists() and part.stat().st_size):
            return _write(fresh, part, place)
    with session.get_data(selection, name=name, start=part.stat().st_size) as rest:
        return _write(rest, part, place)


def _write(content: Download, part: Path, place: Path) -> Path:
    whole = None if content.size is None else content.offset + content.size
    with part.open("ab") as target, _bar(place.name, whole) as tell:
        tell(content.offset)
        for block in content.blocks():
            target.write(block)
            tell(len(block))
    part.replace(place)
    return place


def _unpack(path: Path) -> Path:
    folder = path.with_suffix("")
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise BadRequestError(f"{path} is damaged at {damaged}")
        archive.extractall(folder)
    return folder


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("-d", "--dataset", "dataset_id", type=int, metavar="ID", help="Into this dataset.")
@click.option("--new", "name", metavar="NAME", help="Into a new dataset of this name.")
@click.option("--type", "dataset_type", metavar="NAME", help="Type of the new dataset.")
@click.option("--investigation", metavar="ID|NAME", help="Investigation of the new dataset.")
@click.option("--format", "format_name", metavar="NAME", help="Datafile format; else by suffix.")
@click.option("--skip", is_flag=True, help="Leave out files that are there already.")
@pass_environment
def upload(
    environment: Environment,
    files: tuple[Path, ...],
    dataset_id: int | None,
    name: str | None,
    dataset_type: str | None,
    investigation: str | None,
    format_name: str | None,
    skip: bool,
) -> None:
    """Store files, and whole folders, in a dataset.

    \b
    ijp upload a.png b.png -d 12
    ijp upload run7/ --new run7 --type image --investigation MIC-2026-1
    """
    catalog = environment.catalog()
    if (dataset_id is None) == (name is None):
        raise click.UsageError("give either -d ID, or --new NAME with --type and --investigation")
    if dataset_id is None:
        if not (dataset_type and investigation):
            raise click.UsageError("a new dataset needs --type and --investigation")
        dataset_id = _new_dataset(catalog, str(name), dataset_type, investigation)
    formats = _Formats(catalog, dataset_id, format_name)
    session = environment.datastore().session(catalog.session_id)
    stored = []
    for path, stored_name in _expanded(files):
        try:
            with _bar(stored_name, path.stat().st_size) as tell:
                made = session.put(
                    path,
                    name=stored_name,
                    dataset_id=dataset_id,
                    datafile_format_id=formats.of(path),
                    progress=tell,
                )
        except ConflictError:
            if not skip:
                raise
            continue
        stored.append({"id": made.id, "name": stored_name, "size": made.size})
    lines = [f"{one['id']}\t{one['name']}\t{one['size']} bytes" for one in stored]
    environment.show(
        {"datasetId": dataset_id, "datafiles": stored}, "\n".join([f"dataset {dataset_id}", *lines])
    )


def _expanded(files: tuple[Path, ...]) -> Iterator[tuple[Path, str]]:
    for path in files:
        if path.is_dir():
            for inner in sorted(one for one in path.rglob("*") if one.is_file()):
                yield inner, inner.relative_to(path).as_posix()
        else:
            yield path, path.name


def _new_dataset(catalog: CatalogSession, name: str, kind: str, investigation: str) -> int:
    where = (
        query("i.id = {}", int(investigation))
        if investigation.isdigit()
        else query("i.name = {}", investigation)
    )
    found = catalog.search(f"SELECT i FROM Investigation i WHERE {where} INCLUDE i.facility")
    if not found:
        raise NotFoundError(f"no investigation {investigation!r} that you may read")
    text = "SELECT t.id FROM DatasetType t WHERE t.name = {} AND t.facility.id = {}"
    types = catalog.search(query(text, kind, found[0]["facility"]["id"]))
    if not types:
        raise NotFoundError(f"no dataset type {kind!r} at this facility")
    return catalog.create(
        "Dataset",
        name=name,
        complete=True,
        type={"id": types[0]},
        investigation={"id": found[0]["id"]},
    )


class _Formats:
    """The ids of the facility's datafile formats, chosen by name or by a file's suffix."""

    def __init__(self, catalog: CatalogSession, dataset_id: int, name: str | None) -> None:
        text = (
            "SELECT f FROM DatafileFormat f JOIN f.facility.investigations i JOIN i.datasets ds "
            "WHERE ds.id = {}"
        )
        self._known = catalog.search(query(text, dataset_id))
        self._name = name
        if not self._known:
            raise NotFoundError(f"no dataset {dataset_id} that you may read")

    def of(self, path: Path) -> int:
        """The format of a file.

        Raises:
            NotFoundError: None fits; the message lists those there are.
        """
        kind = mimetypes.guess_type(path.name)[0]
        suffix = path.suffix.lstrip(".").lower()
        for one in self._known:
            if self._name is not None:
                fits = one["name"] == self._name
            else:
                fits = (kind and one.get("type") == kind) or one["name"].lower() == suffix
            if fits:
                return int(one["id"])
        names = ", ".join(sorted(str(one["name"]) for one in self._known))
        wanted = f"named {self._name!r}" if self._name else f"for {path.name} (give --format)"
        raise NotFoundError(f"no datafile format {wanted}; there are: {names}")
