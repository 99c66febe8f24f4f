"""``-l``: what jobs may ask for, what the queue adds, and what is too much."""

from __future__ import annotations

import re

from tests.peers.standin.refusal import Refusal
from tests.peers.torque.forms import duration, slots
from tests.peers.torque.store import Store

_SIZE = re.compile(r"(\d+)([kmgt]?)[bw]?", re.IGNORECASE)
_TIMES = {"walltime", "cput", "pcput"}
_SIZES = {"mem", "vmem", "pmem", "pvmem", "file"}
_WORDS = {"ncpus", "procs", "nice", "arch", "software", "qos", "host", "prologue", "epilogue"}


def submit_error(code: int, text: str) -> Refusal:
    """What qsub says when the server refuses a job."""
    return Refusal(code, f"qsub: submit error ({text})")


def limits(store: Store, text: str, queue: str) -> dict[str, str]:
    """A ``-l``, checked, with the queue's defaults, in the order that Torque shows."""
    asked: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        asked[name] = _limit(store, name, value)
    if "nodes" in asked:
        asked["nodect"] = _node_count(asked["nodes"])
    for name, value in store.config["queues"][queue].get("default", {}).items():
        if name not in asked and not (name == "nodes" and "procs" in asked):
            asked[name] = value
    if "nodes" in asked:
        asked.setdefault("nodect", _node_count(asked["nodes"]))
    most = store.config["queues"][queue].get("max", {})
    for name, value in most.items():
        if name in asked and _amount(asked[name]) > _amount(value):
            text = f"cannot satisfy queue max {name} requirement"
            raise submit_error(190, f"Job exceeds queue resource limits MSG={text}")
    return asked


def _limit(store: Store, name: str, value: str) -> str:
    illegal = submit_error(168, f"Illegal attribute or resource value for Resource_List.{name}")
    if name in _TIMES:
        if not re.fullmatch(r"(\d+:){0,3}\d+", value):
            raise illegal
        return duration(seconds(value))
    if name in _SIZES:
        if not _SIZE.fullmatch(value):
            raise illegal
        return value
    if name == "nodes":
        _feasible(store, value)
    elif name not in _WORDS:
        raise submit_error(189, f"Unknown resource type  Resource_List.{name}")
    return value


def _feasible(store: Store, nodes: str) -> None:
    infeasible = submit_error(
        190,
        "Job exceeds queue resource limits MSG=cannot locate feasible nodes (nodes file is empty, "
        "all systems are busy, or no nodes have the requested feature)",
    )
    for part in nodes.split("+"):
        first, *words = part.split(":")
        if first == "0":
            raise submit_error(27, "Command syntax invalid MSG=Invalid Syntax")
        features = {word for word in words if not word.startswith("ppn=")}
        if not first.isdigit():
            features.add(first)
        able = [
            node
            for node in store.config["nodes"]
            if features <= {node["name"], *node["properties"].split(",")}
            and node["np"] >= slots(":".join(["1", *words]))
        ]
        if len(able) < (int(first) if first.isdigit() else 1):
            raise infeasible


def _node_count(nodes: str) -> str:
    firsts = (part.split(":")[0] for part in nodes.split("+"))
    return str(sum(int(first) if first.isdigit() else 1 for first in firsts))


def seconds(text: str) -> int:
    """Of ``[[HH:]MM:]SS``."""
    total = 0
    for part in text.split(":"):
        total = 60 * total + int(part)
    return total


def _amount(text: str) -> int:
    size = _SIZE.fullmatch(text)
    if size and not text.isdigit():
        return int(size[1]) << (10 * " kmgt".index(size[2].lower() or " "))
    return seconds(text)


def size_bytes(text: str) -> int:
    """Of ``100mb``."""
    return _amount(text if not text.isdigit() else f"{text}b")
