"""Exporting the whole catalog: over REST and by the command, each in how much memory."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from bench.catalog_bulk import Server, served
from bench.measure import Result
from bench.site import Site
from bench.transfers import reset_peaks, resident_mebibytes

ALLOWED_MEBIBYTES = 100

_FEW = "SELECT f FROM Facility f"
_PIECE = 1 << 20


def measure(site: Site) -> list[Result]:
    """Both ways, by the user who may read everything."""
    with served(site) as server:
        _export(server, site, _FEW)
        reset_peaks(server.pids)
        before = resident_mebibytes(server.pids)
        seconds = _export(server, site, None)
        grown = resident_mebibytes(server.pids) - before
    few, _ = _command(site, "--query", _FEW)
    whole, exported = _command(site)
    return [
        _result("/icat/port", exported.rows, seconds, grown),
        _result("ijpd catalog export", exported.rows, exported.seconds, whole - few),
    ]


@dataclass(frozen=True)
class _Exported:
    rows: int
    seconds: float


def _result(name: str, rows: int, seconds: float, grown: float) -> Result:
    return Result(
        f"export of all {rows:,} objects by {name}",
        f"+{grown:.0f} MiB ({seconds:.0f} s, {rows / seconds:,.0f}/s)",
        "none",
        f"≤ {ALLOWED_MEBIBYTES} MiB more",
        grown <= ALLOWED_MEBIBYTES,
    )


def _export(server: Server, site: Site, query: str | None) -> float:
    """How long it takes."""
    options = {"sessionId": site.root.session_id, "attributes": "ALL"}
    if query is not None:
        options["query"] = query
    began = time.perf_counter()
    with closing(http.client.HTTPConnection(urlsplit(server.url).netloc)) as connection:
        connection.request("GET", f"/icat/port?{urlencode({'json': json.dumps(options)})}")
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"/icat/port answered {answer.status}: {answer.read(500)!r}")
        end = _read(answer)
    if not end.endswith(b"# end\n"):
        raise RuntimeError(f"/icat/port ended with {end!r}")
    return time.perf_counter() - began


def _read(source: http.client.HTTPResponse) -> bytes:
    """The end of what is read, and thrown away."""
    end = b""
    while piece := source.read(_PIECE):
        end = (end + piece)[-20:]
    return end


def _command(site: Site, *options: str) -> tuple[float, _Exported]:
    """The most memory that the command took, in mebibytes, and what it did."""
    target = site.folder / "icat.export"
    command = [sys.executable, "-P", "-m", "servicekit.cli", "catalog", "export"]
    settings = ["--settings", str(site.folder / "ijp.toml"), *options, str(target)]
    began = time.perf_counter()
    process = subprocess.Popen([*command, *settings], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    told = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if process.returncode:
        raise RuntimeError(f"ijpd catalog export ended with {process.returncode}: {told[-500:]}")
    target.unlink()
    rows = int(told.splitlines()[-1].split()[0])
    return usage.ru_maxrss / 1024, _Exported(rows, seconds)
