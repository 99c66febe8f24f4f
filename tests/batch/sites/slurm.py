"""A real Slurm for the tests: three nodes on the loopback, its own key, ports and folder.

It needs root and the Debian packages slurmctld, slurmd, slurm-client and munge; no systemd, no
cgroups. Nothing outside its folder is used, so that several can run at a time.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from tests.batch.sites.daemons import Daemons, free_ports, printed

COMMANDS = Path("/usr/bin")
NODES = {"n1": 2, "n2": 4, "n3": 4}
"""The cores that each node says to have."""

_CONFIGURATION = """
ClusterName=ijp
SlurmctldHost={host}(127.0.0.1)
SlurmUser=slurm
SlurmctldPort={ports[0]}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/state/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
DefMemPerCPU=100
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=5,batch_sched_delay=0
SlurmctldTimeout=30
SlurmdTimeout=30
KillWait=3
MinJobAge={min_job_age}
CompleteWait=0
ReturnToService=2
JobRequeue=1
RequeueExit=99
RequeueExitHold=100
MaxArraySize=101
{accounting}
{nodes}
PartitionName=two Nodes=n1 Default=YES MaxTime=INFINITE DefaultTime=60 State=UP
PartitionName=batch Nodes=n2,n3 MaxTime=INFINITE DefaultTime=60 State=UP
"""


class SlurmSite:
    """Slurm's daemons; the partition "two" has two cores, "batch" eight on two nodes."""

    min_job_age = 3600
    """For how many seconds the controller knows a job that has ended."""
    accounting = "AccountingStorageType=accounting_storage/none"
    """What the configuration says about it."""

    def __init__(self, further: str = "") -> None:
        """Make ready; ``further`` are lines for its configuration."""
        self._further = further
        self.folder = Path(tempfile.mkdtemp(prefix="ijp-slurm-", dir="/tmp"))
        self.folder.chmod(0o755)
        for name, user in (("logs", "root"), ("state", "slurm"), ("munge", "munge")):
            (self.folder / name).mkdir(mode=0o755)
            shutil.chown(self.folder / name, user, user)
        self._daemons = Daemons(self.folder / "logs")
        self.configuration = self.folder / "slurm.conf"

    @property
    def environment(self) -> dict[str, str]:
        """What clients need to find this one."""
        return {"SLURM_CONF": str(self.configuration)}

    def run(self, *command: str) -> str:
        """What one of the commands prints."""
        return printed([str(COMMANDS / command[0]), *command[1:]], self.environment)

    def start(self) -> None:
        """Bring everything up; returns when jobs can run on all nodes."""
        _have_second_address()
        ports = free_ports(1 + len(NODES))
        nodes = "\n".join(
            f"NodeName={name} NodeHostname={socket.gethostname().partition('.')[0]} "
            f"NodeAddr=127.0.0.1 Port={port} CPUs={cores} RealMemory=4000 Feature=plain,{name} "
            "State=UNKNOWN"
            for (name, cores), port in zip(NODES.items(), ports[1:], strict=True)
        )
        host = socket.gethostname().partition(".")[0]
        text = _CONFIGURATION.format(
            host=host,
            ports=ports,
            folder=self.folder,
            nodes=nodes,
            min_job_age=self.min_job_age,
            accounting=self.accounting,
        )
        self.configuration.write_text(f"{text}{self._further}\n")
        self._start_munge()
        self._start_accounting()
        self.start_controller()
        for name in NODES:
            self.start_node(name)
        self._daemons.wait_until(self._is_up, "Slurm")

    def start_controller(self) -> None:
        """Start slurmctld."""
        command = ["/usr/sbin/slurmctld", "-D", "-f", str(self.configuration)]
        self._daemons.start("slurmctld", command, user="slurm", environment=self.environment)

    def stop_controller(self) -> None:
        """Stop slurmctld: jobs run on, commands get no answer."""
        self._daemons.stop("slurmctld")

    def wait_for_controller(self) -> None:
        """Wait until it answers."""
        self._daemons.wait_until(self._answers, "slurmctld")

    def start_node(self, name: str) -> None:
        """Start the slurmd of a node."""
        (self.folder / f"spool.{name}").mkdir(exist_ok=True)
        command = ["/usr/sbin/slurmd", "-D", "-N", name, "-f", str(self.configuration)]
        self._daemons.start(f"slurmd.{name}", command, environment=self.environment)

    def stop(self) -> None:
        """End all jobs and daemons, and remove the folder."""
        try:
            if self._answers():
                self.empty()
        finally:
            self._daemons.stop_all()
            shutil.rmtree(self.folder, ignore_errors=True)

    def empty(self) -> None:
        """Cancel whatever there is."""
        unfinished = "PENDING,RUNNING,SUSPENDED,COMPLETING,CONFIGURING"
        # By the array's number and the element's: a held element's own number is not known.
        command = ("squeue", "-h", "-r", "-t", unfinished, "-o", "%i")
        if jobs := self.run(*command).split():
            self.run("scancel", *jobs)
            self._daemons.wait_until(lambda: not self.run(*command).split(), "an empty queue")

    def _start_munge(self) -> None:
        place = self.folder / "munge"
        (place / "key").write_bytes(_random_key())
        (place / "key").chmod(0o600)
        shutil.chown(place / "key", "munge", "munge")
        options = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log"}
        options["seed-file"] = "seed"
        command = ["/usr/sbin/munged", "--foreground"]
        command += [f"--{name}={place / file}" for name, file in options.items()]
        self._daemons.start("munged", command, user="munge")
        self._daemons.wait_until((place / "socket").exists, "munged")

    def _start_accounting(self) -> None:
        """There is none here."""

    def _answers(self) -> bool:
        done = subprocess.run(
            ["/usr/bin/scontrol", "-Q", "ping"],
            capture_output=True,
            timeout=30,
            env=self.environment,
        )
        return done.returncode == 0 and b"UP" in done.stdout

    def _is_up(self) -> bool:
        if not self._answers():
            return False
        return self.run("sinfo", "-h", "-N", "-t", "idle", "-o", "%N").split() == list(NODES)


def _random_key() -> bytes:
    with open("/dev/urandom", "rb") as random:
        return random.read(1024)


def _have_second_address() -> None:
    """Slurm resolves nothing, not even 127.0.0.1, where that is the only address there is."""
    shown = subprocess.run(["ip", "-4", "-o", "addr"], capture_output=True, text=True, check=True)
    if all(" 127.0.0.1/" in line for line in shown.stdout.splitlines()):
        subprocess.run(["ip", "addr", "add", "127.0.0.2/8", "dev", "lo"], check=True)
