"""The commands: what each does, and what goes wrong with it when a test says so.

``faults.json`` maps the name of a command to a fault, an object with a ``kind``:

* ``slow``: it answers after ``seconds``; the thing itself is done at once;
* ``late``: the thing itself is done only after ``seconds``;
* ``hangs``: it is done, and the client never returns;
* ``lost``: it is done, and after ``seconds`` (0) the exit code is ``code`` (111), without a word;
* ``refused``: it is not done, with the exit code ``code`` and ``text``;
* ``half``: the first half of the answer, and exit code 0;
* ``garbage``: one job's record, or else one line, cannot be read.

With ``times`` only so many calls go wrong, with ``chance`` only that part of them.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.peers.torque import control, openpbs, query, submit
from tests.peers.torque.refusal import Hangs, Refusal
from tests.peers.torque.store import Store

COMMANDS: Mapping[str, Callable[[Store, list[str]], str]] = {
    "qsub": submit.run,
    "qstat": query.qstat,
    "qselect": query.qselect,
    "qdel": control.qdel,
    "qhold": control.qhold,
    "qrls": control.qrls,
    "qalter": control.qalter,
    "qrerun": control.qrerun,
    "qsig": control.qsig,
    "pbsnodes": query.pbsnodes,
}
_FOR_EVER = 300


def main(command: str, folder: Path, arguments: list[str]) -> int:
    """Run a command; gives its exit code."""
    # Whoever runs a command, all may write the state.
    os.umask(0)
    store = Store(folder)
    if store.config["trqauthd_down"] or store.config["server_down"]:
        return _unreachable(command, store)
    fault = _fault(store, command)
    kind = fault.get("kind", "")
    if kind == "late":
        time.sleep(fault["seconds"])
    try:
        if kind == "refused":
            raise Refusal(fault["code"], fault.get("text", ""))
        output, errors, code = _called(store, command)(store, arguments), "", 0
    except query.Answered as answered:
        output, errors, code = answered.answer, answered.text, answered.code
    except Refusal as refusal:
        output, errors, code = "", refusal.text, refusal.code
    except Hangs:
        time.sleep(_FOR_EVER)
        return 0
    if kind == "hangs":
        time.sleep(_FOR_EVER)
    if kind in ("slow", "lost"):
        time.sleep(fault.get("seconds", 0))
    if kind == "lost":
        return int(fault.get("code", 111))
    if kind == "half":
        output = output[: len(output) // 2]
    if kind == "garbage":
        output = _spoiled(output)
    sys.stdout.write(output)
    sys.stderr.write(f"{errors}\n" if errors else "")
    return code


def _called(store: Store, command: str) -> Callable[[Store, list[str]], str]:
    is_openpbs = store.config["dialect"] == "openpbs"
    called: Callable[[Store, list[str]], str] = COMMANDS[command]
    return openpbs.COMMANDS.get(command, called) if is_openpbs else called


def _fault(store: Store, command: str) -> Mapping[str, Any]:
    path = store.folder / "faults.json"
    try:
        fault: dict[str, Any] = json.loads(path.read_text()).get(command, {})
    except FileNotFoundError:
        return {}
    if random.random() > fault.get("chance", 1):
        return {}
    if "times" in fault:
        with store.writing():
            done = store.value("faults") or {}
            mine = f"{fault['id']}-{command}"
            done[mine] = done.get(mine, 0) + 1
            store.set_value("faults", done)
        if done[mine] > fault["times"]:
            return {}
    return fault


def _spoiled(output: str) -> str:
    """A control character, which no XML may have, in the middle of a job's or line's text."""
    place = output.find("<Job_Owner>") + len("<Job_Owner>")
    if place < len("<Job_Owner>"):
        lines = output.splitlines(keepends=True)
        lines[len(lines) // 2 :] = ["\x00\x1b garbage\n", *lines[len(lines) // 2 + 1 :]]
        return "".join(lines)
    return f"{output[:place]}\x01&<{output[place:]}"


def _unreachable(command: str, store: Store) -> int:
    if store.config["trqauthd_down"]:
        lines = ["socket_connect_unix failed: 15137"] * (3 if command == "qstat" else 1)
        problem = "(errno=15137) could not connect to trqauthd"
        lines.append(f"{command}: cannot connect to server (null) {problem}")
        if command == "qstat":
            lines.append("qstat: Error (15137 - could not connect to trqauthd)")
        sys.stderr.write("\n".join(lines) + "\n")
        return 33
    name = store.server
    text = (
        f"Unable to communicate with {name}(127.0.0.1)\n"
        f"Cannot connect to specified server host '{name}'.\n"
    )
    if command == "qstat":
        sys.stderr.write(f"{text}\n{text}\n")
        return 111
    if command == "pbsnodes":
        refused = f"pbsnodes: cannot connect to server {name}, error=111 (Connection refused)\n"
        sys.stderr.write(text + refused)
        return 1
    refused = f"{command}: cannot connect to server {name} (errno=111) Connection refused\n"
    sys.stderr.write(text + refused)
    return 111


if __name__ == "__main__":
    code = main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
    sys.stdout.flush()
    os._exit(code)
