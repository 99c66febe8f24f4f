"""``-W depend=``: what is refused, what waits for ever, and what waits."""

from __future__ import annotations

import re

from tests.peers.standin.refusal import Refusal
from tests.peers.torque import server
from tests.peers.torque.store import Job, Store

_BEFORE = {
    "after": "beforestart",
    "afterok": "beforeok",
    "afternotok": "beforenotok",
    "afterany": "beforeany",
}
_KINDS = {*_BEFORE, *(f"{kind}array" for kind in _BEFORE), *_BEFORE.values(), "before", "on"}
_REFUSED = "qsub: submit error (Invalid Job Dependency)"


def parsed(store: Store, text: str | None) -> list[tuple[str, list[str]]]:
    """Kinds and the ids of each; what is not of this form never reaches the server."""
    found: list[tuple[str, list[str]]] = []
    for part in text.split(",") if text is not None else ():
        kind, *given = part.split(":")
        is_id = r"\d*(\[\d*\])?(\.[\w.-]+)?(@[\w.-]+)?"
        if kind not in _KINDS or not given or any(not re.fullmatch(is_id, one) for one in given):
            raise Refusal(2, f"[qsub: illegal -W dependency value: '{part}']\n")
        found.append((kind, [one if kind == "on" else server.ids(store, one) for one in given]))
    return found


def registered(store: Store, job: Job, wanted: list[tuple[str, list[str]]]) -> None:
    """Make the job wait for the others, and note it with them."""
    job["depend"] = ",".join(":".join([kind, *on]) for kind, on in wanted)
    job["_depend"] = [[kind, one] for kind, on in wanted for one in on]
    for kind, on in wanted:
        for one in on:
            if kind != "on":
                _note(store, job["Job_Id"], kind, one)
    server.hold(job, "s")


def _note(store: Store, child: str, kind: str, one: str) -> None:
    parent = store.get(one)
    if parent is None or (kind not in _BEFORE and not kind.endswith("array")):
        raise Refusal(208, _REFUSED)
    if parent["job_state"] == "C":
        status = parent.get("exit_status", 0)
        # A completed parent: what could be met at once is refused, what cannot waits for ever.
        if kind.startswith(("afterany",)) or kind == "after":
            raise Refusal(208, _REFUSED)
        if (status == 0) is kind.startswith("afterok"):
            raise Refusal(208, _REFUSED)
        return
    before = _BEFORE.get(kind, _BEFORE.get(kind.removesuffix("array"), kind))
    notes = [part for part in parent.get("depend", "").split(",") if part]
    mine = [place for place, part in enumerate(notes) if part.split(":")[0] == before]
    if mine:
        notes[mine[0]] += f":{child}"
    else:
        notes.append(f"{before}:{child}")
    parent["depend"] = ",".join(notes)
    store.save(parent)
