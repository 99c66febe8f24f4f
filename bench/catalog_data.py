"""A catalog with many datasets, made by the database itself in seconds."""

from __future__ import annotations

from sqlalchemy import Engine, text

STAMPS = "'bench', now(), 'bench', now()"
STAMP_COLUMNS = "create_id, create_time, mod_id, mod_time"
NUMERIC = tuple(f"quantity{number}" for number in range(1, 8))
INVESTIGATIONS = 1_000
USERS = 200
PER_USER = 25


def fill(engine: Engine, datasets: int) -> None:
    """Make investigations, users who may each read 25 of them, and datasets with 9 parameters.

    A dataset has seven numeric parameters (uniform in 0…1000), one string and one date. PostgreSQL
    only: the rows come from ``generate_series``.
    """
    statements = [
        f"INSERT INTO facility (id, name, {STAMP_COLUMNS}) VALUES (1000, 'BENCH', {STAMPS})",
        f"INSERT INTO investigation_type (id, name, facility_id, {STAMP_COLUMNS}) "
        f"VALUES (1000, 'bench', 1000, {STAMPS})",
        f"INSERT INTO dataset_type (id, name, facility_id, {STAMP_COLUMNS}) "
        f"SELECT 1000 + n, 'kind' || n, 1000, {STAMPS} FROM generate_series(1, 5) n",
        _parameter_types(),
        f"INSERT INTO investigation (id, name, visit_id, title, facility_id, type_id, "
        f"file_count, file_size, {STAMP_COLUMNS}) SELECT 100000 + n, 'B' || n, '1', "
        f"'Bench ' || n, 1000, 1000, 0, 0, {STAMPS} "
        f"FROM generate_series(1, {INVESTIGATIONS}) n",
        f"INSERT INTO user_ (id, name, {STAMP_COLUMNS}) SELECT 100000 + n, 'simple/bench' || n, "
        f"{STAMPS} FROM generate_series(1, {USERS}) n",
        f"INSERT INTO investigation_user (user_id, investigation_id, role, {STAMP_COLUMNS}) "
        f"SELECT 100000 + u, 100000 + 1 + (u * 37 + k * 41) % {INVESTIGATIONS}, 'member', "
        f"{STAMPS} FROM generate_series(1, {USERS}) u, generate_series(1, {PER_USER}) k "
        "ON CONFLICT DO NOTHING",
        f"INSERT INTO dataset (id, name, complete, investigation_id, type_id, file_count, "
        f"file_size, create_id, create_time, mod_id, mod_time) SELECT 1000000 + n, 'set ' || n, "
        f"true, 100000 + 1 + n % {INVESTIGATIONS}, 1001 + n % 5, 0, 0, 'bench', "
        f"now() - n * interval '1 minute', 'bench', now() FROM generate_series(1, {datasets}) n",
        *(_values(number, datasets) for number in range(1, 10)),
    ]
    with engine.begin() as connection:
        connection.execute(text("SELECT setseed(0.5)"))
        for statement in statements:
            connection.execute(text(statement))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def _parameter_types() -> str:
    kinds = [
        *((name, "NUMERIC") for name in NUMERIC),
        ("label", "STRING"),
        ("when", "DATE_AND_TIME"),
    ]
    rows = ", ".join(
        f"({1000 + number}, '{name}', '', '{kind}', 1000, true, false, false, false, false, false, "
        f"false, {STAMPS})"
        for number, (name, kind) in enumerate(kinds, 1)
    )
    return (
        "INSERT INTO parameter_type (id, name, units, value_type, facility_id, "
        "applicable_to_dataset, applicable_to_data_collection, applicable_to_datafile, "
        "applicable_to_investigation, applicable_to_sample, enforced, verified, "
        f"{STAMP_COLUMNS}) VALUES {rows}"
    )


def _values(number: int, datasets: int) -> str:
    column, value = {
        8: ("string_value", "'label ' || (n % 50)"),
        9: ("date_time_value", "now() - n * interval '1 hour'"),
    }.get(number, ("numeric_value", "random() * 1000"))
    return (
        f"INSERT INTO dataset_parameter (dataset_id, type_id, {column}, {STAMP_COLUMNS}) "
        f"SELECT 1000000 + n, {1000 + number}, {value}, {STAMPS} "
        f"FROM generate_series(1, {datasets}) n"
    )
