"""Exporting the whole catalog: over REST and by the command, each in how much memory."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from contextlib import closing
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
        by_rest = _export(server, site, None)
        grown = resident_mebibytes(server.pids) - before
    few, _ = _command(site, "--query", _FEW)
    whole, by_command = _command(site)
    return [
        _result("/icat/port", by_rest, grown),
        _result("ijpd catalog export", by_command, whole - few),
    ]


def _result(name: str, exported: tuple[int, float], grown: float) -> Result:
    rows, seconds = exported
    return Result(
        f"export of all {rows:,} objects by {name}",
        f"+{grown:.0f} MiB ({seconds:.0f} s, {rows / seconds:,.0f}/s)",
        "none",
        f"≤ {ALLOWED_MEBIBYTES} MiB more",
        grown <= ALLOWED_MEBIBYTES,
    )


def _export(server: Server, site: Site, query: str | None) -> tuple[int, float]:
    """How many rows there were, and how long it took."""
    options = {"sessionId": site.root.session_id, "attributes": "ALL"}
    if query is not None:
        options["query"] = query
    began = time.perf_counter()
    with closing(http.client.HTTPConnection(urlsplit(server.url).netloc)) as connection:
        connection.request("GET", f"/icat/port?{urlencode({'json': json.dumps(options)})}")
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"/icat/port answered {answer.status}: {answer.read(500)!r}")
        rows, end = _rows(answer)
    if not end.endswith(b"# end\n"):
        raise RuntimeError(f"/icat/port ended with {end!r}")
    return rows, time.perf_counter() - began


def _rows(source: http.client.HTTPResponse) -> tuple[int, bytes]:
    """How many lines there are, and the end of the last ones."""
    lines, end = 0, b""
    while piece := source.read(_PIECE):
        lines += piece.count(b"\n")
        end = (end + piece)[-20:]
    return lines, end


def _command(site: Site, *options: str) -> tuple[float, tuple[int, float]]:
    """The most memory that the command took, in mebibytes; what it exported, and how long."""
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
    return usage.ru_maxrss / 1024, (rows, seconds)
