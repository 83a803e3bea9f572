"""`make demo`: the main job once, from feeds to inboxes, with the commands that a newsroom types.

Everything it makes lies under var/demo/, or the folder given: the database, the settings, the maildir in outbox/, the
previews in preview/. `make serve` shows the readers' pages and the sample outlets afterwards.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

import tomlkit

from demo.feeds import PORT as FEEDS_PORT
from demo.feeds import FeedServer
from demo.newsroom import FILE, load

ROOT = Path(__file__).parent.parent
FOLDER = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "var" / "demo"
PAGES_PORT = 8480
BASE_URL = f"http://127.0.0.1:{PAGES_PORT}"
EDITIONS = ("fenland-weekly", "baltic-weekly")
LISTS = {"fenland": "fenland.csv", "baltic": "baltic.csv"}
_IN_PART = 3
#: The sample outlets are on this machine; without this, sources are read from the public Internet only.
_FETCH = '\n[fetch]\nprivate_networks = ["127.0.0.0/8"]\n'


def main() -> None:
    """Run the demo and print what happened."""
    started = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    now = datetime.now(UTC)
    with _feeds(now) as feeds:
        state = {"now": now.isoformat(), "port": feeds.port}
        (FOLDER / "feeds.json").write_text(json.dumps(state), encoding="utf-8")
        _set_up(feeds, now)
        gathered = _gather(feeds, now)
        drafts = {edition: _make_issue(edition) for edition in EDITIONS}
        _readers()
        sent = {edition: _send(edition) for edition in EDITIONS}
        _heading("A second run sends nothing")
        for edition in EDITIONS:
            _newsletter("issue", "send", edition)
    _summary(gathered, drafts, sent, time.monotonic() - started)


def _set_up(feeds: FeedServer, now: datetime) -> None:
    _heading("A newsroom: two editions, seven sources, six regions")
    _newsletter("init", ".", "--base-url", BASE_URL)
    with (FOLDER / "newsletter.toml").open("a", encoding="utf-8") as settings:
        settings.write(_FETCH)
    text = (ROOT / "demo" / "newsroom.toml").read_text(encoding="utf-8")
    text = text.replace(f"http://127.0.0.1:{FEEDS_PORT}", feeds.url)
    (FOLDER / "newsroom.toml").write_text(_due_soon(text, now), encoding="utf-8")
    _newsletter("apply", "newsroom.toml")


def _due_soon(text: str, now: datetime) -> str:
    """Return the newsroom file with send times an hour from now, so that the mails bear today's date."""
    document = tomlkit.parse(text)
    for edition in document["editions"]:
        at = now.astimezone(ZoneInfo(edition["time_zone"])) + timedelta(hours=1)
        if at.hour == 2:
            at = at.replace(hour=3)  # the hour of clock changes is refused
        edition["send_weekday"], edition["send_time"] = f"{at:%A}".lower(), f"{at:%H:%M}"
    return tomlkit.dumps(document)


def _gather(feeds: FeedServer, now: datetime) -> dict[str, int]:
    _heading("Sources to stories")
    feeds.shown_at = now - timedelta(hours=20)
    print("Yesterday:")
    first = _newsletter("gather", "--json", quiet=True, may=_IN_PART)
    _print_reports(first)
    feeds.shown_at = now
    print("Now, with what is new and what was rewritten since:")
    second = _newsletter("gather", "--json", quiet=True, may=_IN_PART)
    _print_reports(second)
    return {
        "sources": len(second),
        "stories": sum(one["new"] for one in first + second),
        "updated": sum(one["updated"] for one in second),
    }


def _print_reports(reports: list[dict[str, Any]]) -> None:
    for report in reports:
        print(f"  {report['slug']}: {report['new']} new, {report['updated']} updated, {report['unchanged']} known")
        for problem in report["problems"]:
            print(textwrap.fill(f"left out: {problem}", 100, initial_indent="    ", subsequent_indent="    "))


def _make_issue(edition: str) -> dict[str, Any]:
    _heading(f"Stories to an issue: {edition}")
    _newsletter("issue", "draft", edition)
    _newsletter("issue", "preview", edition, "--folder", f"preview/{edition}")
    _newsletter("issue", "test", edition, "--to", "editor@example.org")
    _newsletter("issue", "approve", edition, "--by", "the demo", "--accept", "R37=trial")
    shown: dict[str, Any] = _newsletter("issue", "show", edition, "--why", "--json", quiet=True)
    return shown


def _readers() -> None:
    _heading("Readers, from two files with a few broken rows")
    for name, file in LISTS.items():
        shutil.copy(ROOT / "demo" / file, FOLDER / file)
        consent = "Sample readers of the demo; they do not exist"
        _newsletter("subscriber", "import", file, "--list", name, "--consent", consent, may=_IN_PART)


def _send(edition: str) -> dict[str, Any]:
    _heading(f"Issue to inboxes: {edition}")
    _newsletter("issue", "send", edition)
    status: dict[str, Any] = _newsletter("issue", "status", edition, "--json", quiet=True)
    return status


def _summary(
    gathered: dict[str, int], drafts: dict[str, dict[str, Any]], sent: dict[str, dict[str, Any]], seconds: float
) -> None:
    mails = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in (FOLDER / "outbox/new").iterdir()]
    tests = [mail for mail in mails if str(mail["Subject"]).startswith("[Test]")]
    readers = {str(mail["To"]) for mail in mails} - {str(mail["To"]) for mail in tests}
    _heading("In short")
    print(
        f"{gathered['stories']} stories came from {gathered['sources']} sources; {gathered['updated']} were rewritten "
        "at their source meanwhile: updated, not doubled."
    )
    for edition, draft in drafts.items():
        lead, counts = draft["stories"][0], sent[edition]
        print(f"\n{edition}: {counts['accepted']} of {counts['expected']} readers got it.")
        print(f"  Subject: {draft['subject']}")
        print(f"  The lead leads because: {', '.join(lead['reasons'])}.")
        print(
            f"  {len(draft['stories'])} stories are in, {len(draft['left_out'])} were left out, each with its reason."
        )
    print(
        f"\n{len(mails) - len(tests)} mails for {len(readers)} people, {len(tests)} marked tests; nobody got one twice."
    )
    print(f"It took {seconds:.0f} seconds.\n\nWhere to look:")
    print(f"  var/demo/outbox/new/    the {len(mails)} messages, byte for byte as they would go out")
    print("  var/demo/preview/       both mails: open index.html in each folder")
    print("\nWhat to type next:")
    print(f"  make serve              serves the readers' pages, {BASE_URL}/, and the stories themselves")
    print("  cd var/demo && ../../.venv/bin/newsletter issue show fenland-weekly --why")
    print("  cd var/demo && ../../.venv/bin/newsletter issue status baltic-weekly")
    print("  README.md               how to set up your own")


def _newsletter(*words: str, quiet: bool = False, may: int = 0) -> Any:
    """Run one command of the product in the demo's folder; return its JSON when `quiet`, else show what it printed."""
    command = [str(Path(sys.executable).with_name("newsletter")), *words]
    if not quiet:
        print("\n$ newsletter " + " ".join(f'"{word}"' if " " in word else word for word in words), flush=True)
    settings = {name: value for name, value in os.environ.items() if not name.startswith("NEWSLETTER_")}
    errors = subprocess.PIPE if quiet else subprocess.STDOUT
    done = subprocess.run(
        command, cwd=FOLDER, env=settings, stdout=subprocess.PIPE, stderr=errors, text=True, check=False
    )
    if done.returncode not in {0, may}:
        _fail(f"newsletter {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr or ''}")
    if quiet:
        return json.loads(done.stdout)
    for line in done.stdout.splitlines():
        print(textwrap.fill(line, 110, subsequent_indent="      ", break_long_words=False, replace_whitespace=False))
    return None


def _feeds(now: datetime) -> FeedServer:
    """Return the server of the sample feeds, on its usual port or, when that is taken, on a free one."""
    newsroom = load(FILE)
    try:
        return FeedServer(newsroom, now=now, port=FEEDS_PORT)
    except OSError:
        return FeedServer(newsroom, now=now)


def _heading(text: str) -> None:
    print(f"\n== {text} ==", flush=True)


def _fail(text: str) -> NoReturn:
    print(f"The demo stopped. {text}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
