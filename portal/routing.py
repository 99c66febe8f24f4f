"""Which batch engine jobs go to, and why: rules only, about what the caller knows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from portal.formats import count, size
from portal.run_times import NONE, RunTime, about

MANY = 20
"""From so many jobs on, an engine that takes them as an array goes before one that does not."""
_MIB = 1024 * 1024
_STEPS = 4


@dataclass(frozen=True)
class Shape:
    """A kind of node.

    Attributes:
        memory_mib: None if nobody knows.
    """

    cores: int
    memory_mib: int | None = None


@dataclass(frozen=True)
class Facts:
    """What was heard of an engine lately.

    Attributes:
        slots: Cores of its nodes; None if it does not tell. Likewise ``slots_used``.
        running: The portal's jobs that run there; ``waiting``: those that are to start.
        shapes: The kinds of nodes that it has; none if it does not tell.
    """

    answers: bool = True
    slots: int | None = None
    slots_used: int | None = None
    running: int = 0
    waiting: int = 0
    shapes: tuple[Shape, ...] = ()

    @property
    def free(self) -> int | None:
        """Cores that nobody uses."""
        if self.slots is None or self.slots_used is None:
            return None
        return max(0, self.slots - self.slots_used)

    @property
    def words(self) -> str:
        """For users: "12 of 16 cores free, 40 jobs wait"."""
        if not self.answers:
            return "does not answer"
        parts = [] if self.free is None else [f"{self.free} of {self.slots} cores free"]
        if self.waiting:
            parts.append(f"{count(self.waiting, 'job')} wait{'s' if self.waiting == 1 else ''}")
        return ", ".join(parts)


@dataclass(frozen=True)
class Need:
    """What is to be run.

    Attributes:
        jobs: How many.
        cores: Each of them; likewise the memory.
        asked: The names of the resources that are asked for, as ``batch.resources`` has them.
        wish: The engine that the job type would like; "" is none.
        choice: The engine that the user wants and no other; "" leaves it to the portal.
    """

    jobs: int = 1
    cores: int = 1
    memory_mib: int | None = None
    asked: frozenset[str] = frozenset()
    wish: str = ""
    choice: str = ""


@dataclass(frozen=True)
class Candidate:
    """An engine that is configured.

    Attributes:
        gives: The names of the resources that it can give.
        facts: None if nothing was heard of it lately.
        near: The part of the inputs that lies close to its nodes, 0 to 1.
        run_time: Of each of the jobs there; None if there were no earlier ones.
        is_checked: Whether it matters what it cannot do.
    """

    name: str
    gives: frozenset[str]
    makes_arrays: bool = False
    facts: Facts | None = None
    near: float = 0.0
    run_time: RunTime | None = None
    is_checked: bool = True


@dataclass(frozen=True)
class Option:
    """An engine as it looks for what is to be run.

    Attributes:
        fault: Why it cannot run that; "" if it can.
        words: What speaks for or against it.
        seconds: Until all is probably done; None if nobody can say.
    """

    name: str
    fault: str
    words: str
    seconds: float | None = None
    run_time: RunTime | None = None


@dataclass(frozen=True)
class Route:
    """Where jobs go.

    Attributes:
        engine: "" if no engine can run them, or not the one that was chosen.
        reason: Why it is that one; "" where there is nothing to choose from.
        fault: Why there is none.
        options: All engines, the best first.
    """

    engine: str
    reason: str
    options: tuple[Option, ...]
    fault: str = ""

    @property
    def chosen(self) -> Option | None:
        """The engine that it is."""
        return next((one for one in self.options if one.name == self.engine), None)

    @property
    def run_time(self) -> RunTime | None:
        """How long each of the jobs runs there; None if there were no earlier ones."""
        one = self.chosen or (self.options[0] if self.options else None)
        return one.run_time if one else None

    @property
    def words(self) -> str:
        """For users: how long each job takes, and what tells that."""
        return self.run_time.words if self.run_time else NONE


def route(need: Need, candidates: Sequence[Candidate]) -> Route:
    """Choose an engine.

    Those that cannot run the jobs are left out. Of the others, those that answer go first, then
    the one that the job type wishes, those close to more of the data, those that take many jobs
    at once, those that will be done first (where that is known of all), those with room, and
    those where least waits; then in the given order.
    """
    able = [one for one in candidates if not unable(need, one)]
    others = [one for one in candidates if unable(need, one)]
    by_time = all(
        completion(need, one) is not None for one in able if one.facts is None or one.facts.answers
    )
    ordered = sorted(able, key=lambda one: _place(need, one, by_time=by_time)) + others
    options = tuple(_option(need, one) for one in ordered)
    if need.choice:
        return _as_chosen(need, ordered, options)
    if not ordered or options[0].fault:
        faults = "; ".join(f"{one.name}: {one.fault}" for one in options) or "there is none"
        return Route("", "", options, f"no batch engine can run this ({faults})")
    best = ordered[0]
    if len(ordered) == 1:
        return Route(best.name, "", options)
    return Route(best.name, _reason(need, best, options), options)


def _as_chosen(need: Need, ordered: Sequence[Candidate], options: tuple[Option, ...]) -> Route:
    named = {one.name: one for one in options}
    if need.choice not in named:
        known = ", ".join(sorted(named))
        return Route(
            "", "", options, f"there is no engine {need.choice[:60]!r} (there is: {known})"
        )
    chosen = named[need.choice]
    if chosen.fault:
        return Route("", "", options, f"{chosen.name} cannot run this: {chosen.fault}")
    reason = "as you chose"
    return Route(chosen.name, f"{reason}: {chosen.words}" if chosen.words else reason, options)


def unable(need: Need, one: Candidate) -> str:
    """Why an engine cannot run this; "" if it can, as far as is known."""
    if not one.is_checked:
        return ""
    if missing := sorted(need.asked - one.gives - {"cores"}):
        return f"it cannot keep {', '.join(missing)}"
    shapes = one.facts.shapes if one.facts else ()
    if shapes and not any(_fits(need, shape) for shape in shapes):
        wanted = count(need.cores, "core")
        if need.memory_mib:
            wanted += f" and {size(need.memory_mib * _MIB)} of memory"
        return f"no node has {wanted}"
    return ""


def _fits(need: Need, shape: Shape) -> bool:
    is_enough = shape.memory_mib is None or (need.memory_mib or 0) <= shape.memory_mib
    return need.cores <= shape.cores and is_enough


def _place(need: Need, one: Candidate, *, by_time: bool) -> tuple[float, ...]:
    """Where it stands among those that can; the smaller the better."""
    facts = one.facts or Facts()
    seconds = completion(need, one)
    return (
        not facts.answers,
        one.name != need.wish if need.wish else False,
        -round(_STEPS * one.near),
        need.jobs >= MANY and not one.makes_arrays,
        seconds if by_time and seconds is not None else 0.0,
        -_starting(need, facts),
        facts.waiting / facts.slots if facts.slots else facts.waiting,
    )


def _starting(need: Need, facts: Facts) -> float:
    """The part of the jobs that can start at once; a half if nobody knows."""
    if facts.free is None:
        return 0.5
    return 0.0 if facts.waiting else min(1.0, facts.free // need.cores / need.jobs)


def completion(need: Need, one: Candidate) -> float | None:
    """Seconds until all jobs are probably done; None if nobody can say.

    What waits there is taken to run as long as these jobs do.
    """
    facts, run_time = one.facts, one.run_time
    if run_time is None or facts is None or not facts.answers or not facts.slots:
        return None
    together = max(1, facts.slots // need.cores)
    ahead = facts.waiting / together
    if facts.free is not None and facts.free < need.cores:
        ahead += 0.5  # what runs is half done, on average
    return run_time.seconds * (ahead + math.ceil(need.jobs / together))


def _option(need: Need, one: Candidate) -> Option:
    fault = unable(need, one)
    seconds = completion(need, one)
    words = [one.facts.words if one.facts else "nothing was heard of it lately"]
    if one.near:
        words.insert(0, f"{round(100 * one.near)} % of the data lie near")
    if seconds is not None:
        words.append(f"about {about(seconds)}")
    told = ", ".join(filter(None, words))
    return Option(one.name, fault, told, seconds, one.run_time)


def _reason(need: Need, best: Candidate, options: Sequence[Option]) -> str:
    """Why it is the first of the options."""
    own, *others = options
    lead = ""
    if need.wish == best.name:
        lead = "as the job type wishes"
    elif need.wish:
        known = {one.name: one for one in others}
        lead = f"not {need.wish} as the job type wishes: {_against(known.get(need.wish))}"
    elif need.jobs >= MANY and best.makes_arrays:
        lead = f"takes {need.jobs:,} jobs at once"
    parts = [", ".join(filter(None, (lead, own.words)))]
    parts += [f"{one.name}: {one.fault or one.words}" for one in others if one.name != need.wish]
    return "; ".join(filter(None, parts))[:1000]


def _against(wished: Option | None) -> str:
    if wished is None:
        return "there is no such engine"
    return wished.fault or wished.words
