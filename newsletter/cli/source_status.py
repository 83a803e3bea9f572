"""`newsletter source status`: how the sources do."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.base import JsonOption, open_app, say, say_json, table

if TYPE_CHECKING:
    from newsletter.gather import Patience
    from newsletter.models import Source

#: Sources that are named in a sentence.
_NAMED = 8


def register(commands: typer.Typer) -> None:
    """Add this file's command."""
    commands.command()(status)


def status(
    trouble: Annotated[bool, typer.Option("--trouble", help="Only sources that need a look.")] = False,
    json: JsonOption = False,
) -> None:
    """Print for each source its last success, its last new story, its failures and when it is tried again.

    Example: newsletter source status --trouble
    """
    from sqlmodel import select

    from newsletter.models import Source

    app = open_app()
    with app.db.reading() as session:
        sources = session.exec(select(Source).order_by(Source.slug)).all()
    rows = [_row(source, app.patience, app.clock()) for source in sources]
    shown = [row for row in rows if row["trouble"] or row["notice"] or not trouble]
    if json:
        say_json(shown)
    elif not rows:
        say("There are no sources yet. Add one with `newsletter source add`.")
    elif not shown:
        say(_no_trouble(rows, app.patience))
    else:
        table(
            ("Source", "State", "Last success", "Last new story", "Failures", "Next try"),
            (_cells(row) for row in shown),
        )
        for row in shown:
            for sentence in filter(None, (row["trouble"] or row["last_error"], row["notice"])):
                say(f"{row['source']}: {sentence}")


def _no_trouble(rows: list[dict[str, Any]], patience: Patience) -> str:
    """Return the sentence for when no source needs a look; those that failed the last time are named."""
    failed = [row["source"] for row in rows if row["state"] == "failing"]
    if not failed:
        return f"All {len(rows)} sources are well."
    more = f" and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    return (
        f"No source has failed for {_span(patience.failing)} or been silent for {_span(patience.silent)}; "
        f"{len(failed)} failed the last time: {', '.join(failed[:_NAMED])}{more}."
    )


def _span(time: timedelta) -> str:
    """Return a span of patience in words: "3 days", "4 weeks"."""
    number, unit = (time.days // 7, "week") if time.days >= 7 and time.days % 7 == 0 else (time.days, "day")
    return f"{number} {unit}{'' if number == 1 else 's'}"


def _row(source: Source, patience: Patience, now: datetime) -> dict[str, Any]:
    from newsletter.gather import is_resting, trouble

    what = trouble(source, patience, now)
    sentence = what.sentence if what else ""
    return {
        "source": source.slug,
        "state": _state(source, sentence),
        "succeeded_at": source.succeeded_at,
        "new_story_at": source.new_story_at,
        "failures": source.failures,
        "failing_since": source.failing_since,
        "next_try_at": source.next_fetch_at if source.enabled and is_resting(source, now) else None,
        "last_error": source.last_error,
        "trouble": sentence,
        "notice": source.notice,
        "editors_told_at": source.told_at,
    }


def _state(source: Source, sentence: str) -> str:
    if not source.enabled:
        return "disabled"
    if source.fetched_at is None:
        return "not read yet"
    if source.failures:
        return "failing"
    return "silent" if sentence else "well"


def _cells(row: dict[str, Any]) -> tuple[object, ...]:
    times = (row["succeeded_at"], row["new_story_at"])
    failures = f"{row['failures']} since {_time(row['failing_since'])}" if row["failures"] else "none"
    next_try = _time(row["next_try_at"]) if row["next_try_at"] else ""
    return row["source"], row["state"], *(_time(one) for one in times), failures, next_try


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "never"
