"""What a program that runs as a job uses: its inputs, its results, its progress.

::

    from ijp.job import Job

    job = Job.from_environment()
    for dataset in job.datasets:
        folder = job.fetch(dataset)
        …
        with job.new_dataset("segmented", type="segmentation") as made:
            made.add_file(labels, format="PNG")
            made.set("nObjects", 12)

A job sees only what it was started on: the portal gives it a token of its own, in a file that
only the job's account can read.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NoReturn, Self
from urllib.parse import quote

from ijp.catalog import format_date
from ijp.datastore import Content, Sent
from ijp.errors import (
    BadRequestError,
    DataNotOnlineError,
    InternalError,
    PortalError,
    UnavailableError,
)
from ijp.portal import read_error
from ijp.transport import Transport, blocks_of, http_session, json_of

JOB_FILE = "IJP_JOB_FILE"
_BLOCK = 1 << 20
_CONNECT_ATTEMPTS = 40
"""For some minutes: a portal that is being restarted shall not cost a job of hours."""
_FETCH_ATTEMPTS = 5
_RECALL_SECONDS = 2.0
_UPLOAD_TIMEOUT_SECONDS = 3600
_PROGRESS_EVERY_SECONDS = 0.5

Value = float | int | str | datetime


class NotInJobError(Exception):
    """The program was not started by the portal."""


@dataclass(frozen=True)
class Parameter:
    """A typed value with its name and units; a measured one may have a standard deviation."""

    name: str
    value: Value
    units: str = ""
    error: float | None = None

    def on_wire(self) -> dict[str, Any]:
        """As the portal's JSON has it."""
        found: dict[str, Any] = {"name": self.name}
        if self.units:
            found["units"] = self.units
        if isinstance(self.value, datetime):
            found["dateTimeValue"] = format_date(self.value)
        elif isinstance(self.value, str):
            found["stringValue"] = self.value
        elif isinstance(self.value, bool):
            raise BadRequestError(f"parameter {self.name}: give a number or text, not a boolean")
        elif not math.isfinite(self.value):
            raise BadRequestError(f"parameter {self.name}: {self.value} is not a number")
        else:
            found["numericValue"] = float(self.value)
            if self.error is not None:
                found["error"] = self.error
        return found


@dataclass(frozen=True)
class InputFile:
    """A file that the job may read."""

    id: int
    name: str
    size: int | None
    format: str | None = None


@dataclass(frozen=True)
class InputDataset:
    """A dataset that the job was started on, with its parameters' values by name."""

    id: int
    name: str
    type: str
    investigation_id: int
    parameters: Mapping[str, Any]
    files: tuple[InputFile, ...]


class Job:
    """The job that this program runs as."""

    def __init__(self, url: str, token: str, folder: Path, ca_bundle: str | None = None) -> None:
        http = http_session(ca_bundle=ca_bundle, connect_attempts=_CONNECT_ATTEMPTS)
        http.headers["Authorization"] = f"Bearer {token}"
        self._transport = Transport(url.rstrip("/") + "/api/v1/capsule", read_error, http)
        self.folder = folder
        found = json_of(self._transport.call("GET", ""))
        self.id: int = found["jobId"]
        self.public_id: str = found["publicId"]
        self.job_type: str = found["jobType"]
        self.user: str = found["user"]
        self.arguments: list[str] = list(found.get("arguments", []))
        self.facility: str = found["facility"]
        self.investigation_id: int | None = found.get("investigationId")
        self.datasets = [_dataset(one) for one in found["inputs"]["datasets"]]
        self.datafiles = [_file(one) for one in found["inputs"]["datafiles"]]

    @classmethod
    def from_environment(cls) -> Self:
        """The job that the environment speaks of.

        Raises:
            NotInJobError: There is none: the program was started by hand.
        """
        path = os.environ.get(JOB_FILE)
        if not path:
            raise NotInJobError(f"{JOB_FILE} is not set: run this program as a job of the portal")
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        return cls(found["url"], found["token"], Path.cwd(), found.get("caBundle"))

    def fetch(self, dataset: InputDataset, folder: Path | None = None) -> Path:
        """Copy all files of an input dataset into a folder (made if need be) and give it."""
        place = folder or self.folder / "inputs" / str(dataset.id)
        place.mkdir(parents=True, exist_ok=True)
        for file in dataset.files:
            self.fetch_file(file, place / safe_name(file.name))
        return place

    def fetch_file(self, file: InputFile, path: Path | None = None) -> Path:
        """Copy one input file; give where it is, which is a place of its own if none is given.

        One that went to the archive meanwhile is waited for.

        Raises:
            InternalError: Fewer bytes came than the catalog says there are.
            UnavailableError: The connection broke again and again.
        """
        place = path or self.folder / "inputs" / f"file {file.id}" / safe_name(file.name)
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as target:
            failures = 0
            while True:
                try:
                    self._receive(file, target)
                    break
                except DataNotOnlineError:
                    # It has been asked for by now; how long a job may take is limited elsewhere.
                    time.sleep(_RECALL_SECONDS)
                except UnavailableError:
                    failures += 1
                    if failures == _FETCH_ATTEMPTS:
                        raise
            size = target.tell()
        if file.size is not None and size != file.size:
            raise InternalError(f"{file.name}: {size} bytes came, {file.size} were expected")
        return place

    def _receive(self, file: InputFile, target: IO[bytes]) -> None:
        """Go on after what is there already."""
        begun = target.tell()
        if begun and begun == file.size:
            return
        headers = {"Accept-Encoding": "identity"}
        if begun:
            headers["Range"] = f"bytes={begun}-"
        with self._transport.call(
            "GET", f"/datafiles/{file.id}", headers=headers, stream=True
        ) as answer:
            for block in blocks_of(answer, _BLOCK):
                target.write(block)

    def new_dataset(
        self,
        name: str,
        type: str,
        *,
        description: str | None = None,
        parameters: Sequence[Parameter] = (),
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> OutputDataset:
        """A new dataset in the job's investigation; as a context it is completed at the end.

        If the block raises, the dataset is removed again.

        Raises:
            ConflictError: There is one of that name.
        """
        body: dict[str, Any] = {"name": name, "type": type}
        body["parameters"] = [one.on_wire() for one in parameters]
        for key, value in (("description", description),):
            if value is not None:
                body[key] = value
        for key, moment in (("startDate", start), ("endDate", end)):
            if moment is not None:
                body[key] = format_date(moment)
        found = json_of(self._transport.call("POST", "/datasets", json=body))
        return OutputDataset(self._transport, int(found["id"]), name)

    def augment(self, dataset: InputDataset, parameters: Sequence[Parameter]) -> None:
        """Add parameters to a dataset that the job was started on."""
        _add_parameters(self._transport, dataset.id, parameters)

    def progress(self, fraction: float, message: str = "") -> None:
        """Tell how far the job is (0 to 1) and what it does.

        Progress is never worth a failed job: trouble in telling it is ignored.
        """
        body = {"fraction": min(1.0, max(0.0, fraction)), "message": message}
        try:
            self._transport.call("POST", "/progress", json=body, read_timeout_seconds=10)
        except PortalError as error:
            print(f"progress was not told: {error}", file=sys.stderr)

    def track(self, things: Sequence[Any], message: str = "") -> Iterator[Any]:
        """Go through a sequence, telling the progress now and then before a member."""
        told = -math.inf
        for number, thing in enumerate(things):
            if time.monotonic() - told >= _PROGRESS_EVERY_SECONDS:
                self.progress(number / len(things), message)
                told = time.monotonic()
            yield thing
        self.progress(1.0, message)


class OutputDataset:
    """A dataset that the job makes."""

    def __init__(self, transport: Transport, id: int, name: str) -> None:
        self._transport = transport
        self.id = id
        self.name = name
        self._pending: list[Parameter] = []

    def add_file(
        self, source: Path | bytes, *, name: str | None = None, format: str | None = None
    ) -> int:
        """Store a file in the dataset; give its id.

        Args:
            name: Under which it is stored; that of the file if None.
            format: A datafile format's name; the portal chooses by the name's ending if None.

        Raises:
            InternalError: What was stored is not what was sent.
        """
        if isinstance(source, Path):
            return self._put(source, name or source.name, format)
        if not name:
            raise BadRequestError("bytes need a name to be stored under")
        return self._put([source], name, format)

    def _put(self, content: Content, name: str, format: str | None) -> int:
        sent = Sent(content, None)
        found = json_of(
            self._transport.call(
                "PUT",
                f"/datasets/{self.id}/datafiles/{quote(name, safe='')}",
                params={"format": format} if format else None,
                body=sent,
                headers={"Content-Type": "application/octet-stream"},
                read_timeout_seconds=_UPLOAD_TIMEOUT_SECONDS,
            )
        )
        if int(found["checksum"]) != sent.checksum:
            raise InternalError(f"{name}: the stored file's checksum is not that of what was sent")
        return int(found["id"])

    def set(self, name: str, value: Value, units: str = "", error: float | None = None) -> None:
        """Give the dataset a parameter; it is stored with the others at the end of the context."""
        self._pending.append(Parameter(name, value, units, error))

    def complete(self) -> None:
        """Store the parameters and make the dataset visible to searches."""
        if self._pending:
            _add_parameters(self._transport, self.id, self._pending)
            self._pending = []
        self._transport.call("POST", f"/datasets/{self.id}/complete")

    def remove(self) -> None:
        """Take the dataset and its files away again."""
        self._transport.call("DELETE", f"/datasets/{self.id}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.complete()
                return
        except BaseException:
            self._give_up()
            raise
        self._give_up()

    def _give_up(self) -> None:
        """Remove the dataset; the portal does it at the job's end if that fails now."""
        try:
            self.remove()
        except PortalError as error:
            print(f"dataset {self.id} was not removed: {error}", file=sys.stderr)


def run(main: Callable[[Job], None]) -> NoReturn:
    """Run a job's function; a problem becomes one line on standard error and status 1.

    A problem is an error of the portal, one that the function raised as such, or a program that
    it ran and that failed. Anything else is a bug, whose traceback is shown.
    """
    name = Path(sys.argv[0]).name
    try:
        main(Job.from_environment())
    except (PortalError, NotInJobError) as error:
        sys.exit(f"{name}: {error}")
    except subprocess.CalledProcessError as error:
        command = error.cmd if isinstance(error.cmd, str) else str(error.cmd[0])
        sys.exit(f"{name}: {command} {_ending(error.returncode)}")
    sys.exit(0)


def _ending(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"


def safe_name(name: str) -> str:
    """A relative path of at most the parts of ``name`` that stay below its folder.

    Raises:
        BadRequestError: The name is absolute or climbs out.
    """
    path = Path(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise BadRequestError(f"the file name {name!r} leaves its folder")
    return str(path)


def _add_parameters(transport: Transport, dataset_id: int, parameters: Sequence[Parameter]) -> None:
    body = {"parameters": [one.on_wire() for one in parameters]}
    transport.call("POST", f"/datasets/{dataset_id}/parameters", json=body)


def _dataset(found: Mapping[str, Any]) -> InputDataset:
    return InputDataset(
        id=int(found["id"]),
        name=str(found["name"]),
        type=str(found["type"]),
        investigation_id=int(found["investigationId"]),
        parameters={one["name"]: _value(one) for one in found.get("parameters", [])},
        files=tuple(_file(one) for one in found.get("datafiles", [])),
    )


def _value(found: Mapping[str, Any]) -> Any:
    for key in ("numericValue", "stringValue", "dateTimeValue"):
        if found.get(key) is not None:
            return found[key]
    return found.get("value")


def _file(found: Mapping[str, Any]) -> InputFile:
    size = found.get("size")
    return InputFile(
        int(found["id"]),
        str(found["name"]),
        None if size is None else int(size),
        found.get("format"),
    )
