"""Whom a segment means, kept while what it asks for is changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import BigInteger, Column, MetaData, Table
from sqlalchemy import select as select_columns
from sqlmodel import Session

from subscribers.segments.sql import Readers

_TABLE = Table("meant", MetaData(), Column("reader_id", BigInteger, primary_key=True), prefixes=["TEMPORARY"])


@contextmanager
def frozen(session: Session, readers: Readers) -> Iterator[Readers]:
    """Yield a query for the readers that a query finds now, whatever is changed meanwhile; one at a time in a session.

    Their ids are in a temporary table of the session's connection, which is gone afterwards, after a rollback too.
    """
    connection = session.connection()
    _TABLE.create(connection)
    connection.execute(_TABLE.insert().from_select(["reader_id"], readers))
    yield select_columns(_TABLE.c.reader_id)
    _TABLE.drop(session.connection(), checkfirst=True)
