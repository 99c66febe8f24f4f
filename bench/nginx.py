"""nginx, the limit for downloads, and in front of our server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.postgresql import free_port

FILES = "/_files/"
"""The internal location, as ``accel_prefix`` of the data service names it."""

_FRONT = """
    client_max_body_size 0;
    location / {{
        proxy_pass {behind};
        proxy_http_version 1.1;
        proxy_request_buffering off;
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Sendfile-Type X-Accel-Redirect;
    }}
    location {files} {{ internal; alias {folder}/; }}
"""


class NotInstalledError(Exception):
    """There is no nginx here."""


@contextmanager
def static(folder: Path, runtime: Path) -> Iterator[str]:
    """nginx serving a folder's files; gives its URL."""
    with _running(runtime, f"root {folder};") as url:
        yield url


@contextmanager
def front(behind: str, folder: Path, runtime: Path) -> Iterator[str]:
    """nginx before a server that lets it send the files of the storage's folder; gives its URL."""
    with _running(runtime, _FRONT.format(behind=behind, files=FILES, folder=folder)) as url:
        yield url


@contextmanager
def _running(runtime: Path, server: str) -> Iterator[str]:
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(program).exists():
        raise NotInstalledError("nginx is not installed (Debian: nginx-light)")
    port = free_port()
    runtime.mkdir(parents=True)
    temporary = "\n".join(
        f"{kind}_temp_path {runtime}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (runtime / "nginx.conf").write_text(
        f"daemon off; pid {runtime}/pid; error_log {runtime}/error.log; events {{}}\n"
        f"{'user root;' if os.geteuid() == 0 else ''}\n"
        f"http {{ access_log off; sendfile on; {temporary}\n"
        f"server {{ listen 127.0.0.1:{port}; {server} }} }}\n"
    )
    process = subprocess.Popen([program, "-p", str(runtime), "-c", str(runtime / "nginx.conf")])
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")
