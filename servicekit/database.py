"""Database engines: SQLite for one host, PostgreSQL for many; dialects differ here only."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DisconnectionError

BUSY_TIMEOUT_SECONDS = 30
RESTED_SECONDS = 1.0


_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "foreign_keys=ON",
    "case_sensitive_like=ON",  # as PostgreSQL is
)


def engine_for(url: str, service: str, **options: Any) -> Engine:
    """An engine on one service's own tables.

    Args:
        url: ``{service}`` in it is replaced. On PostgreSQL the tables are in a schema named like
            the service, which is made if it is not there; on SQLite they are in the file.
        options: For ``create_engine``.
    """
    place = make_url(url.replace("{service}", service))
    if place.get_backend_name() == "sqlite":
        return _sqlite(place.render_as_string(hide_password=False), options)
    # 1.1 and not 4: pages are in memory or on a drive that does not seek.
    session = f"-csearch_path={service} -ctimezone=UTC -crandom_page_cost=1.1"
    connect = {"options": session, "connect_timeout": 10}
    engine = create_engine(place, pool_size=16, max_overflow=32, connect_args=connect, **options)
    _ask_after_rest(engine)
    return engine


def _ask_after_rest(engine: Engine) -> None:
    """Ask a connection that rested whether it is still there, before it is given out.

    The engine's own ``pool_pre_ping`` asks every time, which is a round trip in every request.
    """

    @event.listens_for(engine, "checkin")
    def _rests(_connection: Any, record: Any) -> None:
        record.info["rests_since"] = monotonic()

    @event.listens_for(engine, "checkout")
    def _goes_out(connection: Any, record: Any, _proxy: Any) -> None:
        if monotonic() - record.info.get("rests_since", monotonic()) < RESTED_SECONDS:
            return
        try:
            alive = engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error:
            alive = False
        if not alive:
            # The pool then makes a new one and tries again.
            raise DisconnectionError


def _sqlite(url: str, options: dict[str, Any]) -> Engine:
    if path := make_url(url).database:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    # isolation_level=None: the driver starts no transaction by itself, _begin does
    connect = {"timeout": BUSY_TIMEOUT_SECONDS, "isolation_level": None}
    engine = create_engine(url, connect_args=connect, **options)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
        # SQLite's own know only the letters of ASCII.
        connection.create_function("lower", 1, _lower, deterministic=True)
        connection.create_function("upper", 1, _upper, deterministic=True)

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _lower(text: object) -> str | None:
    return None if text is None else str(text).lower()


def _upper(text: object) -> str | None:
    return None if text is None else str(text).upper()


def writing(engine: Engine) -> Engine:
    """The same engine for transactions that write: SQLite then takes its lock at the start."""
    return engine.execution_options(writes=True)


def alembic_config(engine: Engine, service: str) -> Config:
    """Alembic's configuration for one service's migrations, on an engine that exists."""
    config = Config()
    folder = Path(__file__).resolve().parent.parent / "migrations" / service
    config.set_main_option("script_location", str(folder))
    config.attributes["engine"] = engine
    return config


def upgrade(engine: Engine, service: str) -> None:
    """Bring one service's tables to the newest version; two upgrades at once wait."""
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            # two at once can both find no schema, IF NOT EXISTS or not
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('ijp schema'))"))
            connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{service}"'))
    command.upgrade(alembic_config(engine, service), "head")
