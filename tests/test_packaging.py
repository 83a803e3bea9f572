"""The built wheel works by itself: it brings the templates, the pages and the migrations, and starts."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
#: Imported only where the extra `postgres` brings it.
EXTRAS = {"psycopg"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel once."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT],
        check=True,
        capture_output=True,
    )
    return next(out.glob("*.whl"))


def test_the_wheel_holds_what_the_code_reads(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder, inside in (
        ("templates", "newsletter/templates"),
        ("newsletter/migrations", "newsletter/migrations"),
        ("newsletter/flags", "newsletter/flags"),
    ):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert f"{inside}/{path.relative_to(ROOT / folder).as_posix()}" in names
    assert "newsletter/py.typed" in names
    assert not {name for name in names if name.startswith(("tests/", "demo/", "bench/"))}


def test_the_installed_wheel_makes_a_newsletter(wheel: Path, tmp_path: Path) -> None:
    """CI tests the built wheel: the flat layout would otherwise hide a missing template."""
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    work = tmp_path / "work"
    work.mkdir()
    (work / "newsroom.toml").write_text((ROOT / "tests/data/newsroom.toml").read_text(encoding="utf-8"))
    (work / "feed.xml").write_bytes((ROOT / "tests/data/week.xml").read_bytes())
    script = f"""
import newsletter, sys, threading, http.server, functools
assert newsletter.__file__.startswith({str(site)!r}), newsletter.__file__
from newsletter.cli import commands
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory={str(work)!r})
handler.log_message = lambda *a: None
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
text = open("newsroom.toml").read().replace("http://127.0.0.1:1", f"http://127.0.0.1:{{server.server_port}}")
open("newsroom.toml", "w").write(text)
def run(*words):
    try:
        commands(list(words), standalone_mode=False)
    except SystemExit as end:
        assert not end.code, (words, end.code)
run("init"); run("apply", "newsroom.toml"); run("gather")
run("issue", "draft", "fen-weekly"); run("issue", "preview", "fen-weekly")
from newsletter.cli.run import pages
from newsletter.cli.base import open_app
from fastapi.testclient import TestClient
assert TestClient(pages(open_app())).get("/editions/fen-weekly").status_code == 200
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=work,
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    html = next((work / "preview").glob("*.html")).read_text(encoding="utf-8")
    assert html.startswith("<!DOCTYPE html>")


def test_everything_imported_is_a_declared_dependency() -> None:
    """The wheel is tested beside the development environment, which brings what the metadata may lack."""
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = metadata["project"]
    optional = [text for extra, texts in project["optional-dependencies"].items() if extra != "dev" for text in texts]
    declared = {_canonical(re.split(r"[^\w.-]", text)[0]) for text in [*project["dependencies"], *optional]}
    brought_by = packages_distributions()
    imported = {
        name
        for package in ("newsletter", "subscribers")
        for path in (ROOT / package).rglob("*.py")
        for name in _imported(ast.parse(path.read_text(encoding="utf-8")))
    }
    foreign = imported - sys.stdlib_module_names - EXTRAS - {"newsletter", "subscribers"}
    assert {"fastapi", "sqlmodel", "feedparser"} <= foreign
    undeclared = {
        name: brought_by.get(name, [])
        for name in sorted(foreign)
        if not declared & {_canonical(one) for one in brought_by.get(name, [])}
    }
    assert undeclared == {}


def _canonical(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _imported(node: ast.AST) -> Iterator[str]:
    """Yield the top-level names of the modules that code imports when it runs, type checking left out."""
    if isinstance(node, ast.Import):
        yield from (alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module.partition(".")[0]
    children = ast.iter_child_nodes(node)
    if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
        children = iter(node.orelse)
    for child in children:
        yield from _imported(child)
