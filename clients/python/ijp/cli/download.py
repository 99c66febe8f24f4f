"""Bring data here."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from time import sleep

import click

from ijp.cli.environment import Environment, pass_environment
from ijp.cli.ids import IDS, flat
from ijp.cli.progress import bytes_bar, waiting_bar
from ijp.datastore import BLOCK_BYTES, Download, Selection
from ijp.errors import BadRequestError, ConflictError, DataNotOnlineError, InternalError
from ijp.query import query

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 15.0


@click.command()
@click.argument("datasets", nargs=-1, type=IDS, metavar="[DATASET]...")
@click.option("-f", "--datafile", "datafiles", multiple=True, type=IDS, help="Datafiles.")
@click.option(
    "-o", "--output", metavar="PATH", help="File to write; with a / at its end, a folder."
)
@click.option("-x", "--extract", is_flag=True, help="Unpack the zip into a folder of its name.")
@click.option("--force", is_flag=True, help="Replace what is there.")
@click.option("--no-wait", is_flag=True, help="End with an error if data must be brought back.")
@click.option("--url", "only_url", is_flag=True, help="Print an address that needs no session.")
@pass_environment
def download(
    environment: Environment,
    datasets: tuple[tuple[int, ...], ...],
    datafiles: tuple[tuple[int, ...], ...],
    output: str | None,
    extract: bool,
    force: bool,
    no_wait: bool,
    only_url: bool,
) -> None:
    """Get datasets as a zip, or a single datafile as it is.

    A download that was broken off goes on where it stopped when the command is given again.
    Data that are not on disk are asked for and waited for. What arrived is compared with the
    checksums.

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
    name = _proposed(environment, selection)
    with _available(environment, selection, name, wait=not no_wait) as data:
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


def _available(
    environment: Environment, selection: Selection, name: str, *, wait: bool
) -> Download:
    """The download, after the data have been brought back if they had to be."""
    while True:
        try:
            return environment.datastore.get_data(selection, name=name)
        except DataNotOnlineError:
            if not wait:
                raise
            _wait_until_there(environment, selection)


def _wait_until_there(environment: Environment, selection: Selection) -> None:
    prepared = environment.datastore.prepare(selection)
    pause = _FIRST_PAUSE_SECONDS
    click.echo("the data are being brought back from the archive", err=True)
    with waiting_bar("waiting for the data"):
        while not environment.datastore.datastore.is_prepared(prepared):
            sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)


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
    """Write the content to a place, going on where an earlier download of it was broken off.

    Raises:
        InternalError: What arrived is not what was sent; the next command begins anew.
    """
    fault_of = _check_of(environment, selection)
    part = _part(place, data.headers)
    begun = part.stat().st_size if part.exists() else 0
    if data.size is not None and begun >= data.size:
        part.unlink(missing_ok=True)
        begun = 0
    if not begun:
        _write(data, part, place, fault_of)
        return
    data.close()
    with environment.datastore.get_data(selection, start=begun, name=data.name) as rest:
        _write(rest, part, place, fault_of)


def _part(place: Path, headers: Mapping[str, str]) -> Path:
    """Where the content is until it is whole: a name for each content, so that none are mixed."""
    tag = zlib.crc32(headers.get("ETag", "").encode())
    part = place.with_name(f".{place.name[:200]}.{tag:08x}.part")
    if "ETag" not in headers:
        part.unlink(missing_ok=True)
    return part


def _write(
    content: Download, part: Path, place: Path, fault_of: Callable[[Path], str | None]
) -> None:
    whole = None if content.size is None else content.offset + content.size
    with part.open("ab") as target, bytes_bar(place.name, whole) as bar:
        bar.advance(content.offset)
        for block in content.blocks():
            target.write(block)
            bar.advance(len(block))
    if fault := fault_of(part):
        part.unlink()
        raise InternalError(f"{place.name} {fault}; it has been removed")
    part.replace(place)


def _check_of(environment: Environment, selection: Selection) -> Callable[[Path], str | None]:
    """Says what is wrong with a download: by the catalog's CRC-32, or by those inside the zip."""
    if selection.dataset_ids or len(selection.datafile_ids) != 1:
        return _fault_of_zip
    text = "SELECT df.checksum FROM Datafile df WHERE df.id = {}"
    found = environment.catalog.search(query(text, selection.datafile_ids[0]))
    checksum = str(found[0]) if found and found[0] else None
    return lambda part: checksum and _fault_of_file(part, checksum)


def _fault_of_file(part: Path, checksum: str) -> str | None:
    crc = 0
    with part.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            crc = zlib.crc32(block, crc)
    same = checksum.lstrip("0").lower() == f"{crc:x}".lstrip("0")
    return None if same else f"arrived with the CRC-32 {crc:x}, not {checksum}"


def _fault_of_zip(part: Path) -> str | None:
    try:
        with zipfile.ZipFile(part) as archive:
            bad = archive.testzip()
    except (zipfile.BadZipFile, zlib.error) as error:
        return f"arrived broken: {error}"
    return None if bad is None else f"arrived with a broken file {bad!r}"


def _unpack(archive_path: Path, folder: Path) -> None:
    """Unpack into a folder; names that lead out of it lose what leads out."""
    try:
        with zipfile.ZipFile(archive_path) as archive:
            archive.extractall(folder)
    except (zipfile.BadZipFile, NotADirectoryError) as error:
        raise BadRequestError(f"{archive_path} cannot be unpacked: {error}") from error
    archive_path.unlink()
