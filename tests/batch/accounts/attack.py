"""A hostile job: leaves whatever an account can leave, and tries to get at what is not its own.

``attack.py OUT MARKER``: OUT is where the portal keeps its standard output. It is started in an
account of a pool; what it managed is printed as JSON, then MARKER appears and it waits to be ended.
"""

import ctypes
import json
import os
import signal
import stat
import sys
import time

SECRETS = ("/etc/shadow", "/etc/sudoers", "/root", "/var/lib/ijp-accounts/leases")
managed = {}


def attempt(name, action):
    try:
        managed[name] = str(action())
    except OSError as error:
        managed[name] = f"{type(error).__name__}: {error.strerror}"


def write(path, text="x"):
    with open(path, "w") as file:
        file.write(text)
    return "written"


def look(path):
    if os.path.isdir(path):
        return os.listdir(path)
    with open(path) as file:
        return file.read()


def daemon(work):
    """Leave a process that has nothing to do with this one any more."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            for descriptor in range(3):
                os.close(descriptor)
            work()
        os._exit(0)


def fork_on():
    """Be another process a hundred times a second."""
    while True:
        try:
            if os.fork():
                os._exit(0)
        except OSError:
            pass
        time.sleep(0.01)


def sleep_on():
    while True:
        time.sleep(60)


def system_v():
    libc = ctypes.CDLL(None)
    made = [
        libc.shmget(0x1234, 4096, 0o1666),
        libc.semget(0x1234, 1, 0o1666),
        libc.msgget(0x1234, 0o1666),
    ]
    return "made" if min(made) >= 0 else made


def message_queue():
    libc = ctypes.CDLL("librt.so.1")
    return libc.mq_open(b"/evil", os.O_CREAT | os.O_RDWR, 0o666, None)


def deep(folder):
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)
    for _ in range(300):
        os.mkdir("d" * 100)
        os.chdir("d" * 100)
    os.chdir(os.environ["HOME"])
    return "made"


def main(out, marker):
    home = os.environ["HOME"]
    for path in SECRETS:
        attempt(f"look {path}", lambda path=path: look(path))
    attempt("replace output", lambda: os.unlink(out))
    attempt("link output", lambda: os.symlink("/etc/shadow", out + ".new"))
    attempt("pipe as output", lambda: os.mkfifo(os.path.join(os.path.dirname(out), "fifo")))
    attempt("become root", lambda: os.setuid(0))
    attempt("sudo", lambda: os.system("sudo -n id >/dev/null 2>&1"))
    attempt("link shadow", lambda: os.symlink("/etc/shadow", f"{home}/job.o17"))
    attempt("link passwd", lambda: os.symlink("/etc/passwd", f"{home}/.bashrc"))
    attempt("hard link", lambda: os.link("/etc/passwd", f"{home}/hard"))
    attempt("hard link to other", lambda: os.link("/srv/shared/of-another", f"{home}/other"))
    attempt("pipe", lambda: os.mkfifo(f"{home}/job.e17"))
    attempt("device", lambda: os.mknod(f"{home}/device", stat.S_IFBLK | 0o666, os.makedev(254, 0)))
    attempt("odd name", lambda: write(f"{home}/a\nb \u202e -rf"))
    attempt("deep", lambda: deep(f"{home}/deep"))
    os.mkdir(f"{home}/closed")
    write(f"{home}/closed/file")
    os.chmod(f"{home}/closed", 0)
    attempt("open home", lambda: os.chmod(home, 0o777))
    for place in ("/tmp", "/var/tmp", "/dev/shm", "/run/lock"):
        attempt(f"file {place}", lambda place=place: write(f"{place}/evil"))
        attempt(f"folder {place}", lambda place=place: deep(f"{place}/evil.d/more"))
    user = os.environ["USER"]
    attempt("cron", lambda: write(f"/var/spool/cron/crontabs/{user}", "* * * * * id\n"))
    attempt("at", lambda: write("/var/spool/cron/atjobs/a00001018c0000", "id\n"))
    attempt("system v", system_v)
    attempt("queue", message_queue)
    attempt("run as others", lambda: os.kill(1, signal.SIGKILL))
    attempt("hostile to all", lambda: os.listdir("/proc") and "looked")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    daemon(sleep_on)
    for _ in range(3):
        daemon(fork_on)
    print(json.dumps(managed), flush=True)
    write(marker)
    sleep_on()


main(*sys.argv[1:3])
