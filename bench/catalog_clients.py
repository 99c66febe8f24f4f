"""Twenty clients of python-icat at once, who read and write.

Each is a process of its own, as scripts are: ``python -m bench.catalog_clients URL USER SECONDS``,
which prints how long each call took.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import icat

from bench.big_catalog import USERS
from bench.measure import Result
from bench.site import PASSWORD, Site

SECONDS = 60
_TEXT = (
    "SELECT ds FROM Dataset ds JOIN ds.parameters p WHERE p.type.name = 'quantity{}' "
    "AND p.numericValue BETWEEN {} AND {} {}LIMIT 0, 50"
)


def measure(site: Site) -> list[Result]:
    """All of them for a minute."""
    command = [sys.executable, "-m", "bench.catalog_clients", f"{site.url}/ICATService/ICAT?wsdl"]
    running = [
        subprocess.Popen([*command, user, str(SECONDS)], stdout=subprocess.PIPE, text=True)
        for user in USERS
    ]
    answers = [json.loads(one.communicate()[0] or "{}") for one in running]
    seconds = sorted(one for answer in answers for one in answer.get("seconds", []))
    errors = [error for answer in answers for error in answer.get("errors", ["it did not end"])]
    if not seconds:
        raise RuntimeError(f"no call succeeded: {errors[:3]}")
    for error in errors[:5]:
        print(f"an error of a client: {error}", file=sys.stderr)
    p95 = statistics.quantiles(seconds, n=20)[-1]
    return [
        Result(
            f"{len(USERS)} clients of python-icat for {SECONDS} s, mixed",
            f"{len(seconds):,} calls, median {1000 * statistics.median(seconds):.0f} ms, "
            f"p95 {1000 * p95:.0f} ms, {len(errors)} errors",
            "none",
            "no error",
            not errors,
        )
    ]


@dataclass
class Work:
    """What one client does: mostly searches, and datasets of its own."""

    client: icat.Client
    chance: random.Random
    user: str
    made: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.investigations = self._search(
            "SELECT i FROM Investigation i JOIN i.investigationUsers u "
            f"WHERE u.user.name = 'simple/{self.user}' LIMIT 0, 5"
        )
        (self.type,) = self._search("DatasetType [name='kind1']")
        (self.quantity,) = self._search("ParameterType [name='quantity1']")

    def next(self) -> Callable[[], object]:
        """One thing to do."""
        reads = [self.find, self.find_with_parameters, self.count, self.get]
        writes = [self.create, self.update, self.delete]
        return self.chance.choice(reads if self.chance.random() < 0.7 else writes)

    def find(self) -> object:
        return self._search(self._range(20))

    def find_with_parameters(self) -> object:
        return self._search(self._range(10, "INCLUDE ds.parameters "))

    def count(self) -> object:
        return self._search("SELECT COUNT(ds) FROM Dataset ds WHERE ds.type.name = 'kind2'")

    def get(self) -> object:
        return self.client.get("Investigation", self.chance.choice(self.investigations).id)

    def create(self) -> object:
        value = self.client.new(
            "DatasetParameter", type=self.quantity, numericValue=self.chance.uniform(0, 1000)
        )
        dataset = self.client.new(
            "Dataset",
            name=f"{self.user} {self.chance.getrandbits(64)}",
            complete=True,
            type=self.type,
            investigation=self.chance.choice(self.investigations),
            parameters=[value],
        )
        dataset.create()
        self.made.append(dataset)
        return dataset

    def update(self) -> object:
        if not self.made:
            return self.create()
        dataset = self.chance.choice(self.made)
        dataset.description = f"seen {self.chance.random()}"
        return dataset.update()

    def delete(self) -> object:
        return self.client.delete(self.made.pop()) if self.made else self.create()

    def _range(self, width: int, more: str = "") -> str:
        low = self.chance.uniform(0, 1000 - width)
        return _TEXT.format(self.chance.randint(1, 7), low, low + width, more)

    def _search(self, query: str) -> list[Any]:
        found: list[Any] = self.client.search(query)
        return found


def main(url: str, user: str, seconds: str) -> None:
    """Work as one client; the datasets that it made are deleted again."""
    client = icat.Client(url)
    client.login("simple", {"username": user, "password": PASSWORD})
    work = Work(client, random.Random(user), user)
    taken: list[float] = []
    errors: list[str] = []
    until = time.monotonic() + float(seconds)
    while time.monotonic() < until:
        do = work.next()
        began = time.perf_counter()
        try:
            do()
        except Exception as error:
            errors.append(f"{do.__name__}: {error}")
        else:
            taken.append(time.perf_counter() - began)
    client.deleteMany(work.made)
    client.logout()
    print(json.dumps({"seconds": taken, "errors": errors}))


if __name__ == "__main__":
    main(*sys.argv[1:])
