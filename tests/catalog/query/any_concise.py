"""Queries in concise style, each with what it means in new style."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from tests.catalog.query.any_names import CONSTANTS, PATHS, PATTERNS, SIGNS

_STEPS = {
    "Investigation": {"Dataset": "datasets", "Sample": "samples"},
    "Sample": {"Dataset": "datasets", "Investigation": "investigation"},
    "Dataset": {
        "Investigation": "investigation",
        "Sample": "sample",
        "Datafile": "datafiles",
        "DatasetParameter": "parameters",
    },
    "Datafile": {"Dataset": "dataset"},
    "DatasetParameter": {"Dataset": "dataset"},
}
"""The one relation between two entities."""

_INCLUDES = {
    "Investigation": {
        "1": "1",
        "Sample": "r.samples",
        "Dataset, Datafile": "r.datasets a, a.datafiles",
        "DatafileFormat, Datafile, Dataset": "r.datasets a, a.datafiles b, b.datafileFormat",
    },
    "Sample": {"Investigation, Facility": "r.investigation a, a.facility", "1": "1"},
    "Dataset": {
        "1": "1",
        "Datafile": "r.datafiles",
        "DatasetParameter, ParameterType": "r.parameters a, a.type",
        "Datafile, Sample, DatafileFormat": "r.sample, r.datafiles a, a.datafileFormat",
        "Investigation, InvestigationType": "r.investigation a, a.type",
    },
    "Datafile": {"Dataset, Sample": "r.dataset a, a.sample", "DatafileFormat": "r.datafileFormat"},
    "DatasetParameter": {"Dataset, DatasetType": "r.dataset a, a.type", "1": "1"},
}
"""By entity what INCLUDE may name, and the steps that it means."""


@dataclass(frozen=True)
class Pair:
    """The same query twice."""

    concise: str
    new: str


class _Queries:
    """Draws queries; ``~`` stands where new style has the variable of a path."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def _one_of(self, *choices: str) -> str:
        return self._draw(st.sampled_from(choices))

    def _paths(self, entity: str, *kinds: str) -> list[str]:
        return [f"~{path}" for kind in kinds for path in PATHS[entity].get(kind, ())]

    def condition(self, entity: str, depth: int) -> str:
        """Any condition on one entity."""
        how = self._draw(st.integers(0, 7 if depth else 4))
        kind = self._one_of(
            *[one for one in ("number", "text", "moment") if PATHS[entity].get(one)]
        )
        path, no = self._one_of(*self._paths(entity, kind)), self._one_of("", "NOT ")
        values = [one for one in CONSTANTS[kind] if not one.startswith(("CURRENT", "-"))]
        text = self._one_of(*self._paths(entity, "text"))
        match how:
            case 0:
                return f"{path} {no}IN ({self._one_of(*values)}, {self._one_of(*values)})"
            case 1:
                return f"{path} {no}BETWEEN {self._one_of(*values)} AND {self._one_of(*values)}"
            case 2:
                return f"{text} {no}LIKE {self._one_of(*PATTERNS)}"
            case 3:
                return f"{self._one_of(path, *self._paths(entity, 'one'))} IS {no}NULL"
            case 5 | 6:
                word = self._one_of("AND", "OR")
                parts = [self.condition(entity, depth - 1) for _ in range(2)]
                return f"({parts[0]} {word} {parts[1]})"
            case 7:
                return f"NOT ({self.condition(entity, depth - 1)})"
        sides = [path, self._one_of(*values)]
        if self._draw(st.booleans()):
            sides.reverse()
        return f"{sides[0]} {self._one_of(*SIGNS)} {sides[1]}"

    def _related(self, root: str) -> list[tuple[str, str]]:
        """Further entities, each with the one before that it is reached from."""
        found: list[tuple[str, str]] = []
        reached = [root]
        for _ in range(self._draw(st.integers(0, 2))):
            ways = [
                (origin, target)
                for origin in reached
                for target in _STEPS[origin]
                # Two ways lead between these three.
                if target not in reached and {"Investigation", "Sample"} - {*reached, target}
            ]
            if not ways:
                break
            found.append(self._draw(st.sampled_from(ways)))
            reached.append(found[-1][1])
        return found

    def query(self) -> Pair:
        """A whole query."""
        root = self._one_of(*_STEPS)
        related = self._related(root)
        order = self._draw(st.permutations(related))
        listed = [root, *(target for _, target in order)]
        conditions = {
            one: self.condition(one, 2) if self._draw(st.integers(0, 2)) else "" for one in listed
        }
        joins = "".join(
            f" JOIN {origin}$.{_STEPS[origin][target]} {target}$" for origin, target in related
        )
        held = [f"({text.replace('~', f'{one}$.')})" for one, text in conditions.items() if text]
        where = f" WHERE {' AND '.join(held)}" if held else ""
        texts = [f"[{text.replace('~', '')}]" if text else "" for text in conditions.values()]
        rest = " <-> ".join(
            f"{one} {text}" for one, text in zip(listed[1:], texts[1:], strict=True)
        )
        tail = f"{texts[0]} <-> {rest}" if rest else texts[0]
        source = f"FROM {root} {root}${joins}{where}"
        return self._head(root, tail, source)

    def _head(self, root: str, tail: str, source: str) -> Pair:
        paging, limit = self._draw(
            st.sampled_from(
                [("", ""), ("1,2 ", " LIMIT 1, 2"), (",3 ", " LIMIT 0, 3"), ("2, ", " LIMIT 2, *")]
            )
        )
        how = self._draw(st.integers(0, 5))
        distinct = self._one_of("", "", "DISTINCT ")
        if how == 0:
            function = self._one_of("COUNT", "MIN", "MAX")
            path = self._one_of(*self._paths(root, "number", "text"))
            if function == "COUNT" and self._draw(st.booleans()):
                return Pair(
                    f"COUNT({distinct}{root}) {tail}", f"SELECT COUNT({distinct}{root}$) {source}"
                )
            own, other = f"{root}.{path[1:]}", f"{root}$.{path[1:]}"
            return Pair(
                f"{function}({distinct}{own}) {tail}",
                f"SELECT {function}({distinct}{other}) {source}",
            )
        if how == 1:
            path = self._one_of(*self._paths(root, "number", "text", "moment", "truth", "one"))[1:]
            return Pair(
                f"{paging}{distinct}{root}.{path} {tail}",
                f"SELECT {distinct}{root}$.{path} {source}{limit}",
            )
        keys = [one[1:] for one in self._paths(root, "number", "text") if "." not in one]
        chosen = self._draw(st.lists(st.sampled_from(keys), max_size=2, unique=True))
        words = [(one, self._one_of("", " ASC", " DESC")) for one in chosen]
        short = " ORDER BY " + ", ".join(f"{a}{b}" for a, b in words) if words else ""
        long = " ORDER BY " + ", ".join(f"{root}$.{a}{b}" for a, b in words) if words else ""
        names = self._one_of("", *_INCLUDES[root])
        own = f" INCLUDE {names}" if names else ""
        steps = f" INCLUDE {_INCLUDES[root][names].replace('r.', f'{root}$.')}" if names else ""
        clauses = self._one_of(f"{short}{own}", f"{own}{short}")
        return Pair(
            f"{paging}{distinct}{root}{clauses} {tail}",
            f"SELECT {distinct}{root}$ {source}{long}{steps}{limit}",
        )


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    """A query in concise style, and the same one in new style."""
    return _Queries(draw).query()
