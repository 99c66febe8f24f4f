"""Where a job fits."""

from __future__ import annotations

from tests.peers.torque.store import Job, Store


def placed(store: Store, job: Job, free: dict[str, list[int]]) -> str | None:
    """Where a job fits: ``node01/0-1+node02/0``; None if it does not."""
    left = {name: list(slots) for name, slots in free.items()}
    hosts = []
    for part in job["Resource_List"].get("nodes", "1").split("+"):
        first, *words = part.split(":")
        ppn = next((int(word[4:]) for word in words if word.startswith("ppn=")), 1)
        features = {word for word in words if not word.startswith("ppn=")}
        if not first.isdigit():
            features.add(first)
        for _ in range(int(first) if first.isdigit() else 1):
            node = next(
                (
                    node["name"]
                    for node in store.config["nodes"]
                    if features <= {node["name"], *node["properties"].split(",")}
                    and len(left.get(node["name"], ())) >= ppn
                ),
                None,
            )
            if node is None:
                return None
            taken, left[node] = left[node][:ppn], left[node][ppn:]
            hosts.append(f"{node}/{_ranges(taken)}")
    return "+".join(hosts)


def _ranges(slots: list[int]) -> str:
    if slots == list(range(slots[0], slots[-1] + 1)) and len(slots) > 1:
        return f"{slots[0]}-{slots[-1]}"
    return str(slots[0]) if len(slots) == 1 else f"{slots[0]}-{slots[0] + len(slots) - 1}"
