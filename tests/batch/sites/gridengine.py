"""A real Grid Engine for the tests: one host with two slots, its own root, ports and folder.

It needs root and the Debian packages gridengine-master, gridengine-exec and gridengine-client; no
systemd. Its daemons cannot be told to listen on the loopback only.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from tests.batch.sites.daemons import Daemons, free_ports, printed

COMMANDS = Path("/usr/lib/gridengine")
_SHARED = Path("/usr/share/gridengine")
_ADMIN = "sgeadmin"

_CONFIGURATION = {
    "load_report_time": "00:00:01",
    "reporting_params": "accounting=true reporting=false flush_time=00:00:01 "
    "accounting_flush_time=00:00:00 joblog=false sharelog=00:00:00",
    "min_uid": "0",
    "min_gid": "0",
    "shell_start_mode": "unix_behavior",
}
_SCHEDULER = {
    "schedule_interval": "0:0:1",
    "flush_submit_sec": "1",
    "flush_finish_sec": "1",
    "job_load_adjustments": "NONE",
    "load_adjustment_decay_time": "0:0:0",
}
_PARALLEL = """pe_name smp
slots 999
user_lists NONE
xuser_lists NONE
start_proc_args NONE
stop_proc_args NONE
allocation_rule $pe_slots
control_slaves FALSE
job_is_first_task TRUE
urgency_slots min
accounting_summary FALSE
qsort_args NONE
"""
_QUEUE = {
    "qname": "all.q",
    "hostlist": "@allhosts",
    "seq_no": "0",
    "load_thresholds": "NONE",
    "suspend_thresholds": "NONE",
    "nsuspend": "1",
    "suspend_interval": "00:05:00",
    "priority": "0",
    "min_cpu_interval": "00:05:00",
    "processors": "UNDEFINED",
    "qtype": "BATCH INTERACTIVE",
    "ckpt_list": "NONE",
    "pe_list": "smp",
    "rerun": "FALSE",
    "slots": "2",
    "tmpdir": "/tmp",
    "shell": "/bin/sh",
    "prolog": "NONE",
    "epilog": "NONE",
    "shell_start_mode": "unix_behavior",
    "starter_method": "NONE",
    "suspend_method": "NONE",
    "resume_method": "NONE",
    "terminate_method": "NONE",
    "notify": "00:00:03",
    "owner_list": "NONE",
    "user_lists": "NONE",
    "xuser_lists": "NONE",
    "subordinate_list": "NONE",
    "complex_values": "NONE",
    "projects": "NONE",
    "xprojects": "NONE",
    "calendar": "NONE",
    "initial_state": "default",
    **{
        f"{kind}_{what}": "INFINITY"
        for what in ("rt", "cpu", "fsize", "data", "stack", "core", "rss", "vmem")
        for kind in ("s", "h")
    },
}


class GridEngineSite:
    """Grid Engine's daemons, with the queue "all.q" and the parallel environment "smp"."""

    def __init__(self, *, prolog: str = "NONE", epilog: str = "NONE", place: str = "/tmp") -> None:
        """``prolog`` and ``epilog`` are the queue's, in Grid Engine's words.

        All its files and those of jobs are below ``place``.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="ijp-ge-", dir=place))
        self._queue = {**_QUEUE, "prolog": prolog, "epilog": epilog, "tmpdir": str(self.folder)}
        self.folder.chmod(0o755)
        (self.folder / "logs").mkdir()
        self._root = self.folder / "root"
        self._common = self._root / "default" / "common"
        self._spool = self.folder / "spool"
        self._daemons = Daemons(self.folder / "logs")
        ports = free_ports(2)
        self.environment = {
            "SGE_ROOT": str(self._root),
            "SGE_CELL": "default",
            "SGE_QMASTER_PORT": str(ports[0]),
            "SGE_EXECD_PORT": str(ports[1]),
        }

    def run(self, *command: str, user: str = "") -> str:
        """What one of the commands prints."""
        become = ["runuser", "-u", user, "--"] if user else []
        line = [*become, str(COMMANDS / command[0]), *command[1:]]
        return printed(line, {**os.environ, **self.environment})

    def start(self) -> None:
        """Bring everything up; returns when jobs can run."""
        self._make_cell()
        quiet = {**self.environment, "SGE_ND": "1"}
        self._daemons.start("sge_qmaster", [str(COMMANDS / "sge_qmaster")], environment=quiet)
        self._daemons.wait_until(lambda: self._answers("qconf", "-sm"), "sge_qmaster")
        self._configure()
        self._daemons.start("sge_execd", [str(COMMANDS / "sge_execd")], environment=quiet)
        self._daemons.wait_until(self._has_host, "sge_execd")

    def stop(self) -> None:
        """End all jobs and daemons, and remove the folder."""
        try:
            self.empty()
        finally:
            self._daemons.stop_all()
            shutil.rmtree(self.folder, ignore_errors=True)

    def empty(self) -> None:
        """Delete whatever there is."""
        if re.findall(r"^ *\d+ ", self.run("qstat", "-u", "*"), re.MULTILINE):
            self._answers("qdel", "-u", "*")
            self._daemons.wait_until(
                lambda: not self.run("qstat", "-u", "*").strip(), "an empty queue"
            )

    def _make_cell(self) -> None:
        self._common.mkdir(parents=True)
        # From name to address to name has to lead back: 127.0.0.1 is localhost first.
        host = socket.gethostname().partition(".")[0]
        (self._common / "host_aliases").write_text(f"localhost {host}\n")
        (self._common / "act_qmaster").write_text("localhost\n")
        for name in ("qmaster/job_scripts", "db", "execd"):
            (self._spool / name).mkdir(parents=True)
        bootstrap = (_SHARED / "default-bootstrap").read_text()
        for old, new in (("spooldb", "db"), ("qmaster", "qmaster")):
            bootstrap = bootstrap.replace(f"/var/spool/gridengine/{old}", f"{self._spool}/{new}")
        (self._common / "bootstrap").write_text(bootstrap)
        base = (_SHARED / "default-configuration").read_text()
        base = base.replace("/var/spool/gridengine/execd", str(self._spool / "execd"))
        (self.folder / "configuration").write_text(base)
        os.symlink(_SHARED / "util", self._root / "util")
        for path in (self._root, *self._root.rglob("*"), self._spool, *self._spool.rglob("*")):
            if not path.is_symlink():
                shutil.chown(path, _ADMIN, _ADMIN)
        resources = _SHARED / "util" / "resources"
        for command in (
            ("spoolinit", "berkeleydb", "libspoolb", str(self._spool / "db"), "init"),
            ("spooldefaults", "configuration", str(self.folder / "configuration")),
            ("spooldefaults", "complexes", str(resources / "centry")),
            ("spooldefaults", "usersets", str(resources / "usersets")),
            ("spooldefaults", "managers", _ADMIN, "root"),
        ):
            self.run(*command, user=_ADMIN)

    def _configure(self) -> None:
        self.run("qconf", "-as", "localhost")
        for show, change, values in (
            ("-sconf", "-Mconf", _CONFIGURATION),
            ("-ssconf", "-Msconf", _SCHEDULER),
        ):
            text = self.run("qconf", show).replace("\\\n", " ")
            lines = [line for line in text.splitlines() if not line.startswith("#")]
            kept = [line for line in lines if line.split(" ", 1)[0] not in values]
            kept += [f"{name} {value}" for name, value in values.items()]
            self._apply(change, "global", "\n".join(kept))
        self._apply("-Ahgrp", "hosts", "group_name @allhosts\nhostlist localhost")
        self._apply("-Ap", "smp", _PARALLEL)
        queue = "\n".join(f"{name} {value}" for name, value in self._queue.items())
        self._apply("-Aq", "queue", queue)

    def _apply(self, change: str, name: str, text: str) -> None:
        path = self.folder / "changes" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.rstrip() + "\n")
        self.run("qconf", change, str(path))

    def _answers(self, *command: str) -> bool:
        done = subprocess.run(
            [str(COMMANDS / command[0]), *command[1:]],
            capture_output=True,
            timeout=60,
            env={**os.environ, **self.environment},
        )
        return done.returncode == 0

    def _has_host(self) -> bool:
        return re.search(r"^localhost +lx-", self.run("qhost"), re.MULTILINE) is not None
