"""Running the command line as a person does: a process, its exit code, what it prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NEWSLETTER = Path(sys.executable).with_name("newsletter")


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return standard output as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True)
class CommandLine:
    """The product in a folder of its own."""

    folder: Path

    def __call__(self, *words: str | Path, code: int | set[int] = 0, stdin: str = "", **environment: str) -> Ran:
        """Run a command; fails the test unless it ends with `code` and without a traceback."""
        done = subprocess.run(
            [NEWSLETTER, *words],
            cwd=self.folder,
            env=os.environ | environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode in ({code} if isinstance(code, int) else code), (
            words,
            done.returncode,
            done.stdout,
            done.stderr,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def set_up(self, feed_url: str, *, base_url: str = "https://news.example.org", settings: str = "") -> None:
        """Make an installation with the test newsroom, whose feed is at `feed_url`."""
        self("init", "--base-url", base_url)
        if settings:
            file = self.folder / "newsletter.toml"
            text = file.read_text(encoding="utf-8")
            file.write_text(text[: text.index("[provider]")] + settings, encoding="utf-8")
        newsroom = (Path(__file__).parent / "data/newsroom.toml").read_text(encoding="utf-8")
        (self.folder / "newsroom.toml").write_text(newsroom.replace("http://127.0.0.1:1/feed.xml", feed_url))
        self("apply", "newsroom.toml")

    def readers(self, count: int, start: int = 0) -> None:
        """Import `count` readers."""
        rows = [f"reader{number}@example.org,Reader {number}" for number in range(start, start + count)]
        (self.folder / "readers.csv").write_text("email,name\n" + "\n".join(rows) + "\n")
        self("subscriber", "import", "readers.csv", "--list", "fens", "--consent", "Paper forms, May 2026")

    def outbox(self) -> list[Path]:
        """Return the messages the maildir provider wrote."""
        return sorted((self.folder / "outbox" / "new").glob("*"))
