"""The web server: uvicorn, with an access log that never holds a reader's token (threat 16)."""

from __future__ import annotations

import copy
import logging
import socket
from collections.abc import Sequence
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.config import LOGGING_CONFIG

from newsletter.errors import ConfigurationError
from newsletter.web.guard import TOKEN_PATH


class RedactTokens(logging.Filter):
    """Cuts the token out of the paths in an access log."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace what follows /c/, /u/, /p/, /r/, /a/ or /d/ in the record; every record stays."""
        if isinstance(record.args, tuple):
            record.args = tuple(_redacted(value) if isinstance(value, str) else value for value in record.args)
        return True


def _redacted(text: str) -> str:
    match = TOKEN_PATH.search(text)
    return f"{text[: match.end()]}(token)" if match else text


def make_server(app: FastAPI, *, host: str, port: int, trusted_proxies: Sequence[str] = ()) -> uvicorn.Server:
    """Return the server for `app`; its `run` blocks until a signal or `should_exit`.

    `trusted_proxies` are the addresses whose X-Forwarded-For is believed; by default nobody's, so that no reader can
    invent an address (threat 19). Raises ConfigurationError for "*", which would believe everybody.
    """
    if "*" in trusted_proxies:
        raise ConfigurationError("Name the addresses of the proxies in front; '*' would believe every visitor.")
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        ws="none",
        log_config=_log_config(),
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        timeout_graceful_shutdown=10,
    )
    return uvicorn.Server(config)


def serve(app: FastAPI, *, host: str, port: int, trusted_proxies: Sequence[str] = ()) -> None:
    """Serve `app` until a signal ends it. Raises ConfigurationError when the address or port cannot be used."""
    server = make_server(app, host=host, port=port, trusted_proxies=trusted_proxies)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigurationError(
            f"The pages cannot be served on {host}, port {port}: {error.strerror}. Choose another address or port."
        ) from error
    with listener:
        server.run(sockets=[listener])


def _log_config() -> dict[str, Any]:
    config: dict[str, Any] = copy.deepcopy(LOGGING_CONFIG)
    config["filters"] = {"redact_tokens": {"()": RedactTokens}}
    config["loggers"]["uvicorn.access"]["filters"] = ["redact_tokens"]
    return config
