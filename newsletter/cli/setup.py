"""`newsletter init`, `check` and `db`: an installation and whether it is in order."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.base import (
    FAILED,
    IN_PART,
    JsonOption,
    group,
    open_app,
    options,
    say,
    say_json,
    stop,
    warn,
)

database = group("db", "The database's schema.")

_FILE = """\
# The machine's side of the newsletter. Regions, sources, editions and lists are in the database:
# see `newsletter apply --help` and `newsletter export --help`. All settings: docs/operate.md.

database = "sqlite:///newsletter.db"        # or postgresql://user@host/name
base_url = "{base_url}"    # what readers open; links in mails start with it
secrets = ["{secret}"]   # signs readers' links: keep it, and keep it to yourself

[provider]
use = "maildir"          # writes mail into ./outbox, so that you can look before anybody gets some
# use = "smtp"
# host = "smtp.example.org"
# username = "newsletter"
# password = "..."       # or NEWSLETTER_PROVIDER__PASSWORD in the environment
# use = "sendgrid"
# api_key = "..."        # or NEWSLETTER_PROVIDER__API_KEY in the environment
"""


def register(commands: typer.Typer) -> None:
    """Add this file's top-level commands."""
    commands.command()(init)
    commands.command()(check)


def init(
    folder: Annotated[Path, typer.Argument(help="Where the settings and the database go.")] = Path(),
    base_url: Annotated[str, typer.Option(help="The address readers will open.")] = "http://127.0.0.1:8000",
) -> None:
    """Make a settings file with a secret, and the database.

    Example: newsletter init /srv/newsletter --base-url https://news.example.org
    """
    from newsletter.app import make_app
    from newsletter.settings import DEFAULT_FILE, load

    file = options.config or folder / DEFAULT_FILE
    if file.exists():
        warn(f"{file} exists already and is left as it is.")
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(_FILE.format(base_url=base_url, secret=secrets.token_urlsafe(32)), encoding="utf-8")
        say(f"Wrote {file}.")
    try:
        settings = load(file)
    except Exception:
        warn(f"{file} has to be put right before the database can be made:")
        raise
    app = make_app(settings, check_schema=False)
    app.db.upgrade()
    say(f"The database {app.db} is ready.")
    say("Next: write your newsroom file and `newsletter apply newsroom.toml`, or begin with `newsletter region add`.")


def check(json: JsonOption = False) -> None:
    """Look whether everything is in place: settings, database, editions, sources, provider.

    Exits with 3 when something needs attention. Example: newsletter check
    """
    from newsletter.cli.inspection import inspect

    findings = inspect(open_app(check_schema=False))
    if json:
        say_json([{"part": one.part, "ok": one.ok, "message": one.message} for one in findings])
    else:
        for one in findings:
            say(f"{'ok  ' if one.ok else 'MEND'}  {one.part}: {one.message}")
    if not all(one.ok for one in findings):
        stop(IN_PART)


@database.command()
def upgrade() -> None:
    """Bring the schema to this version's, creating the tables where there are none. Make a backup first.

    Example: newsletter db upgrade
    """
    app = open_app(check_schema=False)
    before = app.db.revision()
    app.db.upgrade()
    after = app.db.revision()
    say(
        f"{app.db}: schema {after}, nothing to do."
        if before == after
        else f"{app.db}: schema {before or 'none'} -> {after}."
    )


@database.command()
def status(json: JsonOption = False) -> None:
    """Print which schema the database has and which this version wants. Exits with 1 when they differ.

    Example: newsletter db status
    """
    from newsletter.db import latest_revision

    app = open_app(check_schema=False)
    found, wanted = app.db.revision(), latest_revision()
    if json:
        say_json({"database": str(app.db), "found": found, "wanted": wanted})
    else:
        say(f"{app.db}: schema {found or 'none'}, this version wants {wanted}.")
    if found != wanted:
        if not json:
            say("Run `newsletter db upgrade`.")
        stop(FAILED)
