"""Queries of any form over datasets and what is around them, right by their kinds."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

from tests.catalog.query.any_names import (
    CONSTANTS,
    LENIENT,
    PATHS,
    PATTERNS,
    RELATIONS,
    SIGNS,
    TARGETS,
)


@dataclass
class Queries:
    """Draws parts of one SELECT; ``variables`` are those that stand for something there."""

    draw: st.DrawFn
    variables: dict[str, str] = field(default_factory=dict)
    depth: int = 3
    used: list[int] = field(default_factory=lambda: [0])

    def one_of(self, *choices: str) -> str:
        """One of some texts."""
        return self.draw(st.sampled_from(choices))

    def name(self, entity: str) -> str:
        """A new variable."""
        self.used[0] += 1
        name = f"v{self.used[0]}"
        if entity:
            self.variables[name] = entity
        return name

    def deeper(self) -> Queries:
        """For what stands inside."""
        return Queries(self.draw, dict(self.variables), self.depth - 1, self.used)

    def paths(self, kind: str) -> list[str]:
        """All paths of a kind."""
        return [
            f"{variable}.{path}"
            for variable, entity in self.variables.items()
            for path in PATHS[entity].get(kind, ())
        ]

    def value(self, kind: str) -> str:
        """A value: a path, a constant, or what is computed of others."""
        how = self.draw(st.integers(0, 5))
        paths = self.paths(kind)
        if paths and (how < 3 or self.depth <= 0 or kind not in ("number", "text")):
            return self.one_of(*paths)
        if how == 3 or self.depth <= 0 or kind not in ("number", "text"):
            return self.one_of(*CONSTANTS.get(kind, paths or ["NULL"]))
        inside = self.deeper()
        return inside.number() if kind == "number" else inside.text()

    def number(self) -> str:
        """A number that is computed."""
        many = self.paths("many")
        forms = ["{n} + {n}", "({n} - {n})", "{n} * {n}", "{n} / {d}", "-({n})", "ABS({n})"]
        forms += ["LENGTH({t})", "LOCATE({t}, {t})", "MOD({n}, {n})", "SQRT({n})"]
        forms += ["LOCATE({t}, {t}, {s})", "({q})", "({q})", *["SIZE({m})"] * bool(many)]
        form = f"({self.one_of(*forms)})" if self.depth else "({n} + {n})"
        return self.filled(form)

    def text(self) -> str:
        """A text that is computed."""
        forms = ["LOWER({t})", "UPPER({t})", "CONCAT({t}, {t})", "TRIM({t})", "CONCAT({t},{t},{t})"]
        forms += ["SUBSTRING({t}, {n})", "SUBSTRING({t}, {n}, {n})", "TRIM(LEADING 'a' FROM {t})"]
        forms += ["TRIM(TRAILING 'b' FROM {t})", "TRIM(BOTH 'a' FROM {t})", "TRIM(BOTH FROM {t})"]
        return self.filled(self.one_of(*forms))

    def filled(self, form: str) -> str:
        """A form with each ``{letter}`` replaced by something that is drawn."""
        found, *pieces = form.split("{")
        for piece in pieces:
            letter, _, rest = piece.partition("}")
            found += self.part(letter) + rest
        return found

    def part(self, letter: str) -> str:
        """What a letter stands for."""
        match letter:
            case "n":
                return self.value("number")
            case "t":
                return self.value("text")
            case "d":
                return self.one_of("2", "4", "0", "0.5")
            case "s":
                return self.one_of("0", "1", "2", "-1", "2.5", *self.paths("number"))
            case "m":
                return self.one_of(*self.paths("many"))
            case "q":
                return self.subselect("number", aggregate=True)
        return self.condition()

    def condition(self) -> str:
        """Any condition."""
        if self.depth <= 0:
            return self.comparison()
        inside = self.deeper()
        how = self.draw(st.integers(0, 15))
        kind = inside.one_of("number", "text", "text")
        many, one = inside.paths("many"), inside.paths("one")

        def a() -> str:
            return inside.value(kind)

        no = self.one_of("", "NOT ")
        match how:
            case 0 | 1:
                return f"({inside.condition()} AND {inside.condition()})"
            case 2 | 3:
                return f"({inside.condition()} OR {inside.condition()})"
            case 4:
                return f"NOT ({inside.condition()})"
            case 5:
                return f"{a()} {no}BETWEEN {a()} AND {a()}"
            case 6:
                return f"{inside.value('text')} {no}LIKE {self.one_of(*PATTERNS)}"
            case 7:
                return f"{inside.value('text')} {no}LIKE {inside.value('text')}"
            case 8:
                operand = a()
                null = self.one_of("", "", ", NULL") if "v" in operand else ""
                return f"{operand} {no}IN ({a()}, {a()}{null})"
            case 9:
                return f"{a()} {no}IN ({inside.subselect(kind)})"
            case 10:
                return f"{self.one_of(*one, a())} IS {no}NULL"
            case 11 if many:
                return f"{self.one_of(*many)} IS {no}EMPTY"
            case 12:
                return f"{no}EXISTS ({inside.subselect(kind)})"
            case 13:
                sign, what = self.one_of(*SIGNS), self.one_of("ALL", "ANY", "SOME")
                return f"{no}{a()} {sign} {what} ({inside.subselect(kind)})"
            case 14:
                other = self.one_of(*one, *self.variables)
                return f"{other} {no}IN ({inside.entities_like(other)})"
        return self.comparison()

    def kind_of(self, path: str) -> str:
        """The entity that a path leads to; nothing if queries do not start there."""
        variable, *steps = path.split(".")
        entity = self.variables[variable]
        return entity if not steps else TARGETS[steps[-1]]

    def entities_like(self, path: str) -> str:
        """A SELECT of entities."""
        inside = self.deeper()
        entity = self.kind_of(path) or "Sample"
        name = inside.name(entity)
        return f"SELECT {name} FROM {entity} {name} WHERE {inside.condition()}"

    def comparison(self) -> str:
        """Two values that are compared."""
        kinds = ["number", "text", "moment", "truth", "choice"]
        kind = self.draw(st.sampled_from([one for one in kinds if self.paths(one)] or ["number"]))
        sign = self.one_of(*SIGNS[: 2 if kind == "truth" else None])
        left, right = self.value(kind), self.value(kind)
        is_path = left[0] == "v"
        if is_path and self.draw(st.integers(0, 4)) == 0:
            right = self.one_of(*LENIENT[kind])
        if is_path and sign in ("=", "<>") and self.draw(st.integers(0, 9)) == 0:
            right = "NULL"
        if kind == "choice" and right == "NULL" and sign not in ("=", "<>"):
            sign = "="
        return f"{left} {sign} {right}"

    def aggregate(self, kind: str = "number") -> str:
        """An aggregate, of which SUM and AVG only of numbers."""
        distinct = self.one_of("", "", "DISTINCT ")
        names = ["MIN", "MAX", "SUM", "AVG"] if kind == "number" else ["MIN", "MAX"]
        paths = self.paths(kind)
        operand = self.one_of(*paths) if paths else self.value(kind)
        if kind == "number" and self.draw(st.integers(0, 2)) == 0:
            counted = [*self.variables, *self.paths("text"), *self.paths("one"), operand]
            return f"COUNT({distinct}{self.one_of(*counted)})"
        return f"{self.one_of(*names)}({distinct}{operand})"

    def sources(self, *, correlated: bool = False) -> tuple[str, str]:
        """FROM with its variables, and the first of these."""
        outer = dict(self.variables)
        relations = [f"{v}.{name}" for v, e in outer.items() for name in RELATIONS[e]]
        relations = [one for one in relations if self.kind_of(one)]
        if correlated and relations and self.draw(st.booleans()):
            path = self.one_of(*relations)
            first = self.name(self.kind_of(path))
            text = f"{path} {first}"
        else:
            entity = self.one_of(*PATHS, "Dataset", "Dataset")
            first = self.name(entity)
            text = f"{entity} {first}"
        for _ in range(self.draw(st.integers(0, 2))):
            text += self.join(outer)
        return text, first

    def join(self, outer: dict[str, str]) -> str:
        """One more in FROM."""
        own = [one for one in self.variables if one not in outer]
        relations = [f"{one}.{name}" for one in own for name in RELATIONS[self.variables[one]]]
        path = self.one_of(*(one for one in relations if self.kind_of(one)))
        word = self.one_of(" JOIN ", " LEFT JOIN ", " LEFT OUTER JOIN ", ", ", " INNER JOIN ")
        return f"{word}{path} {self.name(self.kind_of(path))}"

    def subselect(self, kind: str, *, aggregate: bool = False) -> str:
        """A SELECT of one value of a kind."""
        inside = self.deeper()
        outer = dict(inside.variables)
        text, first = inside.sources(correlated=True)
        where = f" WHERE {inside.condition()}" if self.draw(st.booleans()) else ""
        own = {one: e for one, e in inside.variables.items() if one not in outer}
        mine = Queries(self.draw, own, 0, self.used)
        if aggregate or self.draw(st.integers(0, 3)) == 0:
            return f"SELECT {mine.aggregate(kind)} FROM {text}{where}"
        item = inside.value(kind)
        if self.draw(st.integers(0, 3)) == 0:
            group = self.one_of(*mine.paths(kind) or [f"{first}.id"])
            if mine.paths(kind):
                having = f"HAVING COUNT({first}) > {self.one_of('0', '1')}"
                return f"SELECT {group} FROM {text}{where} GROUP BY {group} {having}"
        distinct = self.one_of("", "", "DISTINCT ")
        return f"SELECT {distinct}{item} FROM {text}{where}"

    def query(self) -> str:
        """A whole query."""
        text, first = self.sources()
        where = f" WHERE {self.condition()}" if self.draw(st.integers(0, 5)) else ""
        how = self.draw(st.integers(0, 5))
        limit = self.one_of("", "", " LIMIT 0, 2", " LIMIT 1, 3", " LIMIT 2, *")
        if how == 0:
            items = ", ".join(self.aggregated() for _ in range(self.draw(st.integers(1, 3))))
            having = self.one_of("", "", f" HAVING COUNT({first}) > 2")
            return f"SELECT {items} FROM {text}{where}{having}{limit}"
        if how == 1:
            return self.grouped(text + where, first) + limit
        if how == 2:
            return self.distinct(text + where, first) + limit
        if how == 3:
            return f"SELECT {first} FROM {text}{where}{self.order()}{self.include(first)}{limit}"
        items = ", ".join(self.item() for _ in range(self.draw(st.integers(1, 3))))
        return f"SELECT {items} FROM {text}{where}{self.order()}{limit}"

    def include(self, variable: str) -> str:
        """INCLUDE of what can be reached from a variable, each step by a way of its own."""
        if self.draw(st.integers(0, 4)) == 0:
            return " INCLUDE 1"
        known, steps = {variable: self.variables[variable]}, []
        taken: set[str] = set()
        for number in range(self.draw(st.integers(1, 3))):
            ways = [f"{one}.{name}" for one, e in known.items() for name in RELATIONS.get(e, ())]
            path = self.one_of(*ways)
            target = TARGETS[path.rpartition(".")[2]]
            if path in taken or (target and any(one.startswith(path) for one in taken)):
                continue
            further = [f"{path}.{name}" for name in RELATIONS.get(target, ())]
            if further and self.draw(st.integers(0, 2)) == 0:
                taken |= {path, longer := self.one_of(*further)}
                steps.append(longer)
                continue
            taken.add(path)
            alias = f"i{number}"
            steps.append(f"{path}{self.one_of(' ', ' AS ')}{alias}")
            known[alias] = target
        return f" INCLUDE {', '.join(steps)}"

    def aggregated(self) -> str:
        """An item with an aggregate in it."""
        kinds = [one for one in ("number", "text", "moment", "choice") if self.paths(one)]
        kind = self.one_of(*kinds)
        found = self.aggregate(kind)
        return self.one_of(found, f"{found} + 1") if kind == "number" else found

    def item(self) -> str:
        """Something to select."""
        simple = Queries(self.draw, self.variables, 0, self.used)
        kinds = ("number", "text", "moment", "truth", "choice", "one", "many")
        paths = [path for kind in kinds for path in self.paths(kind)]
        computed = f"ABS({simple.value('number')}) * 2", f"UPPER({simple.value('text')})"
        return self.one_of(*paths, *list(self.variables) * 6, *computed * 3)

    def order(self) -> str:
        """ORDER BY, or nothing."""
        keys = [
            self.value(self.one_of("number", "text")) for _ in range(self.draw(st.integers(0, 2)))
        ]
        kinds = ("moment", "truth", "choice", "one")
        keys += [
            self.one_of(*self.paths(k))
            for k in kinds
            if self.paths(k) and self.draw(st.integers(0, 5)) == 0
        ]
        return self.ordered([one for one in keys if "v" in one])

    def ordered(self, keys: list[str]) -> str:
        """ORDER BY these."""
        words = [f"{one}{self.one_of('', ' ASC', ' DESC')}" for one in keys]
        return " ORDER BY " + ", ".join(words) if words else ""

    def distinct(self, rest: str, first: str) -> str:
        """SELECT DISTINCT, sorted by what it selects."""
        if self.draw(st.booleans()):
            entity = self.variables[first]
            own = [f"{first}.{path}" for path in PATHS[entity]["text"] + PATHS[entity]["number"]]
            keys = self.draw(st.lists(st.sampled_from(own), max_size=2, unique=True))
            return f"SELECT DISTINCT {first} FROM {rest}{self.ordered(keys)}"
        paths = [one for kind in ("number", "text", "moment", "truth") for one in self.paths(kind)]
        items = self.draw(st.lists(st.sampled_from(paths), min_size=1, max_size=2, unique=True))
        keys = items[: self.draw(st.integers(0, 2))]
        return f"SELECT DISTINCT {', '.join(items)} FROM {rest}{self.ordered(keys)}"

    def grouped(self, rest: str, first: str) -> str:
        """A query with GROUP BY."""
        kinds = ("number", "text", "moment", "truth", "choice", "one")
        paths = [first, *(one for kind in kinds for one in self.paths(kind))]
        groups = self.draw(st.lists(st.sampled_from(paths), min_size=1, max_size=2, unique=True))
        items = [*groups[: self.draw(st.integers(0, 2))], self.aggregated()]
        having = self.one_of("", "", f" HAVING COUNT({first}) > 1", " HAVING {} > 1")
        order = self.ordered([self.aggregated()] if self.draw(st.booleans()) else [])
        found = f"SELECT {', '.join(items)} FROM {rest} GROUP BY {', '.join(groups)}"
        return found + having.replace("{}", self.aggregate()) + order


@st.composite
def queries(draw: st.DrawFn) -> str:
    """The text of a query."""
    return Queries(draw).query()
