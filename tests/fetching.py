"""Fixtures for tests that fetch from a server on loopback: `from tests.fetching import client, server`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from newsletter.sources.http import Client
from tests.servers.http import LOOPBACK, FeedServer

__all__ = ["client", "server"]


@pytest.fixture
def server() -> Iterator[FeedServer]:
    """Yield a server without pages."""
    with FeedServer() as server:
        yield server


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Yield a client for servers on loopback."""
    client = Client(timeout=20, max_bytes=1_000_000, user_agent="Newsletter/test", private_networks=LOOPBACK)
    yield client
    client.close()
