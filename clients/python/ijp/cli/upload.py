"""Bring data to the facility."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ijp.catalog import CatalogSession
from ijp.cli.begun import Begun
from ijp.cli.environment import Environment, pass_environment
from ijp.cli.progress import Bar, bytes_bar
from ijp.errors import BadRequestError, ConflictError, NotFoundError, PortalError, UnavailableError
from ijp.query import query

_SAME = {"jpg": "jpeg", "tif": "tiff", "nxs": "nexus", "h5": "hdf5", "txt": "text"}
RESUMABLE_BYTES = 4 << 20
"""Files from this size on are sent so that they can go on after an interruption."""

_ANY = frozenset({"binary", "unknown", "other"})


@dataclass(frozen=True)
class File:
    """A file to store, with the name that it gets."""

    path: Path
    name: str
    format_id: int


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("-d", "--dataset", "dataset_id", type=click.IntRange(1), help="Into this dataset.")
@click.option("--new", "name", metavar="NAME", help="Into a new dataset of this name.")
@click.option("--type", "dataset_type", metavar="NAME", help="Type of the new dataset.")
@click.option("--investigation", metavar="ID|NAME", help="Investigation of the new dataset.")
@click.option("--format", "format_name", metavar="NAME", help="Datafile format; else by suffix.")
@click.option("--skip", is_flag=True, help="Leave out files that are there already.")
@pass_environment
def upload(
    environment: Environment,
    paths: tuple[Path, ...],
    dataset_id: int | None,
    name: str | None,
    dataset_type: str | None,
    investigation: str | None,
    format_name: str | None,
    skip: bool,
) -> None:
    """Store files, and whole folders, in a dataset.

    Files in folders keep their names below the folder; those that begin with a dot stay here.
    A large file that was broken off goes on where it was when the command is given again.

    \b
    ijp upload a.png b.png -d 12
    ijp upload run7/ --new run7 --type image --investigation MIC-2026-1
    """
    if (dataset_id is None) == (name is None):
        raise click.UsageError("give either -d ID, or --new NAME with --type and --investigation")
    if name is not None and not (dataset_type and investigation):
        raise click.UsageError("a new dataset needs --type and --investigation")
    target = _Target(environment.catalog, dataset_id, investigation)
    files = _files(paths, _Formats(environment.catalog, target.facility_id, format_name))
    if name is not None:
        target.make_dataset(name, str(dataset_type))
    stored = _store(environment, target, files, skip)
    found = {"datasetId": target.dataset_id, "datafiles": stored}
    lines = [f"datafile {one['id']}  {one['name']}  {one['size']} bytes" for one in stored]
    environment.show(found, [f"dataset {target.dataset_id}", *lines])


class _Target:
    """The dataset that files go to, there already or to be made."""

    def __init__(
        self, catalog: CatalogSession, dataset_id: int | None, investigation: str | None
    ) -> None:
        self._catalog = catalog
        self.dataset_id = dataset_id or 0
        self._is_new = self._is_open = dataset_id is None
        if dataset_id is None:
            self._investigation_id, self.facility_id = _investigation(catalog, str(investigation))
        else:
            self._read(dataset_id)

    def _read(self, dataset_id: int) -> None:
        text = (
            "SELECT i.id, i.facility.id, d.complete, d.createId"
            " FROM Dataset d JOIN d.investigation i WHERE d.id = {}"
        )
        found = self._catalog.search(query(text, dataset_id))
        if not found:
            raise NotFoundError(f"there is no dataset {dataset_id} that you may see")
        self._investigation_id, self.facility_id, complete, maker = found[0]
        self._is_open = not complete and maker == self._catalog.user_name()

    def make_dataset(self, name: str, type_name: str) -> None:
        """Make it; searches find it when it is complete.

        Raises:
            NotFoundError: The facility has no such type; the message lists those there are.
            ConflictError: The investigation has a dataset of that name and type.
        """
        text = "SELECT t.name, t.id FROM DatasetType t WHERE t.facility.id = {} ORDER BY t.name"
        types: dict[str, int] = dict(self._catalog.search(query(text, self.facility_id)))
        if type_name not in types:
            known = ", ".join(types) or "none"
            raise NotFoundError(f"there is no dataset type {type_name!r} (there are: {known})")
        self.dataset_id = self._catalog.create(
            "Dataset",
            name=name,
            complete=False,
            type={"id": types[type_name]},
            investigation={"id": self._investigation_id},
        )

    def complete(self) -> None:
        """Let searches find a dataset that was made here, now or by an upload that broke off."""
        if self._is_open:
            self._catalog.update("Dataset", self.dataset_id, complete=True)

    def remove(self) -> None:
        """Take a dataset that was made here away again: nothing is in it."""
        if self._is_new:
            self._catalog.delete("Dataset", [self.dataset_id])


def _investigation(catalog: CatalogSession, name: str) -> tuple[int, int]:
    """Ids of an investigation and its facility."""
    key = "i.id" if name.isascii() and name.isdigit() else "i.name"
    text = f"SELECT i.id, i.facility.id FROM Investigation i WHERE {key} = {{}}"
    found = catalog.search(query(text, int(name) if key == "i.id" else name))
    if not found:
        raise NotFoundError(f"there is no investigation {name!r} that you may see")
    if len(found) > 1:
        ids = ", ".join(str(id) for id, _ in found)
        raise BadRequestError(f"several investigations are called {name!r}; give an id of {ids}")
    return int(found[0][0]), int(found[0][1])


class _Formats:
    """The facility's datafile formats, chosen by name or by a file's suffix."""

    def __init__(self, catalog: CatalogSession, facility_id: int, name: str | None) -> None:
        text = "SELECT f FROM DatafileFormat f WHERE f.facility.id = {} ORDER BY f.name"
        self._known: list[dict[str, Any]] = catalog.search(query(text, facility_id))
        self._name = name

    def of(self, path: Path) -> int:
        """The id of a file's format.

        Raises:
            NotFoundError: None fits; the message lists those there are.
        """
        suffix = path.suffix.lstrip(".").lower()
        wanted = {suffix, _SAME.get(suffix, suffix)} - {""}
        for fits in (
            self._is_named,
            lambda one: _names(one) & wanted,
            lambda one: _names(one) & _ANY,
        ):
            for one in self._known:
                if fits(one):
                    return int(one["id"])
            if self._name is not None:
                break
        names = ", ".join(str(one["name"]) for one in self._known) or "none"
        what = f"named {self._name!r}" if self._name else f"for {path.name} (give --format)"
        raise NotFoundError(f"there is no datafile format {what}; there are: {names}")

    def _is_named(self, one: Mapping[str, Any]) -> bool:
        return bool(one["name"] == self._name)


def _names(one: Mapping[str, Any]) -> set[str]:
    media = str(one.get("type") or "").lower()
    return {str(one["name"]).lower(), media.rpartition("/")[2]}


def _files(paths: Sequence[Path], formats: _Formats) -> list[File]:
    """What is to be stored; every fault is found before the first file goes."""
    files = [File(path, name, formats.of(path)) for path, name in _expanded(paths)]
    if not files:
        raise click.UsageError("there is no file in " + ", ".join(map(str, paths)))
    names: dict[str, Path] = {}
    for file in files:
        if file.name in names:
            other = names[file.name]
            raise click.UsageError(f"{other} and {file.path} would both be {file.name!r}")
        names[file.name] = file.path
    return files


def _expanded(paths: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    for path in paths:
        if not path.is_dir():
            yield path, path.name
            continue
        for inner in sorted(one for one in path.rglob("*") if one.is_file()):
            name = inner.relative_to(path)
            if not any(part.startswith(".") for part in name.parts):
                yield inner, name.as_posix()


def _store(
    environment: Environment, target: _Target, files: Sequence[File], skip: bool
) -> list[dict[str, Any]]:
    stored: list[dict[str, Any]] = []
    begun = Begun(environment.folder, environment.url)
    try:
        with bytes_bar("", sum(one.path.stat().st_size for one in files)) as bar:
            sending = _Sending(environment, target.dataset_id, begun, bar)
            for file in files:
                if made := sending.put(file, skip):
                    stored.append(made)
        target.complete()
    except (PortalError, OSError, KeyboardInterrupt):
        _tell_what_is_left(target, begun, len(stored), len(files))
        raise
    return stored


class _Sending:
    """Files on their way into one dataset."""

    def __init__(self, environment: Environment, dataset_id: int, begun: Begun, bar: Bar) -> None:
        self._datastore = environment.datastore
        self._dataset_id = dataset_id
        self._begun = begun
        self._bar = bar

    def put(self, file: File, skip: bool) -> dict[str, Any] | None:
        """Store a file; None for one that is there already and is to be left out."""
        self._bar.name(file.name)
        size = file.path.stat().st_size
        try:
            if size >= RESUMABLE_BYTES and self._datastore.datastore.takes_pieces():
                id = self._in_pieces(file)
            else:
                id = self._at_once(file)
        except ConflictError:
            if skip:
                return None
            raise
        return {"id": id, "name": file.name, "size": size}

    def _at_once(self, file: File) -> int:
        made = self._datastore.put(
            file.path,
            name=file.name,
            dataset_id=self._dataset_id,
            datafile_format_id=file.format_id,
            mod_time=datetime.fromtimestamp(file.path.stat().st_mtime, UTC),
            progress=self._bar.advance,
        )
        return made.id

    def _in_pieces(self, file: File) -> int:
        upload = self._datastore.resumable(file.path)
        key = self._begun.key(self._dataset_id, file.name, file.path)
        if (address := self._begun.address(key)) is not None:
            try:
                upload.go_on(address)
            except NotFoundError:
                self._begun.forget(key)
        if self._begun.address(key) is None:
            self._begun.keep(key, upload.begin(self._told(file)))
        try:
            id, _ = upload.send(self._bar.advance)
        except UnavailableError:
            raise
        except PortalError:
            self._begun.forget(key)
            raise
        self._begun.forget(key)
        return id

    def _told(self, file: File) -> dict[str, str]:
        return {
            "name": file.name,
            "datasetId": str(self._dataset_id),
            "datafileFormatId": str(file.format_id),
            "datafileModTime": str(round(file.path.stat().st_mtime * 1000)),
        }


def _tell_what_is_left(target: _Target, begun: Begun, stored: int, wanted: int) -> None:
    """An upload that failed leaves no empty dataset; what is stored can be completed."""
    if stored or begun.is_any_of(target.dataset_id):
        click.echo(
            f"{stored} of {wanted} files are in dataset {target.dataset_id}; "
            f"to go on: ijp upload … -d {target.dataset_id} --skip",
            err=True,
        )
    else:
        target.remove()
