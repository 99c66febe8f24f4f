"""What the test of killed services needs: clients, what they know, and services to be killed."""

from __future__ import annotations

import io
import os
import random
import secrets
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests

from bench.postgresql import free_port
from ijp.datastore import DatastoreClient, DatastoreSession, Selection
from ijp.errors import DataNotOnlineError, PortalError
from ijp.tus import VERSION, metadata_header

_PIECE = "application/offset+octet-stream"
_LONGEST_SECONDS = 120
_SIZES = (0, 10, 3000, 400_000)


@dataclass
class Ledger:
    """What clients know: what they sent, and what was acknowledged."""

    sent: dict[str, bytes] = field(default_factory=dict)
    stored: dict[int, str] = field(default_factory=dict)
    maybe_deleted: set[int] = field(default_factory=set)
    deleted: set[int] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def new(self, content: bytes) -> str:
        """A name for a content that is about to be sent."""
        name = secrets.token_hex(8)
        with self.lock:
            self.sent[name] = content
        return name

    def acknowledged(self, id: int, name: str) -> None:
        """The service said that a content is stored."""
        with self.lock:
            self.stored[id] = name

    def some(self, chance: random.Random, count: int) -> list[int]:
        """Datafiles that must be there.

        Raises:
            OSError: There are none.
        """
        with self.lock:
            there = sorted(self.stored.keys() - self.maybe_deleted)
        if not there:
            raise OSError("nothing is stored yet")
        return chance.sample(there, min(count, len(there)))

    @property
    def acknowledged_bytes(self) -> int:
        """Of all that was stored, be it deleted since or not."""
        return sum(len(self.sent[name]) for name in self.stored.values())


class Client(threading.Thread):
    """Does one thing after the other, at random, at any of the services."""

    def __init__(self, urls: list[str], session_id: str, site, ledger: Ledger, seed: int) -> None:
        super().__init__(daemon=True)
        self.urls, self.session_id, self.site, self.ledger = urls, session_id, site, ledger
        self.random = random.Random(seed)
        # without retries, which would pause longer than a service is away
        self.http = requests.Session()
        self.stores = [DatastoreClient(url, self.http) for url in urls]
        self.ended = threading.Event()

    def run(self) -> None:
        acts = [self.put] * 6 + [self.upload] * 3 + [self.read] * 3 + [self.read_zip, self.delete]
        acts += [self.archive, self.restore] * 2
        while not self.ended.is_set():
            act = self.random.choice(acts)
            try:
                act()
            except DataNotOnlineError:
                pass
            except (PortalError, OSError):
                self.ended.wait(0.02)
                continue
            self.ledger.answered[act.__name__] += 1

    def session(self) -> DatastoreSession:
        return self.random.choice(self.stores).session(self.session_id)

    def told(self, name: str) -> dict[str, int | str]:
        dataset_id = self.random.choice(self.site.dataset_ids)
        format_id = self.site.datafile_format_id
        return {"name": name, "dataset_id": dataset_id, "datafile_format_id": format_id}

    def put(self) -> None:
        content = self.random.randbytes(self.random.choice(_SIZES))
        name = self.ledger.new(content)
        stored = self.session().put([content], **self.told(name))
        self.ledger.acknowledged(stored.id, name)

    def upload(self) -> None:
        """In pieces, on and on where it was, until it is registered."""
        content = self.random.randbytes(self.random.choice(_SIZES))
        name, told = self.ledger.new(content), self.told("")
        metadata = {
            "name": name,
            "datasetId": str(told["dataset_id"]),
            "datafileFormatId": str(told["datafile_format_id"]),
        }
        headers = {"Upload-Length": str(len(content)), "Upload-Metadata": metadata_header(metadata)}
        made = self.tus("POST", "", headers)
        if made is None:
            raise OSError("there was no answer")
        place, reached = made.headers["Location"].rpartition("/tus")[2], 0
        until = time.monotonic() + _LONGEST_SECONDS
        while time.monotonic() < until:
            answer = self.tus("HEAD", place, {})
            if answer is None:
                time.sleep(0.02)
                continue
            offset = int(answer.headers["Upload-Offset"])
            if offset < reached:
                self.ledger.wrong.append(f"{name} has {offset} bytes, {reached} were acknowledged")
                return
            if id := answer.headers.get("X-Datafile-Id"):
                self.ledger.acknowledged(int(id), name)
                return
            piece = content[offset : offset + self.random.choice((1000, 100_000, 400_000))]
            headers = {"Upload-Offset": str(offset), "Content-Type": _PIECE}
            answer = self.tus("PATCH", place, headers, piece)
            reached = int(answer.headers["Upload-Offset"]) if answer is not None else offset
        self.ledger.wrong.append(f"{name} cannot be uploaded")

    def tus(
        self, method: str, place: str, headers: dict[str, str], body: bytes = b""
    ) -> requests.Response | None:
        """The answer; None if there is none, or asking again may help."""
        own = {"Tus-Resumable": VERSION, "Authorization": f"Bearer {self.session_id}"}
        url = f"{self.random.choice(self.urls)}/tus{place}"
        try:
            answer = self.http.request(
                method, url, headers={**own, **headers}, data=body, timeout=60
            )
        except requests.RequestException:
            return None
        if answer.status_code >= 500 or answer.status_code in (409, 423):
            return None
        if not answer.ok:
            self.ledger.wrong.append(f"{method} {place}: {answer.status_code} {answer.text}")
            raise OSError("it was refused")
        return answer

    def read(self) -> None:
        for id in self.ledger.some(self.random, 1):
            with self.session().get_data(Selection(datafile_ids=[id])) as download:
                found = b"".join(download.blocks())
            if found != self.ledger.sent[self.ledger.stored[id]]:
                self.ledger.wrong.append(f"datafile {id} has {len(found)} other bytes")

    def read_zip(self) -> None:
        ids = self.ledger.some(self.random, 4)
        with self.session().get_data(Selection(datafile_ids=ids), zip=True) as download:
            packed = zipfile.ZipFile(io.BytesIO(b"".join(download.blocks())))
        for entry in packed.namelist():
            if packed.read(entry) != self.ledger.sent[entry.rpartition("/")[2]]:
                self.ledger.wrong.append(f"{entry} in a zip has other bytes")

    def archive(self) -> None:
        self.session().archive(Selection(dataset_ids=[self.random.choice(self.site.dataset_ids)]))

    def restore(self) -> None:
        self.session().restore(Selection(dataset_ids=[self.random.choice(self.site.dataset_ids)]))

    def delete(self) -> None:
        for id in self.ledger.some(self.random, 1):
            with self.ledger.lock:
                self.ledger.maybe_deleted.add(id)
            self.session().delete(Selection(datafile_ids=[id]))
            with self.ledger.lock:
                self.ledger.deleted.add(id)


class Processes:
    """Processes of a site's services, each in a group of its own, which are killed as a whole."""

    def __init__(self, site) -> None:
        self._site = site
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, url: str, service: str, **variables: str) -> None:
        """Start one, unless it runs, and wait until it answers."""
        if url in self._running:
            return
        command = [Path(sys.executable).with_name("ijpd"), "serve", service]
        bind = url.split("/")[2]
        with (self._site.folder / f"{service}.log").open("ab") as log:
            self._running[url] = subprocess.Popen(
                [*command, "--settings", self._site.settings_file, "--bind", bind],
                env={**os.environ, **variables},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        paths = {"catalog": "/version", "datastore": "/ping"}
        _wait_for(url + paths[service])

    def kill(self, url: str) -> None:
        """Kill one at once."""
        process = self._running.pop(url)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)

    def kill_all(self) -> None:
        """Kill all that run."""
        for url in list(self._running):
            self.kill(url)


@contextmanager
def processes(site) -> Iterator[Processes]:
    """Processes that are gone at the end."""
    made = Processes(site)
    try:
        yield made
    finally:
        made.kill_all()


def address(path: str) -> str:
    """Where a service can be."""
    return f"http://127.0.0.1:{free_port()}{path}"


def wait_until(is_so: Callable[[], bool], what: str, seconds: float = _LONGEST_SECONDS) -> None:
    """Look again and again; the test fails if it does not become so."""
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, what
        time.sleep(0.05)


def _wait_for(address: str) -> None:
    def answers() -> bool:
        try:
            return requests.get(address, timeout=5).ok
        except requests.RequestException:
            return False

    wait_until(answers, f"{address} does not answer", 60)
