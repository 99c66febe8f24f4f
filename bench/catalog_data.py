"""A catalog with many datasets, made by the database itself in seconds."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import Engine, text

MADE = "timestamptz '2026-01-01 00:00:00+00'"
STAMPS = f"'bench', {MADE}, 'bench', {MADE}"
STAMP_COLUMNS = "create_id, create_time, mod_id, mod_time"
NUMERIC = tuple(f"quantity{number}" for number in range(1, 8))
VALUES = len(NUMERIC) + 2
FILE_BYTES = 1_000_000
FIRST_INVESTIGATION = 100_001
FIRST_DATASET = 1_000_001
FIRST_TYPE = 1_001
_CHUNKS = 8
_LARGE = ("dataset", "dataset_parameter", "datafile")


@dataclass(frozen=True)
class Sizes:
    """How much of everything there is.

    Attributes:
        per_user: How many investigations each user may read.
        datafiles: Of each dataset.
    """

    investigations: int
    datasets: int
    users: int
    per_user: int = 25
    datafiles: int = 0


PORTAL = Sizes(investigations=1_000, datasets=100_000, users=200)
BIG = Sizes(investigations=10_000, datasets=1_000_000, users=2_000, datafiles=3)


def fill(engine: Engine, sizes: Sizes) -> None:
    """Make investigations, users, and datasets of five types with 9 parameters each.

    A dataset has seven numeric parameters (uniform in 0…1000), one string and one date; the first
    is the newest. The datasets of an investigation are spread over the whole table. The same sizes
    give the same rows. PostgreSQL only, and only for a database of one's own: keys are not checked
    meanwhile, and indexes that are not unique are made when the rows are there.
    """
    with engine.begin() as connection:
        for statement in _few(sizes):
            connection.execute(text(statement))
    indexes = _take_indexes(engine)
    chunks = [
        insert(first, last, sizes)
        for first, last in _ranges(sizes.datasets)
        for insert in (_datasets, _parameters, _datafiles)
    ]
    _all(engine, chunks, _insert)
    _all(engine, indexes, _run)
    _all(engine, [f"SELECT {_next_id(name)}" for name in (*_LARGE, *_FEW_TABLES)], _run)
    _all(engine, [f"VACUUM (ANALYZE) {name}" for name in _LARGE], _outside)
    _outside(engine, "VACUUM (ANALYZE)")


_FEW_TABLES = (
    "facility",
    "investigation_type",
    "dataset_type",
    "parameter_type",
    "investigation",
    "user_",
)


def _few(sizes: Sizes) -> list[str]:
    """What there is less of."""
    several, users = sizes.investigations, sizes.users
    own = f"(({sizes.datasets} + {several} - (n - 1)) / {several} - (n = 1)::int)"
    return [
        f"INSERT INTO facility (id, name, {STAMP_COLUMNS}) VALUES (1000, 'BENCH', {STAMPS})",
        f"INSERT INTO investigation_type (id, name, facility_id, {STAMP_COLUMNS}) "
        f"VALUES (1000, 'bench', 1000, {STAMPS})",
        f"INSERT INTO dataset_type (id, name, facility_id, {STAMP_COLUMNS}) "
        f"SELECT 1000 + n, 'kind' || n, 1000, {STAMPS} FROM generate_series(1, 5) n",
        _parameter_types(),
        f"INSERT INTO investigation (id, name, visit_id, title, facility_id, type_id, "
        f"file_count, file_size, {STAMP_COLUMNS}) SELECT {FIRST_INVESTIGATION - 1} + n, "
        f"'B' || n, '1', 'Bench ' || n, 1000, 1000, {own} * {sizes.datafiles}, "
        f"{own} * {sizes.datafiles} * {FILE_BYTES}, {STAMPS} FROM generate_series(1, {several}) n",
        f"INSERT INTO user_ (id, name, {STAMP_COLUMNS}) SELECT 100000 + n, 'simple/bench' || n, "
        f"{STAMPS} FROM generate_series(1, {users}) n",
        f"INSERT INTO investigation_user (user_id, investigation_id, role, {STAMP_COLUMNS}) "
        f"SELECT 100000 + u, {FIRST_INVESTIGATION} + (u * 37 + k * 41) % {several}, 'member', "
        f"{STAMPS} FROM generate_series(1, {users}) u, generate_series(1, {sizes.per_user}) k "
        "ON CONFLICT DO NOTHING",
    ]


def _parameter_types() -> str:
    kinds = [
        *((name, "NUMERIC") for name in NUMERIC),
        ("label", "STRING"),
        ("when", "DATE_AND_TIME"),
    ]
    rows = ", ".join(
        f"({FIRST_TYPE + number}, '{name}', '', '{kind}', 1000, true, false, false, false, false, "
        f"false, false, {STAMPS})"
        for number, (name, kind) in enumerate(kinds)
    )
    return (
        "INSERT INTO parameter_type (id, name, units, value_type, facility_id, "
        "applicable_to_dataset, applicable_to_data_collection, applicable_to_datafile, "
        "applicable_to_investigation, applicable_to_sample, enforced, verified, "
        f"{STAMP_COLUMNS}) VALUES {rows}"
    )


def _ranges(datasets: int) -> list[tuple[int, int]]:
    """The first and last number of each part; not one per core, for the seed depends on it."""
    bounds = [datasets * part // _CHUNKS for part in range(_CHUNKS + 1)]
    return [(low + 1, high) for low, high in pairwise(bounds) if high > low]


def _datasets(first: int, last: int, sizes: Sizes) -> str:
    several, size = sizes.investigations, sizes.datafiles * FILE_BYTES
    return (
        "INSERT INTO dataset (id, name, complete, investigation_id, type_id, file_count, "
        f"file_size, {STAMP_COLUMNS}) SELECT {FIRST_DATASET - 1} + n, 'set ' || n, true, "
        f"{FIRST_INVESTIGATION} + n % {several}, 1001 + (n + n / {several}) % 5, "
        f"{sizes.datafiles}, {size}, 'bench', {MADE} - n * interval '1 minute', 'bench', {MADE} "
        f"FROM generate_series({first}, {last}) n"
    )


def _parameters(first: int, last: int, sizes: Sizes) -> str:
    return (
        "INSERT INTO dataset_parameter (id, dataset_id, type_id, numeric_value, string_value, "
        f"date_time_value, {STAMP_COLUMNS}) SELECT 1000000 + m, "
        f"{FIRST_DATASET - 1} + m / {VALUES}, {FIRST_TYPE} + m % {VALUES}, "
        f"CASE WHEN m % {VALUES} < {len(NUMERIC)} THEN random() * 1000 END, "
        f"CASE WHEN m % {VALUES} = {len(NUMERIC)} THEN 'label ' || m / {VALUES} % 50 END, "
        f"CASE WHEN m % {VALUES} = {len(NUMERIC) + 1} "
        f"THEN {MADE} - m / {VALUES} * interval '1 hour' END, "
        f"{STAMPS} FROM generate_series({VALUES * first}, {VALUES * (last + 1) - 1}) m"
    )


def _datafiles(first: int, last: int, sizes: Sizes) -> str:
    return (
        f"INSERT INTO datafile (id, name, location, file_size, dataset_id, {STAMP_COLUMNS}) "
        f"SELECT 1000000 + n * {sizes.datafiles} + k, 'file' || k || '.dat', "
        f"'bench/' || n || '/file' || k || '.dat', {FILE_BYTES}, {FIRST_DATASET - 1} + n, {STAMPS} "
        f"FROM generate_series({first}, {last}) n, LATERAL generate_series(1, {sizes.datafiles}) k"
    )


def _take_indexes(engine: Engine) -> list[str]:
    """Drop the indexes of the large tables that are not unique; gives how to make them again."""
    find = text(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index "
        "WHERE NOT indisunique AND indrelid = ANY(CAST(:tables AS regclass[]))"
    )
    with engine.begin() as connection:
        found = connection.execute(find, {"tables": list(_LARGE)}).all()
        for name, _ in found:
            connection.execute(text(f"DROP INDEX {name}"))
    return [definition for _, definition in found]


def _next_id(table: str) -> str:
    """Let new rows have ids beyond those that are there."""
    return (
        f"setval(pg_get_serial_sequence('{table}', 'id'), "
        f"(SELECT greatest(max(id), 1) FROM {table}))"
    )


def _all(engine: Engine, statements: Iterable[str], run: Callable[[Engine, str], None]) -> None:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(lambda one: run(engine, one), statements):
            pass


def _run(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL maintenance_work_mem = '1GB'"))
        connection.execute(text(statement))


def _insert(engine: Engine, statement: str) -> None:
    seed = zlib.crc32(statement.encode()) / 2**32
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(f"SELECT setseed({seed})"))
        connection.execute(text(statement))


def _outside(engine: Engine, statement: str) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(statement))
