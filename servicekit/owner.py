"""Who holds leases, locks, work and uploads: a process, by host, number, and a word of its own."""

from __future__ import annotations

import os
import secrets
import socket


def new_owner() -> str:
    """A name that nobody else has."""
    return f"{_host()}:{os.getpid()}:{secrets.token_hex(8)}"


def is_dead(owner: str) -> bool:
    """Whether an owner was a process of this host that is no more."""
    host, process, _ = owner.rsplit(":", 2)
    if host != _host() or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _host() -> str:
    """The host, and whose process numbers are meant: each container has its own."""
    return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
