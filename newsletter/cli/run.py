"""`newsletter run` and `newsletter serve`: the long-running ends."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.base import IN_PART, JsonOption, open_app, say, say_json, stop, warn
from newsletter.cli.signals import stop_on_signal

if TYPE_CHECKING:
    from fastapi import FastAPI

    from newsletter.app import App

_Host = Annotated[str, typer.Option(help="The address to listen on.")]
_Port = Annotated[int, typer.Option(help="The port to listen on.", min=1, max=65535)]
_Proxy = Annotated[
    str, typer.Option(help="Addresses of your reverse proxy, whose forwarded headers are trusted; commas between.")
]


def register(commands: typer.Typer) -> None:
    """Add this file's commands."""
    commands.command()(run)
    commands.command()(serve)


def run(
    once: Annotated[bool, typer.Option("--once", help="Do what is due now and exit, for cron.")] = False,
    host: _Host = "127.0.0.1",
    port: _Port = 8000,
    proxy: _Proxy = "",
    json: JsonOption = False,
) -> None:
    """Gather, draft and send when it is time, and serve the readers' pages, all in one process.

    Example: newsletter run --host 0.0.0.0 --port 8000
    Example for cron: */5 * * * * newsletter run --once
    """
    from newsletter import schedule

    app = open_app()
    app.signer, app.provider  # noqa: B018 - a missing secret or key is told now, not at the hour of sending
    if once:
        with stop_on_signal() as stopping:
            done = schedule.tick(app, stopping)
        if json:
            say_json([{"what": one.what, "failed": one.failed} for one in done])
        else:
            for one in done:
                (warn if one.failed else say)(one.what)
            if not done:
                say("Nothing is due.")
        if any(one.failed for one in done):
            stop(IN_PART)
        return
    halt = threading.Event()
    scheduler = schedule.start(app, halt, lambda one: (warn if one.failed else say)(one.what))
    try:
        _serve(app, host, port, proxy)
    finally:
        halt.set()
        scheduler.shutdown(wait=True)


def serve(host: _Host = "127.0.0.1", port: _Port = 8000, proxy: _Proxy = "") -> None:
    """Serve the readers' pages only, beside a `newsletter run --once` from cron.

    Example: newsletter serve --port 8000
    """
    _serve(open_app(), host, port, proxy)


def _serve(app: App, host: str, port: int, proxy: str) -> None:
    from newsletter.web import serve as serve_pages

    say(f"Opening {app.settings.base_url} on http://{host}:{port}; Ctrl-C stops.")
    serve_pages(pages(app), host=host, port=port, trusted_proxies=[one for one in proxy.split(",") if one])


def pages(app: App) -> FastAPI:
    """Return the readers' pages of an installation."""
    from newsletter.web import make_web

    return make_web(
        db=app.db,
        provider=app.provider,
        renderer=app.renderer,
        signer=app.signer,
        hashes=app.hashes,
        base_url=app.settings.base_url,
        clock=app.clock,
        templates=app.web_templates,
        hooks=app.providers,
        rules=app.sign_up_rules,
        editors=app.settings.schedule.editors,
    )
