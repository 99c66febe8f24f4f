"""A real directory server of one's own: slapd on a free port, in its own folder."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.postgresql import free_port

SLAPD = Path("/usr/sbin/slapd")
BASE = "dc=example,dc=test"
READER = f"cn=reader,{BASE}"

_CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile {folder}/slapd.pid
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
allow bind_anon_cred
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix "{base}"
directory {folder}/db
index objectClass,uid eq
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{reader}" read by anonymous auth
"""

_PERSON = """
dn: uid={uid},ou={unit},{base}
objectClass: inetOrgPerson
uid: {uid}
cn: {uid}
sn: {uid}
userPassword: {uid}'s words
"""

_ENTRIES = """
dn: {base}
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: {reader}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: the reader's words

dn: ou=people,{base}
objectClass: organizationalUnit
ou: people

dn: ou=guests,{base}
objectClass: organizationalUnit
ou: guests
"""


@dataclass(frozen=True)
class Directory:
    """A server that runs; ``ca_file`` is what its certificate for ``localhost`` is checked by."""

    ldap: str
    ldaps: str
    folder: Path

    @property
    def ca_file(self) -> Path:
        """Of the authority that its certificate is from: itself."""
        return self.folder / "server.pem"


@contextmanager
def running(folder: Path) -> Iterator[Directory]:
    """A directory with ana and bob among its people, and eve twice."""
    if not SLAPD.exists():
        pytest.fail("slapd is not installed; `make test` installs it as root")
    # under a path of its own a confinement of the system's service does not apply
    program = Path(shutil.copy2(SLAPD, folder / "slapd"))
    (folder / "db").mkdir()
    certificate(folder, "localhost")
    settings = folder / "slapd.conf"
    settings.write_text(_CONFIGURATION.format(folder=folder, base=BASE, reader=READER))
    people = [("ana", "people"), ("bob", "people"), ("eve", "people"), ("eve", "guests")]
    entries = _ENTRIES.format(base=BASE, reader=READER) + "".join(
        _PERSON.format(uid=uid, unit=unit, base=BASE) for uid, unit in people
    )
    adding = [program, "-T", "add", "-f", settings]
    subprocess.run(adding, input=entries, text=True, check=True, capture_output=True)
    plain, secure = free_port(), free_port()
    made = Directory(f"ldap://localhost:{plain}", f"ldaps://localhost:{secure}", folder)
    addresses = f"ldap://127.0.0.1:{plain} ldaps://127.0.0.1:{secure}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "-h", addresses, "-f", settings, "-d", "0"], stdout=log, stderr=log
        )
    try:
        for port in (plain, secure):
            _wait_for(port, process)
        yield made
    finally:
        process.terminate()
        process.wait(20)


def certificate(folder: Path, name: str) -> None:
    """Make ``server.pem`` and ``server.key`` for a host's name."""
    names = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    files = ["-keyout", folder / "server.key", "-out", folder / "server.pem"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    subprocess.run([*command, *names, *files], check=True, capture_output=True)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("slapd did not start")
