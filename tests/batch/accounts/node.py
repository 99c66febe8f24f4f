"""Worker nodes for the tests: this machine again, but for mounts, processes, memory and accounts.

The root of a node is an overlay over that of the machine, so accounts that are made there are real,
and gone with it; the same for whatever a hostile job does. Needs root; no systemd, no network.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HELPER = "/usr/local/sbin/ijp-account-helper"
HOOKS = "/opt/ijp/hooks"
PORTAL = "ijp"
FIRST_UID = 61_000
CHECKOUT = "/srv/checkout"
"""Where a node has this checkout, which may be in a folder that jobs have for themselves."""
_TOP = Path(__file__).parents[3]
_numbers = itertools.count(1)

_SET_UP = r"""
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
root="$1/root"
mount -t overlay overlay -o lowerdir=/,upperdir="$1/upper",workdir="$1/work" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/shm" "$root/dev/mqueue" "$root/dev/pts"
for device in null:3 zero:5 full:7 random:8 urandom:9; do
    mknod -m 666 "$root/dev/${device%:*}" c 1 "${device#*:}"
done
mknod -m 666 "$root/dev/tty" c 5 0
mount -t mqueue mqueue "$root/dev/mqueue"
for place in dev/shm tmp var/tmp run/lock; do
    mkdir -p "$root/$place"
    mount -t tmpfs -o mode=1777 tmpfs "$root/$place"
done
mkdir -p "$root/srv/shared"
mount --bind "$2" "$root/srv/shared"
mkdir "$root/srv/checkout"
mount --bind "$4" "$root/srv/checkout"
if [ ! -e "$root$4/setup.cfg" ]; then
    mkdir -p "$root$4"
    mount --bind "$4" "$root$4"
fi
exec chroot "$root" /usr/bin/python3 -I -S -c "$3"
"""
_INIT = """
import os, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.write(1, b"up\\n")
while True:
    signal.pause()
"""
_HELPER_TEXT = """#!/usr/bin/python3 -IS
import sys
sys.path.insert(0, "/opt/ijp/lib")
from batch.accounts.helper import main
main()
"""


class Node:
    """A worker node with a pool of accounts, and an account of the portal's that may sudo."""

    def __init__(self, name: str, accounts: int, *, namespaces: bool) -> None:
        if os.geteuid() != 0:
            raise AssertionError("tests of Unix accounts need root: run them as root")
        self.name = name
        self.accounts = [f"{name}acct{number}" for number in range(1, accounts + 1)]
        self.shared = Path(tempfile.mkdtemp(prefix="ijp-shared-", dir="/var/lib"))
        self.shared.chmod(0o1777)
        self._place = Path(tempfile.mkdtemp(prefix="ijp-node-", dir="/var/lib"))
        self._process = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL"),
                *("unshare", "--mount", "--pid", "--ipc", "--fork", "--kill-child"),
                *("sh", "-c", _SET_UP, "node"),
                *(str(self._place), str(self.shared), _INIT, str(_TOP)),
            ],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == b"up\n", f"node {name} did not come up"
        pid = self._process.pid
        self._init = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]
        self._furnish(namespaces=namespaces)

    def stop(self) -> None:
        """End all that runs there; its accounts and files are gone with it."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout
        self._process.stdout.close()
        shutil.rmtree(self._place, ignore_errors=True)
        shutil.rmtree(self.shared, ignore_errors=True)

    def inside(self, command: Sequence[str], user: str = "") -> list[str]:
        """The command line that runs a command there."""
        enter = ["nsenter", "--target", self._init, "--mount", "--pid", "--ipc", "--root"]
        enter += ["env", "--chdir=/"]
        become = ["setpriv", "--reuid", user, "--regid", user, "--init-groups"] if user else []
        return [*enter, *become, *command]

    def run(
        self,
        *command: str,
        user: str = "",
        stdin: bytes = b"",
        environment: dict[str, str] | None = None,
        seconds: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command there to its end, whatever that is."""
        plain = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        done = subprocess.run(
            self.inside(command, user),
            input=stdin,
            capture_output=True,
            env=plain if environment is None else plain | environment,
            timeout=seconds,
        )
        out, err = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def do(self, *command: str, user: str = "") -> str:
        """What a command prints that has to succeed."""
        done = self.run(*command, user=user)
        assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
        return done.stdout

    def install_hooks(self, system: str, place: str) -> None:
        """Write what a batch system is to run before and after each job."""
        self.do("install", "-d", "-m", "755", place)
        command = "from batch.accounts.cli import accounts; accounts()"
        arguments = ("hooks", system, place, "--helper", HELPER, "--pause", "2")
        self.do(sys.executable, "-c", command, *arguments)

    def tell(self, program: str, *arguments: str) -> Any:
        """What a program beside this file prints there as JSON."""
        done = self.run(
            *(sys.executable, f"{CHECKOUT}/tests/batch/accounts/{program}.py", *arguments),
            environment={"PYTHONPATH": f"{CHECKOUT}:{CHECKOUT}/clients/python"},
            seconds=250,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def helper(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
        """Run the helper as root, as a batch system does."""
        return self.run(HELPER, *arguments, stdin=stdin)

    def python(self, text: str, *arguments: str, user: str = "") -> str:
        """What a program in Python prints there."""
        return self.do("/usr/bin/python3", "-I", "-S", "-c", text, *arguments, user=user)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file of root's there."""
        program = (
            "import os, sys; os.makedirs(os.path.dirname(sys.argv[1]), exist_ok=True);"
            "open(sys.argv[1], 'w').write(sys.argv[2]); os.chmod(sys.argv[1], int(sys.argv[3]))"
        )
        self.python(program, path, text, str(mode))

    def left(self) -> dict[str, str]:
        """What the helper says of each account."""
        lines = self.do(HELPER, "list").splitlines()
        return {line.split()[0]: line.partition(") ")[2] for line in lines}

    def configure(
        self, *, namespaces: bool, families: dict[str, Sequence[str]], list_age_seconds: int = 0
    ) -> None:
        """Write which accounts there are."""
        lines = [
            'homes = "/var/lib/ijp-homes"',
            f"least_uid = {FIRST_UID}",
            f"most_uid = {FIRST_UID + 99}",
            f"namespaces = {json.dumps(namespaces)}",
            f"list_age_seconds = {list_age_seconds}",
        ]
        for family, names in families.items():
            lines += [f"[families.{family}]", f"accounts = {json.dumps(list(names))}"]
        self.write("/etc/ijp/accounts.toml", "\n".join(lines) + "\n")

    def _furnish(self, *, namespaces: bool) -> None:
        self.do("mkdir", "-p", "-m", "755", "/var/lib/ijp-homes", "/opt/ijp/lib")
        self.do("cp", "-r", f"{CHECKOUT}/batch", "/opt/ijp/lib/batch")
        self.do("chown", "-R", "root:root", "/opt/ijp")
        self.do("chmod", "-R", "go-w", "/opt/ijp")
        self.write(HELPER, _HELPER_TEXT, 0o755)
        self.do("useradd", "-u", str(FIRST_UID + 100), "-K", "UID_MAX=65000", "-m", PORTAL)
        for number, name in enumerate(self.accounts):
            home = ("-d", f"/var/lib/ijp-homes/{name}", "-M")
            self.do("useradd", "-u", str(FIRST_UID + number), "-K", "UID_MAX=65000", *home, name)
        self.configure(namespaces=namespaces, families={"default": self.accounts})
        rule = f"{PORTAL} ALL=(root) NOPASSWD: {HELPER}\n"
        self.write("/etc/sudoers.d/ijp", rule, 0o440)
        # Where crontab(1) and at(1) put what they are told, as the account that told them.
        self.do("mkdir", "-p", "-m", "1777", "/var/spool/cron/crontabs", "/var/spool/cron/atjobs")


class Jobs:
    """A local engine on a node, of the portal's account unless told otherwise."""

    def __init__(self, node: Node, user: str = PORTAL, **settings: Any) -> None:
        self._node = node
        self._user = user
        self.folder = f"/var/lib/ijp-portal-{next(_numbers)}"
        node.do("install", "-d", "-m", "700", "-o", user, "-g", user, self.folder)
        sudo = ["/usr/bin/sudo", "-n", HELPER]
        self._settings = {"slots": 4, "grace_seconds": 1, "accounts": sudo, **settings}

    def run(self, *jobs: dict[str, Any], seconds: float = 100, **more: str) -> list[dict[str, Any]]:
        """Run jobs to their ends: their statuses, outputs, and why they waited meanwhile."""
        plan = {"folder": self.folder, "settings": self._settings, "jobs": jobs, **more}
        program = f"{CHECKOUT}/tests/batch/accounts/engine_in_node.py"
        done = self._node.run(
            *("/usr/bin/python3", "-S", program),
            user=self._user,
            stdin=json.dumps(plan).encode(),
            environment={"PYTHONPATH": f"{CHECKOUT}:{CHECKOUT}/clients/python"},
            seconds=seconds,
        )
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found
