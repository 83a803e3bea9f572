"""What holds for every answer of the pages: headers, sizes, damaged forms, faults of ours, files of a newsroom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import APIRouter

from newsletter.db import Database
from newsletter.web.forms import MAX_BODY
from subscribers.models import RequestKind
from subscribers.tokens import Purpose
from tests.databases import sqlite_database
from tests.sites import TestSite, make_site

__all__ = ["sqlite_database"]

FORM = "/editions/fen-weekly"
SAFE_HEADERS = {
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


@pytest.fixture
def site(sqlite_database: Database) -> TestSite:
    return make_site(sqlite_database)


def route_paths(router: APIRouter) -> Iterator[str]:
    for route in router.routes:
        if isinstance(inner := getattr(route, "original_router", None), APIRouter):
            yield from route_paths(inner)
        else:
            yield str(route.path)  # type: ignore[attr-defined]


def walk(site: TestSite) -> Iterator[str]:
    """Yield a path for every route of the pages, from the routers, so that a new route is walked too."""
    subscription_id = site.reader("walk@example.org")
    filled = {
        "{slug}": "fen-weekly",
        "{number:int}": "7",
        "{name}": "embed.js",
        "{file}": "lt.png",
        "{provider}": "sendgrid",
    }
    kinds = {
        "/c/": site.confirm_token(subscription_id),
        "/u/": site.token(Purpose.UNSUBSCRIBE, subscription_id),
        "/p/": site.token(Purpose.PREFERENCES, subscription_id),
        "/r/": site.undo_token(subscription_id),
        "/a/": site.request_token(RequestKind.ADDRESS, subscription_id),
        "/d/": site.request_token(RequestKind.DATA, subscription_id),
    }
    for route in route_paths(site.app.router):
        path = route
        for name, value in filled.items():
            path = path.replace(name, value)
        yield path.replace("{token}", kinds.get(path[:3], ""))


def test_every_answer_has_safe_headers(site: TestSite) -> None:
    """Threats 4, 10, 16."""
    site.issue(7)
    paths = {*walk(site), "/nowhere", "/u/damaged"}
    assert len(paths) > 8
    for path in paths:
        for method in ("GET", "HEAD", "POST", "PUT", "OPTIONS"):
            answer = site.client.request(method, path)
            assert answer.status_code < 500 or path == "/healthz"  # these tables were not made by the migrations
            assert not answer.is_redirect
            policy = answer.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'"), path
            framed = path.endswith("/embed/frame") and answer.status_code != 405
            picture = answer.headers.get("content-type", "").startswith("image/")
            assert picture or ("frame-ancestors *" if framed else "frame-ancestors 'none'") in policy
            assert "unsafe-inline" not in policy.partition("style-src")[0]
            assert answer.headers.items() >= SAFE_HEADERS.items()
            if re.match("/[cuprad]/", path):
                assert answer.headers["cache-control"] == "no-store"
                assert answer.headers["x-robots-tag"] == "noindex"
            assert "set-cookie" not in answer.headers


def test_head_is_get_without_its_body(site: TestSite) -> None:
    site.issue(7)
    for path in {*walk(site)}:
        got, headed = site.client.get(path), site.client.head(path)
        assert (headed.status_code, headed.headers) == (got.status_code, got.headers)
        assert headed.content == b""


@pytest.mark.parametrize("agent", ["BingPreview/1.0b", "Mozilla/5.0", ""])
def test_nothing_that_is_only_opened_changes_anything(site: TestSite, agent: str) -> None:
    """Threat 10: every route there is, by the two methods that programs use which follow links."""
    site.issue(7)
    before_walking = {*walk(site), "/?edition=fen-weekly&lang=de"}
    before = site.dump()
    for path in before_walking:
        for method in ("GET", "HEAD"):
            site.client.request(method, path, headers={"User-Agent": agent})
    assert site.dump() == before
    assert site.provider.calls == []


@pytest.mark.parametrize("size", [MAX_BODY + 1, 1_000_000])
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
def test_a_large_body_is_refused(site: TestSite, size: int, declared: bool) -> None:
    body = b"List-Unsubscribe=One-Click&address=ann%40example.org&x=" + b"x" * size
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    paths = {path for path in walk(site) if re.fullmatch("/[up]/[^/]+|/|/editions/[^/]+(/embed/frame)?", path)}
    before = site.dump()
    assert len(paths) == 5
    for path in paths:
        content = body if declared else iter([body])
        assert site.client.post(path, content=content, headers=kind).status_code == 413
    assert site.dump() == before


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"x", "multipart/form-data"),
        (b"x", "multipart/form-data; boundary=y"),
        (b"--y\r\nContent-Disposition: form-data\r\n\r\nx\r\n--y--\r\n", "multipart/form-data; boundary=y"),
        (b"&".join(b"a=%d" % number for number in range(1000)), "application/x-www-form-urlencoded"),
    ],
    ids=["no boundary", "no parts", "a part without a name", "too many fields"],
)
def test_a_damaged_form_gets_a_sentence(site: TestSite, content: bytes, kind: str) -> None:
    answer = site.client.post(FORM, content=content, headers={"Content-Type": kind})
    assert answer.status_code == 400
    assert "nothing was changed" in answer.text


def test_a_fault_of_ours_shows_no_traceback(site: TestSite, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise RuntimeError("internal detail")

    monkeypatch.setattr("newsletter.web.signup_form.open_editions", lambda *_: broken())
    answer = site.client.get("/")
    assert answer.status_code == 500
    assert "The fault is ours, not yours" in answer.text
    assert "Traceback" not in answer.text
    assert "internal detail" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_the_health_check(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'newsletter.db'}")
    db.upgrade()
    site = make_site(db)
    answer = site.client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    with db.transaction() as session:
        session.connection().exec_driver_sql("DELETE FROM alembic_version")
    answer = site.client.get("/healthz")
    assert (answer.status_code, answer.json()) == (503, {"status": "failing"})


def test_the_style_sheet_may_be_kept_for_long(site: TestSite) -> None:
    [path] = re.findall(r'<link rel="stylesheet" href="([^"]+)">', site.client.get("/").text)
    answer = site.client.get(path)
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "prefers-color-scheme: dark" in answer.text


def test_a_newsroom_can_replace_single_files(sqlite_database: Database, tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "pages.css").write_text("body { color: teal }")
    (tmp_path / "problem.html").write_text("<h1>Ours: {{ heading }}</h1>")
    site = make_site(sqlite_database, templates=tmp_path)
    assert site.client.get("/nowhere").text == "<h1>Ours: This page does not exist</h1>"
    home = site.client.get("/").text
    assert site.client.get("/static/pages.css").text == "body { color: teal }"
    assert "Newsletters from Fen Press" in home


def test_pages_below_a_path(sqlite_database: Database) -> None:
    """A base URL may have a path, which the proxy in front cuts off."""
    site = make_site(sqlite_database, base_url="https://example.org/news")
    links = re.findall(r'(?:href|action)="(/[^"]*)"', site.client.get("https://example.org/editions/fen-weekly").text)
    assert links
    assert all(link.startswith("/news/") for link in links)
