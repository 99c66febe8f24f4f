"""The commands: what each does."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.peers.standin.client import answer
from tests.peers.torque import control, openpbs, query, submit
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


def main(command: str, folder: Path, arguments: list[str]) -> int:
    """Run a command; gives its exit code."""
    # Whoever runs a command, all may write the state.
    os.umask(0)
    store = Store(folder)
    if store.config["trqauthd_down"] or store.config["server_down"]:
        return _unreachable(command, store)
    return answer(store, command, lambda: _called(store, command)(store, arguments))


def _called(store: Store, command: str) -> Callable[[Store, list[str]], str]:
    is_openpbs = store.config["dialect"] == "openpbs"
    called: Callable[[Store, list[str]], str] = COMMANDS[command]
    return openpbs.COMMANDS.get(command, called) if is_openpbs else called


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
