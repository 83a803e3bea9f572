"""Serves the sample newsroom on this machine: its feeds (RSS 2.0, Atom, JSON Feed), pictures and article pages.

`python -m demo.feeds` keeps it running at the address that newsroom.toml names, so that links in the demo's mails open.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from demo.newsroom import Entry, Newsroom, Outlet, entries, entry, load

#: The port that newsroom.toml names.
PORT = 8470
HOST = "127.0.0.1"
PICTURES = Path(__file__).with_name("pictures")
PICTURE_SIZE = (1200, 675)
_HTML = "text/html; charset=utf-8"
_FEED_TYPES = {
    "rss": "application/rss+xml; charset=utf-8",
    "atom": "application/atom+xml; charset=utf-8",
    "json": "application/feed+json; charset=utf-8",
}


def _date_line(at: datetime) -> str:
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


_templates = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters |= {
    "rfc822": lambda at: format_datetime(at, usegmt=True),
    "rfc3339": lambda at: at.isoformat(),
    "date_line": _date_line,
}


@dataclass(frozen=True)
class Answer:
    """What one address answers. `changed_at` becomes Last-Modified."""

    status: int
    content_type: str
    body: bytes
    changed_at: datetime | None = None

    @property
    def etag(self) -> str:
        """A strong validator (RFC 9110 section 8.8.3): the hash of the body."""
        return f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'

    def is_known(self, none_match: str | None, modified_since: str | None) -> bool:
        """Return whether a client that sent these two headers has it already (RFC 9110 section 13.2.2)."""
        if none_match is not None:
            known = {tag.strip().removeprefix("W/") for tag in none_match.split(",")}
            return self.etag in known or "*" in known
        if modified_since is None or self.changed_at is None:
            return False
        try:
            return self.changed_at <= parsedate_to_datetime(modified_since)
        except (TypeError, ValueError):
            return False


class Site:
    """The pages and feeds of a newsroom. `now` anchors its dates; `shown_at` is the moment it is seen at."""

    def __init__(self, newsroom: Newsroom, *, now: datetime, url: str) -> None:
        self.newsroom = newsroom
        self.now = now.astimezone(UTC).replace(microsecond=0)
        self.shown_at = self.now
        self.url = url

    def answer(self, path: str) -> Answer:
        """Return what `path` (without its query) answers; an unknown path answers 404."""
        parts = [unquote(part) for part in path.strip("/").split("/")]
        outlet = self.newsroom.outlets.get(parts[0])
        if path == "/":
            return self._page("front.html", outlets=self.newsroom.outlets.values())
        if parts[0] == "pictures" and len(parts) == 2:
            return self._picture(parts[1])
        if outlet is None or len(parts) > 2:
            return self._missing()
        if path == outlet.feed_path:
            return self.feed(outlet)
        if len(parts) == 1:
            return self._page("outlet.html", outlet=outlet, entries=self._entries(outlet))
        return self._article(outlet, parts[1])

    def feed(self, outlet: Outlet) -> Answer:
        """Return the outlet's feed in its own format."""
        held = self._entries(outlet)
        changed_at = max((one.updated_at for one in held), default=self.now)
        if outlet.kind == "json":
            body = json.dumps(self._json_feed(outlet, held), ensure_ascii=False, indent=1)
        else:
            template = _templates.get_template(f"{outlet.kind}.xml")
            body = template.render(site=self, outlet=outlet, entries=held, changed_at=changed_at)
        return Answer(200, _FEED_TYPES[outlet.kind], body.encode(), changed_at)

    def link(self, one: Entry, outlet: Outlet) -> str:
        """Return the address that `outlet` gives for a story: with tracking parameters for one that it only carries."""
        link = f"{self.url}{one.story.path}"
        if one.story.outlet == outlet.slug:
            return link
        return f"{link}?utm_source={outlet.slug}&utm_medium=feed&utm_campaign=partners"

    def picture_url(self, one: Entry) -> str:
        """Return the address of the story's picture, empty when it has none."""
        return f"{self.url}/pictures/{one.story.picture}.jpg" if one.story.picture else ""

    def alt(self, one: Entry) -> str:
        """Return what the story's picture shows."""
        return self.newsroom.alts[one.story.picture]

    def content(self, one: Entry) -> str:
        """Return the html that feeds carry: the picture with its alternative text, and the summary."""
        return _templates.get_template("content.html").render(site=self, one=one)

    def _entries(self, outlet: Outlet) -> list[Entry]:
        return entries(self.newsroom, outlet.slug, now=self.now, shown_at=self.shown_at)

    def _article(self, outlet: Outlet, slug: str) -> Answer:
        for story in self.newsroom.stories:
            if (story.outlet, story.slug) == (outlet.slug, slug) and not story.linkless:
                one = entry(story, now=self.now, shown_at=self.shown_at)
                if one:
                    return self._page("article.html", outlet=outlet, one=one, changed_at=one.updated_at)
        return self._missing()

    def _picture(self, name: str) -> Answer:
        if name.removesuffix(".jpg") not in self.newsroom.alts or not name.endswith(".jpg"):
            return self._missing()
        return Answer(200, "image/jpeg", (PICTURES / name).read_bytes())

    def _page(self, template: str, *, changed_at: datetime | None = None, **values: object) -> Answer:
        page = _templates.get_template(template).render(site=self, **values)
        return Answer(200, _HTML, page.encode(), changed_at)

    def _missing(self) -> Answer:
        return Answer(404, _HTML, _templates.get_template("missing.html").render(site=self).encode())

    def _json_feed(self, outlet: Outlet, held: list[Entry]) -> dict[str, object]:
        """Return a JSON Feed (version 1.1)."""
        return {
            "version": "https://jsonfeed.org/version/1.1",
            "title": outlet.name,
            "home_page_url": f"{self.url}/{outlet.slug}",
            "feed_url": f"{self.url}{outlet.feed_path}",
            "description": outlet.about,
            "language": outlet.language,
            "items": [self._json_item(outlet, one) for one in held],
        }

    def _json_item(self, outlet: Outlet, one: Entry) -> dict[str, object]:
        item: dict[str, object] = {
            "id": one.story.path,
            "url": self.link(one, outlet),
            "title": one.title,
            "summary": one.summary,
            "content_html": self.content(one),
            "date_published": one.published_at.isoformat(),
            "authors": [{"name": one.story.author}],
            "tags": [one.story.topic],
        }
        if one.is_updated:
            item["date_modified"] = one.updated_at.isoformat()
        if one.story.picture:
            item["image"] = self.picture_url(one)
        return item


class FeedServer:
    """Serves a newsroom on loopback while the `with` block runs.

    `now` is the moment the stories' ages count back from. Setting `shown_at` to an earlier moment shows the feeds as
    they stood then, without later stories and updates. Port 0 takes a free one; a port in use raises OSError.
    """

    def __init__(self, newsroom: Newsroom, *, now: datetime, port: int = 0) -> None:
        self._server = _Server((HOST, port), _Handler)
        self.port: int = self._server.server_address[1]
        self.url = f"http://{HOST}:{self.port}"
        self.site = Site(newsroom, now=now, url=self.url)
        self._server.site = self.site
        self._thread = Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="demo feeds", daemon=True
        )

    @property
    def shown_at(self) -> datetime:
        """The moment the newsroom is seen at."""
        return self.site.shown_at

    @shown_at.setter
    def shown_at(self, moment: datetime) -> None:
        self.site.shown_at = moment

    def wait(self) -> None:
        """Return when the server has stopped."""
        self._thread.join()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    site: Site


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._respond(with_body=True)

    def do_HEAD(self) -> None:
        self._respond(with_body=False)

    def _respond(self, *, with_body: bool) -> None:
        answer = self.server.site.answer(urlsplit(self.path).path)
        known = answer.status == 200 and answer.is_known(
            self.headers["If-None-Match"], self.headers["If-Modified-Since"]
        )
        self.send_response(304 if known else answer.status)
        if answer.status == 200:
            self.send_header("ETag", answer.etag)
        if answer.changed_at:
            self.send_header("Last-Modified", format_datetime(answer.changed_at, usegmt=True))
        if not known:
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if with_body and not known:
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay quiet: the demo prints its own story."""


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m demo.feeds", description="Serve the sample newsroom's feeds and pages."
    )
    parser.add_argument("--port", type=int, default=PORT, help=f"the port on {HOST} (default {PORT})")
    parser.add_argument(
        "--now", type=datetime.fromisoformat, help="the moment stories are dated from, such as 2026-11-22T09:00+00:00"
    )
    options = parser.parse_args()
    with FeedServer(load(), now=options.now or datetime.now(UTC), port=options.port) as server:
        print(f"The sample newsroom is at {server.url}/ until you press Ctrl-C.", flush=True)
        try:
            server.wait()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
