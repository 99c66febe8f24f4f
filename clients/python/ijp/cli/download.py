"""Bring data here."""

from __future__ import annotations

import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from time import sleep
from typing import Protocol

import click

from ijp.cli.environment import Environment, pass_environment
from ijp.cli.ids import IDS, flat
from ijp.cli.progress import Counted, bytes_bar, counting_bar
from ijp.datastore import BLOCK_BYTES, Download, Selection
from ijp.errors import (
    BadRequestError,
    ConflictError,
    DataNotOnlineError,
    InternalError,
    PortalError,
)
from ijp.portal import Record, growing_pauses
from ijp.query import query

_MOST_AT_ONCE = 200
"""Of more the portal makes a list first: they do not fit into an address."""


class _Ask(Protocol):
    """Begins to download, from a byte on."""

    def __call__(self, *, start: int = 0) -> Download: ...


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
    Data that are not on disk are asked for and waited for, with how many files of them are there.
    What arrived is compared with the checksums.

    \b
    ijp download 12 13 -o results.zip
    ijp download 12 --extract
    ijp download -f 40 -o pictures/
    """
    selection = Selection(dataset_ids=flat(datasets), datafile_ids=flat(datafiles))
    if not (selection.dataset_ids or selection.datafile_ids):
        raise click.UsageError("give ids of datasets, or -f and ids of datafiles")
    if only_url:
        prepared = _listed(environment, selection)
        environment.show(prepared, [prepared["url"]])
        return
    name = _proposed(environment, selection)
    data, ask = _available(environment, selection, name, wait=not no_wait)
    with data:
        place = target = _place(output, data.name)
        if unpack := extract and place.suffix == ".zip":
            target = place.with_suffix("")
            place = place.with_name(f".{place.name}")
        if target.exists() and not force:
            raise ConflictError(f"{target} is there already (--force replaces it)")
        _fetch(data, ask, place, _check_of(environment, selection))
    if unpack:
        _unpack(place, target)
    environment.show({"path": str(target)}, [str(target)])


def _available(
    environment: Environment, selection: Selection, name: str, *, wait: bool
) -> tuple[Download, _Ask]:
    """The download, after the data have been brought back if they had to be."""
    ask: _Ask = partial(environment.datastore.get_data, selection, name=name)
    is_small = len(selection.dataset_ids) + len(selection.datafile_ids) <= _MOST_AT_ONCE
    while True:
        try:
            if is_small:
                return ask(), ask
        except DataNotOnlineError:
            if not wait:
                raise
        prepared = _brought_back(environment, selection, name, wait=wait)
        is_small = True
        ask = partial(environment.datastore.datastore.get_prepared, prepared, name=name)


def _brought_back(environment: Environment, selection: Selection, name: str, *, wait: bool) -> str:
    """The data service's id of a selection that is listed, and all there."""
    seen = _listed(environment, selection, name)
    pauses, told = growing_pauses(), ""
    with counting_bar() as count:
        while seen["state"] != "READY":
            if seen["state"] != "RESTORING":
                raise PortalError(f"the data cannot be downloaded: {seen['reason']}")
            if not wait:
                raise DataNotOnlineError("the data are not online; they have been asked for")
            told = _tell(seen, told, count)
            sleep(next(pauses))
            seen = environment.portal.download_state(seen["id"])
    return str(seen["preparedId"])


def _tell(seen: Record, told: str, count: Counted) -> str:
    """Say how many files are back, in a line if that is news; gives the line."""
    text = "the data are being brought back from the archive"
    count("files brought back", seen["online"] or 0, seen["files"])
    if seen["online"] is not None:
        text += f": {seen['online']:,} of {seen['files']:,} files are there"
    if text != told and not sys.stderr.isatty():
        click.echo(text, err=True)
    return text


def _listed(environment: Environment, selection: Selection, name: str = "") -> Record:
    """What the portal says of a selection when it knows what is in it."""
    with counting_bar() as count:
        return environment.portal.download(
            selection.dataset_ids,
            selection.datafile_ids,
            name=name,
            tell=lambda seen: count("listed", seen["looked"], seen["total"]),
        )


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


def _fetch(data: Download, ask: _Ask, place: Path, fault_of: Callable[[Path], str | None]) -> None:
    """Write the content to a place, going on where an earlier download of it was broken off.

    Raises:
        InternalError: What arrived is not what was sent; the next command begins anew.
    """
    part = _part(place, data.headers)
    begun = part.stat().st_size if part.exists() else 0
    if data.size is not None and begun >= data.size:
        part.unlink(missing_ok=True)
        begun = 0
    if not begun:
        _write(data, part, place, fault_of)
        return
    data.close()
    with ask(start=begun) as rest:
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
