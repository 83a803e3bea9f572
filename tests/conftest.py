"""Rules for every test: no network but loopback, no settings from the environment that runs the tests."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
from typing import Any

import pytest

from tests.databases import database, postgresql_url, sqlite_database
from tests.servers.http import LOOPBACK

__all__ = ["database", "postgresql_url", "sqlite_database"]

_connect = socket.socket.connect


def _only_loopback(self: socket.socket, address: Any) -> Any:
    if self.family in {socket.AF_INET, socket.AF_INET6}:
        host = str(address[0])
        try:
            allowed = ipaddress.ip_address(host).is_loopback
        except ValueError:
            allowed = host == "localhost"
        if not allowed:
            raise AssertionError(f"a test tried to reach {host}; only loopback is allowed")
    return _connect(self, address)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that leaves this machine."""
    monkeypatch.setattr(socket.socket, "connect", _only_loopback)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the caller's NEWSLETTER_* variables out of the tests; set only that sources may be on loopback."""
    for name in list(os.environ):
        if name.startswith("NEWSLETTER_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NEWSLETTER_FETCH__PRIVATE_NETWORKS", json.dumps(LOOPBACK))
