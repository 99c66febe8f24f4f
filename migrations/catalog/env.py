"""Alembic's environment of the catalog: its model, on the engine that is handed in."""

from __future__ import annotations

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import text

from catalog.model import Base
from catalog.model.base import UtcDateTime
from servicekit import database


def _render(kind: str, made: object, _: AutogenContext) -> str | Literal[False]:
    """Name our own types as the database does: a migration does not depend on our code."""
    if kind == "type" and isinstance(made, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


with database.writing(context.config.attributes["engine"]).connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_server_default=True,
        render_item=_render,
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            # a second upgrade waits here, and then finds nothing left to do
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('ijp catalog'))"))
        context.run_migrations()
