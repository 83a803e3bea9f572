"""Everything that a worker uses, imported before it is forked."""

from __future__ import annotations

from importlib import import_module

from sqlalchemy.orm import configure_mappers

for _name in (
    *("babel.numbers", "encodings.unicode_escape", "encodings.utf_8_sig", "psycopg", "pycountry", "sqlite3"),
    *("sqlalchemy.dialects.postgresql.psycopg", "sqlalchemy.dialects.sqlite.pysqlite"),
    *("newsletter.feedback", "newsletter.providers.maildir", "newsletter.providers.sendgrid"),
    *("newsletter.providers.smtp", "tests.faults.points", "tests.faults.stops", "tests.faults.outages"),
):
    import_module(_name)

configure_mappers()
