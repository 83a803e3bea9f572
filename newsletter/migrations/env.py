"""Alembic's entry: runs the history on the connection that `Database.upgrade` passes in."""

from alembic import context
from sqlmodel import SQLModel

import newsletter.models  # noqa: F401 - its tables belong to the metadata
import subscribers.models  # noqa: F401

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=SQLModel.metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
