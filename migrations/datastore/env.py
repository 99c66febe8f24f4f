"""Alembic's environment of the data service: its model, on the engine that is handed in."""

from __future__ import annotations

from alembic import context
from sqlalchemy import text

from datastore.tiers.model import Base
from servicekit import database

with database.writing(context.config.attributes["engine"]).connect() as connection:
    context.configure(
        connection=connection, target_metadata=Base.metadata, compare_server_default=True
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            # a second upgrade waits here, and then finds nothing left to do
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('ijp datastore'))"))
        context.run_migrations()
