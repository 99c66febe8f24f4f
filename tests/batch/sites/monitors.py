"""A real gmond and a real node_exporter for the tests, on the loopback, in their own folder."""

from __future__ import annotations

import re
import shutil
import socket
import tempfile
from pathlib import Path

from tests.batch.sites.daemons import Daemons, free_ports

_CHANNELS = """
udp_send_channel {{ host = 127.0.0.1 port = {port} ttl = 1 }}
udp_recv_channel {{ port = {port} bind = 127.0.0.1 }}
tcp_accept_channel {{ port = {port} bind = 127.0.0.1 }}
"""
_COLLECTORS = ("loadavg", "cpu", "meminfo", "filesystem", "uname")


class Monitors:
    """Both daemons; gmond says to be ``host``."""

    def __init__(self, host: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ijp-monitors-", dir="/tmp"))
        (self.folder / "logs").mkdir()
        self._host = host
        self._daemons = Daemons(self.folder / "logs")
        self._gmond_port, self._exporter_port = free_ports(2)

    @property
    def gmond(self) -> str:
        """The address of gmond."""
        return f"127.0.0.1:{self._gmond_port}"

    @property
    def node_exporter(self) -> str:
        """The address of node_exporter."""
        return f"http://127.0.0.1:{self._exporter_port}/metrics"

    def start(self) -> None:
        """Bring both up; returns when gmond has told of its host's load."""
        (self.folder / "gmond.conf").write_text(self._configuration())
        self._daemons.start("gmond", ["/usr/sbin/gmond", "-f", "-c", f"{self.folder}/gmond.conf"])
        self.start_node_exporter()
        self._daemons.wait_until(lambda: b'"load_one"' in self._said(self._gmond_port), "gmond")

    def start_node_exporter(self) -> None:
        """Start node_exporter; returns when it answers."""
        command = ["/usr/bin/prometheus-node-exporter", "--collector.disable-defaults"]
        command += [f"--collector.{name}" for name in _COLLECTORS]
        command.append(f"--web.listen-address=127.0.0.1:{self._exporter_port}")
        self._daemons.start("node_exporter", command)
        self._daemons.wait_until(lambda: self._is_open(self._exporter_port), "node_exporter")

    def stop_node_exporter(self) -> None:
        """Stop node_exporter."""
        self._daemons.stop("node_exporter")

    def stop(self) -> None:
        """Stop both and remove the folder."""
        self._daemons.stop_all()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _configuration(self) -> str:
        """That of the package, with channels of the loopback, all measured at once."""
        text = Path("/etc/ganglia/gmond.conf").read_text()
        text = re.sub(r"^(udp|tcp)_\w+_channel *\{.*?^\}", "", text, flags=re.M | re.S)
        text = re.sub(r"daemonize *= *yes", "daemonize = no", text)
        text = re.sub(r"setuid *= *yes", "setuid = no", text)
        text = re.sub(
            r"globals *\{", f'globals {{\n override_hostname = "{self._host}"', text, count=1
        )
        text = re.sub(r"collect_every *= *\d+", "collect_every = 1", text)
        text = re.sub(r"time_threshold *= *\d+", "time_threshold = 1", text)
        return text + _CHANNELS.format(port=self._gmond_port)

    def _said(self, port: int) -> bytes:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                return b"".join(iter(lambda: connection.recv(65536), b""))
        except OSError:
            return b""

    def _is_open(self, port: int) -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            return False
        return True
