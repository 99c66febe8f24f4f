"""Serving one caller: a job's program is run in an account of a pool, for one who may not.

They talk through a socket, in lines of JSON. The helper says which account the job has, or why not
now. Then the caller sends the two outputs, which it has opened itself, and what to run; after that
"t" asks the program to end. When the caller closes its end, or is gone, the program is killed.
"""

from __future__ import annotations

import json
import os
import select
import socket
from collections.abc import Mapping
from typing import Any

from batch.accounts.capsule import AccountProgram, Capsule
from batch.accounts.cleaning import tell
from batch.accounts.configuration import Account, RefusedError
from batch.accounts.leases import BusyError
from batch.accounts.pool import Pool
from batch.local.launch import NotStartedError

JOB_FILE = "IJP_JOB_FILE"
_LONGEST_REQUEST = 16 * 1024 * 1024
_MOST = 100_000_000
_PARTS = {"argv", "environment", "job_file", "cpu_seconds", "process_limit", "nicer"}


def serve(pool: Pool, family: str, key: str, caller: socket.socket) -> None:
    """Run one program and say how it ended, when nothing of it is left any more."""
    told: dict[str, Any] | None = None
    try:
        with pool.taken(family, key) as account:
            _say(caller, account=account.name)
            request, outputs = _receive(caller)
            if request is not None:
                told = _run(pool, account, key, request, outputs, caller)
    except BusyError as error:
        told = {"busy": str(error)}
    except RefusedError as error:
        told = {"refused": str(error)}
    if told is not None:
        _say(caller, **told)
    caller.close()
    # Of others before this one; nobody waits for it.
    pool.heal()


def _receive(caller: socket.socket) -> tuple[Mapping[str, Any] | None, list[int]]:
    """What to run, and the outputs; None if the caller went away before it said so.

    Raises:
        RefusedError: It is not a request.
    """
    first, outputs, _, _ = socket.recv_fds(caller, 1, 2)
    if not first:
        return None, outputs
    text = bytearray()
    while not text.endswith(b"\n"):
        part = caller.recv(65536)
        if not part:
            return None, outputs
        text += part
        if len(text) > _LONGEST_REQUEST:
            raise RefusedError("the request is too long")
    try:
        request = json.loads(text)
    except ValueError as error:
        raise RefusedError(f"the request is not JSON: {error}") from error
    if first != b"R" or len(outputs) != 2 or not _is_request(request):
        raise RefusedError("not a request to run a program")
    return request, outputs


def _is_request(request: Any) -> bool:
    if not isinstance(request, dict):
        return False
    argv, environment = request.get("argv"), request.get("environment")
    is_whole = (
        request.keys() == _PARTS
        and isinstance(argv, list)
        and isinstance(environment, dict)
        and bool(argv)
    )
    if not is_whole:
        return False
    assert isinstance(argv, list)
    assert isinstance(environment, dict)
    texts = [*argv, *environment, *environment.values(), request["job_file"] or ""]
    numbers = [request["cpu_seconds"] or 1, request["process_limit"]]
    return (
        all(_is_text(one) for one in texts)
        and all(name and "=" not in name for name in environment)
        and all(type(one) is int and 1 <= one <= _MOST for one in numbers)
        and type(request["nicer"]) is int
        and 0 <= request["nicer"] <= 19
    )


def _is_text(value: Any) -> bool:
    try:
        return isinstance(value, str) and b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        return False


def _run(
    pool: Pool,
    account: Account,
    key: str,
    request: Mapping[str, Any],
    outputs: list[int],
    caller: socket.socket,
) -> dict[str, Any]:
    environment = dict(request["environment"])
    environment |= {"HOME": account.home, "USER": account.name, "LOGNAME": account.name}
    environment |= {"SHELL": "/bin/sh", "TMPDIR": account.home}
    environment.pop(JOB_FILE, None)
    if request["job_file"] is not None:
        content = os.fsencode(request["job_file"])
        environment[JOB_FILE] = tell(
            pool.configuration, account, "job.json", content, everybody=False
        )
    program = AccountProgram(
        account,
        key,
        _terminated(request["argv"]),
        _terminated(f"{name}={value}" for name, value in environment.items()),
    )
    program.nicer = request["nicer"]
    try:
        capsule = Capsule(
            program,
            account,
            outputs,
            cpu_seconds=request["cpu_seconds"],
            process_limit=request["process_limit"],
            namespaces=pool.configuration.namespaces,
        )
    except NotStartedError as error:
        return {"not_started": error.reason, "exit_code": error.exit_code}
    except OSError as error:
        return {"busy": f"account {account.name}: {error}"}
    finally:
        for output in outputs:
            os.close(output)
    _say(caller, top=capsule.top)
    _watch(capsule, caller)
    return {"status": capsule.end()}


def _watch(capsule: Capsule, caller: socket.socket) -> None:
    """Wait until the program has ended, or the caller wants it to be killed or is gone."""
    poll = select.poll()
    poll.register(capsule, select.POLLIN)
    poll.register(caller, select.POLLIN)
    while True:
        ready = [descriptor for descriptor, _ in poll.poll()]
        if capsule.fileno() in ready:
            return
        try:
            wish = caller.recv(1)
        except OSError:
            wish = b""
        if not wish:
            return
        if wish == b"t":
            capsule.ask_to_end()


def _terminated(texts: Any) -> bytes:
    return b"".join(os.fsencode(text) + b"\0" for text in texts)


def _say(caller: socket.socket, **told: Any) -> None:
    try:
        caller.sendall(json.dumps(told).encode() + b"\n")
    except OSError:  # the caller is gone; what is to be done is done without him
        return
