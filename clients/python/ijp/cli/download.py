"""Bring data here."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import click

from ijp.cli.environment import Environment, pass_environment
from ijp.cli.ids import IDS, flat
from ijp.cli.progress import bytes_bar
from ijp.datastore import Download, Selection
from ijp.errors import BadRequestError, ConflictError


@click.command()
@click.argument("datasets", nargs=-1, type=IDS, metavar="[DATASET]...")
@click.option("-f", "--datafile", "datafiles", multiple=True, type=IDS, help="Datafiles.")
@click.option(
    "-o", "--output", metavar="PATH", help="File to write; with a / at its end, a folder."
)
@click.option("-x", "--extract", is_flag=True, help="Unpack the zip into a folder of its name.")
@click.option("--force", is_flag=True, help="Replace what is there.")
@click.option("--url", "only_url", is_flag=True, help="Print an address that needs no session.")
@pass_environment
def download(
    environment: Environment,
    datasets: tuple[tuple[int, ...], ...],
    datafiles: tuple[tuple[int, ...], ...],
    output: str | None,
    extract: bool,
    force: bool,
    only_url: bool,
) -> None:
    """Get datasets as a zip, or a single datafile as it is.

    A download that was broken off goes on where it stopped when the command is given again.

    \b
    ijp download 12 13 -o results.zip
    ijp download 12 --extract
    ijp download -f 40 -o pictures/
    """
    selection = Selection(dataset_ids=flat(datasets), datafile_ids=flat(datafiles))
    if not (selection.dataset_ids or selection.datafile_ids):
        raise click.UsageError("give ids of datasets, or -f and ids of datafiles")
    if only_url:
        prepared = environment.portal.download(selection.dataset_ids, selection.datafile_ids)
        environment.show(prepared, [prepared["url"]])
        return
    with environment.datastore.get_data(selection, name=_proposed(environment, selection)) as data:
        place = target = _place(output, data.name)
        if unpack := extract and place.suffix == ".zip":
            target = place.with_suffix("")
            place = place.with_name(f".{place.name}")
        if target.exists() and not force:
            raise ConflictError(f"{target} is there already (--force replaces it)")
        _fetch(environment, selection, data, place)
    if unpack:
        _unpack(place, target)
    environment.show({"path": str(target)}, [str(target)])


def _proposed(environment: Environment, selection: Selection) -> str:
    if len(selection.dataset_ids) == 1 and not selection.datafile_ids:
        found = environment.portal.dataset(selection.dataset_ids[0])
        return str(found["name"]).replace("/", "_") + ".zip"
    return "" if len(selection.datafile_ids) == 1 and not selection.dataset_ids else "data.zip"


def _place(output: str | None, name: str) -> Path:
    if output is None:
        return Path(name)
    if output.endswith("/"):
        Path(output).mkdir(parents=True, exist_ok=True)
    place = Path(output) / name if Path(output).is_dir() else Path(output)
    if not place.parent.is_dir():
        raise click.UsageError(f"there is no folder {place.parent} to write to")
    return place


def _fetch(environment: Environment, selection: Selection, data: Download, place: Path) -> None:
    """Write the content to a place, going on where an earlier download of it was broken off."""
    part = _part(place, data.headers)
    begun = part.stat().st_size if part.exists() else 0
    if data.size is not None and begun >= data.size:
        part.unlink(missing_ok=True)
        begun = 0
    if not begun:
        _write(data, part, place)
        return
    data.close()
    with environment.datastore.get_data(selection, start=begun, name=data.name) as rest:
        _write(rest, part, place)


def _part(place: Path, headers: Mapping[str, str]) -> Path:
    """Where the content is until it is whole: a name for each content, so that none are mixed."""
    tag = zlib.crc32(headers.get("ETag", "").encode())
    part = place.with_name(f".{place.name[:200]}.{tag:08x}.part")
    if "ETag" not in headers:
        part.unlink(missing_ok=True)
    return part


def _write(content: Download, part: Path, place: Path) -> None:
    whole = None if content.size is None else content.offset + content.size
    with part.open("ab") as target, bytes_bar(place.name, whole) as bar:
        bar.advance(content.offset)
        for block in content.blocks():
            target.write(block)
            bar.advance(len(block))
    part.replace(place)


def _unpack(archive_path: Path, folder: Path) -> None:
    """Unpack into a folder; names that lead out of it lose what leads out."""
    try:
        with zipfile.ZipFile(archive_path) as archive:
            archive.extractall(folder)
    except (zipfile.BadZipFile, NotADirectoryError) as error:
        raise BadRequestError(f"{archive_path} cannot be unpacked: {error}") from error
    archive_path.unlink()
