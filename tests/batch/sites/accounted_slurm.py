"""A real Slurm with accounting: slurmdbd, and a MariaDB that only a socket leads to.

Beside Slurm's packages it needs slurmdbd, slurm-wlm-mysql-plugin, mariadb-server-core and
mariadb-client-core.
"""

from __future__ import annotations

import shutil
import subprocess

from tests.batch.sites.daemons import free_ports
from tests.batch.sites.slurm import SlurmSite

_CONFIGURATION = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port}
CommunicationParameters=NoInAddrAny
SlurmUser=slurm
PidFile={folder}/state/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StorageLoc=slurm_acct_db
"""


class AccountedSlurmSite(SlurmSite):
    """As ``SlurmSite``; its controller forgets ended jobs soon."""

    min_job_age = 2

    def __init__(self) -> None:
        super().__init__()
        self._port = free_ports(1)[0]
        self._socket = self.folder / "database.socket"
        self.accounting = (
            "AccountingStorageType=accounting_storage/slurmdbd\n"
            f"AccountingStorageHost=127.0.0.1\nAccountingStoragePort={self._port}\n"
            # Of slurmdbd it is no password, but the socket of munge.
            f"AccountingStoragePass={self.folder}/munge/socket"
        )

    def _start_accounting(self) -> None:
        self._start_database()
        configuration = self.folder / "slurmdbd.conf"
        configuration.write_text(_CONFIGURATION.format(folder=self.folder, port=self._port))
        shutil.chown(configuration, "slurm", "slurm")
        configuration.chmod(0o600)
        # Its configuration lies beside Slurm's; the client library finds the socket by a variable.
        environment = {**self.environment, "MYSQL_UNIX_PORT": str(self._socket)}
        self._daemons.start(
            "slurmdbd", ["/usr/sbin/slurmdbd", "-D"], user="slurm", environment=environment
        )
        self._daemons.wait_until(self._knows_accounts, "slurmdbd")
        self.run("sacctmgr", "-i", "add", "cluster", "ijp")

    def _start_database(self) -> None:
        data = self.folder / "database"
        data.mkdir()
        shutil.chown(data, "slurm", "slurm")
        # The socket's folder, too.
        self.folder.chmod(0o777)
        command = ["mariadb-install-db", "--no-defaults", "--user=slurm", f"--datadir={data}"]
        command += ["--auth-root-authentication-method=socket", "--skip-test-db"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        options = [f"--datadir={data}", f"--socket={self._socket}", "--skip-networking"]
        options += ["--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=2"]
        self._daemons.start(
            "mariadbd", ["/usr/sbin/mariadbd", "--no-defaults", *options], user="slurm"
        )
        make = (
            "create user if not exists slurm@localhost identified via unix_socket;"
            "create database slurm_acct_db; grant all on slurm_acct_db.* to slurm@localhost"
        )
        self._daemons.wait_until(lambda: self._query(make), "MariaDB")

    def _query(self, text: str) -> bool:
        command = ["mariadb", "--no-defaults", "-S", str(self._socket), "-e", text]
        return subprocess.run(command, capture_output=True, timeout=30).returncode == 0

    def _knows_accounts(self) -> bool:
        command = ["/usr/bin/sacctmgr", "-n", "show", "cluster"]
        done = subprocess.run(command, capture_output=True, timeout=30, env=self.environment)
        return done.returncode == 0
