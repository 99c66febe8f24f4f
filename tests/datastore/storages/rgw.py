"""A real S3 server: Ceph's RADOS gateway over a monitor and one store in memory."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.postgresql import free_port

ACCESS_KEY, SECRET_KEY = "AK", "SK"
_PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "monmaptool")

# "ms mon client mode = crc": else the gateway waits for ever for the monitor's word of trust.
_CONF = """\
[global]
fsid = {fsid}
mon initial members = a
mon host = [v2:127.0.0.1:{mon_v2},v1:127.0.0.1:{mon_v1}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
auth cluster required = none
auth service required = none
auth client required = none
keyring = /dev/null
run dir = {folder}
log file = {folder}/$name.log
admin socket = {folder}/$name.asok
pid file = {folder}/$name.pid
mon data = {folder}/mon
osd data = {folder}/osd
crash dir = {folder}
osd pool default size = 1
osd pool default min size = 1
mon allow pool size one = true
osd crush chooseleaf type = 0
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
mon max pg per osd = 1000
osd objectstore = memstore
memstore device bytes = 2147483648
setuser match path =
mon data avail crit = 1
mon data avail warn = 1
osd heartbeat grace = 60
ms mon client mode = crc
paxos propose interval = 0.05
paxos min wait = 0.01
osd beacon report interval = 5
mon osd report timeout = 900
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw enable usage log = false
rgw dynamic resharding = false
"""


class NotInstalledError(Exception):
    """Ceph's programs are not here."""


@dataclass(frozen=True)
class Gateway:
    """A server that runs.

    Attributes:
        url: Of its S3 interface.
    """

    url: str


@contextmanager
def gateway(folder: Path) -> Iterator[Gateway]:
    """Start a server in an empty folder, with one user.

    Raises:
        NotInstalledError: A program is missing.
    """
    for program in _PROGRAMS:
        if shutil.which(program) is None:
            raise NotInstalledError(f"{program} is not installed (Debian: radosgw, ceph-osd)")
    port = free_port()
    conf = folder / "ceph.conf"
    fsid, mon = str(uuid.uuid4()), free_port()
    ports = {"port": port, "mon_v2": mon, "mon_v1": free_port()}
    conf.write_text(_CONF.format(fsid=fsid, folder=folder, **ports))
    started: list[subprocess.Popen[bytes]] = []

    def run(*words: str) -> None:
        options = ["-c", str(conf)]
        subprocess.run(
            [words[0], *options, *words[1:]], check=True, capture_output=True, timeout=60
        )

    def start(*words: str) -> None:
        with (folder / f"{words[0]}.out").open("wb") as out:
            command = [words[0], "-c", str(conf), *words[1:], "-f"]
            started.append(
                subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
            )

    try:
        _make(folder, fsid, mon, run, start)
        start("radosgw", "-n", "client.rgw")
        url = f"http://127.0.0.1:{port}"
        _await(lambda: urllib.request.urlopen(url, timeout=2))
        keys = (f"--access-key={ACCESS_KEY}", f"--secret={SECRET_KEY}")
        user = ("user", "create", "--uid=portal", "--display-name=portal")
        run("radosgw-admin", "-n", "client.rgw", *user, *keys)
        yield Gateway(url)
    finally:
        for process in reversed(started):
            process.terminate()
        for process in reversed(started):
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


def _make(
    folder: Path, fsid: str, mon: int, run: Callable[..., None], start: Callable[..., None]
) -> None:
    """The monitor and the store."""
    for name in ("mon", "osd"):
        (folder / name).mkdir()
    monmap = str(folder / "monmap")
    command = ["monmaptool", "--create", "--clobber", "--fsid", fsid]
    subprocess.run(
        [*command, "--addv", "a", f"[v2:127.0.0.1:{mon}]", monmap],
        check=True,
        capture_output=True,
    )
    run("ceph-mon", "-i", "a", "--mkfs", "--monmap", monmap, "--keyring", "/dev/null")
    start("ceph-mon", "-i", "a")
    _await(lambda: socket.create_connection(("127.0.0.1", mon), 2).close())
    store = str(uuid.uuid4())
    run("ceph", "osd", "new", store)
    run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", store)
    start("ceph-osd", "-i", "0")


def _await(ask: Callable[[], object], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            ask()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
