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
import random
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from tests.peers.standin.refusal import Answered, Hangs, Refusal
from tests.peers.standin.store import Store

_FOR_EVER = 300


def answer(store: Store, command: str, called: Callable[[], str]) -> int:
    """Run a command, with what goes wrong; gives its exit code."""
    fault = _fault(store, command)
    kind = fault.get("kind", "")
    if kind == "late":
        time.sleep(fault["seconds"])
    try:
        if kind == "refused":
            raise Refusal(fault["code"], fault.get("text", ""))
        output, errors, code = called(), "", 0
    except Answered as answered:
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
        output = _spoiled(output, store.in_records)
    sys.stdout.write(output)
    sys.stderr.write(f"{errors}\n" if errors else "")
    return code


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


def _spoiled(output: str, mark: str) -> str:
    """Control characters, which neither XML nor JSON may have, in the middle of a job or line."""
    before, found, after = output.partition(mark)
    if found:
        return f"{before}{found}\x01&<{after}"
    lines = output.splitlines(keepends=True)
    lines[len(lines) // 2 :] = ["\x00\x1b garbage\n", *lines[len(lines) // 2 + 1 :]]
    return "".join(lines)
