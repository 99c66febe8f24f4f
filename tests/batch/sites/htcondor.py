"""A real HTCondor for the tests: one machine with two cores, on the loopback, in its own folder.

It needs root; ``tests/peers/htcondor/packages.py`` gets the programs. HTCondor runs nothing for
root, so that jobs have to be those of another account.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.batch.sites.daemons import Daemons, free_ports, printed
from tests.peers.htcondor import packages

ACCOUNT = "nobody"

_CONFIGURATION = """
RELEASE_DIR = {root}/usr
LOCAL_DIR = {folder}
BIN = {folder}/bin
SBIN = {folder}/bin
LIBEXEC = {folder}/bin
LIB = {root}/usr/lib/condor
LOG = {folder}/log
SPOOL = {folder}/spool
EXECUTE = {folder}/execute
LOCK = {folder}/lock
RUN = {folder}/run
CONDOR_IDS = {account.pw_uid}.{account.pw_gid}
CONDOR_HOST = 127.0.0.1
COLLECTOR_HOST = 127.0.0.1:{port}
NETWORK_INTERFACE = 127.0.0.1
BIND_ALL_INTERFACES = False
ENABLE_IPV6 = False
NO_DNS = True
DEFAULT_DOMAIN_NAME = ijp.test
UID_DOMAIN = ijp.test
FILESYSTEM_DOMAIN = ijp.test
TRUST_UID_DOMAIN = True
USE_SHARED_PORT = False
DAEMON_LIST = MASTER COLLECTOR NEGOTIATOR SCHEDD STARTD
SEC_DEFAULT_AUTHENTICATION = OPTIONAL
SEC_DEFAULT_AUTHENTICATION_METHODS = FS
SEC_DEFAULT_ENCRYPTION = OPTIONAL
SEC_DEFAULT_INTEGRITY = OPTIONAL
ALLOW_READ = *
ALLOW_WRITE = *
ALLOW_DAEMON = *
ALLOW_NEGOTIATOR = *
ALLOW_ADMINISTRATOR = *
ALLOW_CLIENT = *
QUEUE_SUPER_USERS = root, {account.pw_name}
NUM_CPUS = 2
MEMORY = 4000
SLOT_TYPE_1 = 100%
SLOT_TYPE_1_PARTITIONABLE = True
NUM_SLOTS_TYPE_1 = 1
START = True
SUSPEND = False
PREEMPT = False
KILL = False
WANT_SUSPEND = False
WANT_VACATE = True
JOB_DEFAULT_REQUESTDISK = 1
JOB_DEFAULT_REQUESTMEMORY = 10
NEGOTIATOR_INTERVAL = 1
NEGOTIATOR_MIN_INTERVAL = 1
NEGOTIATOR_CYCLE_DELAY = 0
SCHEDD_INTERVAL = 1
SCHEDD_MIN_INTERVAL = 1
UPDATE_INTERVAL = 2
POLLING_INTERVAL = 1
PERIODIC_EXPR_INTERVAL = 1
BASE_CGROUP =
ENABLE_KERNEL_TUNING = False
DISCARD_SESSION_KEYRING_ON_STARTUP = False
RunBenchmarks = False
"""


class HTCondorSite:
    """HTCondor's daemons; jobs run as the account "nobody"."""

    def __init__(self) -> None:
        if os.geteuid() != 0:
            pytest.fail("only root can start jobs of other accounts: run the tests as root")
        if not (packages.ROOT / ".complete").exists():
            pytest.fail("HTCondor is missing: make setup-test gets it")
        self.folder = Path(tempfile.mkdtemp(prefix="ijp-htcondor-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.commands = self.folder / "bin"
        self.configuration = self.folder / "condor_config"
        self._account = pwd.getpwnam(ACCOUNT)
        for name in ("logs", "log", "spool", "execute", "lock", "run"):
            (self.folder / name).mkdir(mode=0o755)
            if name != "logs":
                shutil.chown(self.folder / name, ACCOUNT, self._account.pw_gid)
        self._daemons = Daemons(self.folder / "logs")

    @property
    def environment(self) -> dict[str, str]:
        """What clients need to find this one."""
        return {"CONDOR_CONFIG": str(self.configuration)}

    def run(self, *command: str) -> str:
        """What one of the commands prints."""
        return printed([str(self.commands / command[0]), *command[1:]], self.environment)

    def start(self) -> None:
        """Bring everything up; returns when jobs can run."""
        packages.write_commands(self.commands)
        self.configuration.write_text(
            _CONFIGURATION.format(
                root=packages.ROOT,
                folder=self.folder,
                account=self._account,
                port=free_ports(1)[0],
            )
        )
        command = [str(self.commands / "condor_master"), "-f"]
        self._daemons.start("condor_master", command, environment=self.environment)
        self._daemons.wait_until(self._is_up, "HTCondor")

    def stop(self) -> None:
        """End all jobs and daemons, and remove the folder."""
        try:
            if self._is_up():
                self.empty()
        finally:
            # At once; told by SIGTERM it would see all claims to their end.
            self._daemons.stop("condor_master", signal.SIGQUIT)
            shutil.rmtree(self.folder, ignore_errors=True)

    def empty(self) -> None:
        """Remove whatever there is."""
        self._daemons.wait_until(self._is_empty, "an empty queue")

    def _is_empty(self) -> bool:
        if not self._jobs():
            return True
        # It fails if the last of them leaves the queue by itself meanwhile.
        self._succeeds("condor_rm", "-all")
        return False

    def _jobs(self) -> str:
        return self.run("condor_q", "-allusers", "-autoformat", "ClusterId").strip()

    def _is_up(self) -> bool:
        has_slots = self._succeeds("condor_status", "-autoformat", "State")
        return has_slots and self._succeeds("condor_q")

    def _succeeds(self, *command: str) -> bool:
        """Whether a command has something to say."""
        done = subprocess.run(
            [str(self.commands / command[0]), *command[1:]],
            capture_output=True,
            timeout=30,
            env=self.environment,
        )
        return done.returncode == 0 and bool(done.stdout.strip())
