"""The `sendgrid` package's client, carrying requests in a way that its answers can be relied on.

The package opens every request with urllib's defaults. They follow a redirect of a POST with a GET, whose 200 would
read as "accepted"; and they wrap a failed connection and a half-sent request into the same error. Here a redirect is
an answer, and only what surely sent nothing is NotConnected.
"""

from __future__ import annotations

import http.client
import logging
import ssl
from typing import Any
from urllib.error import HTTPError
from urllib.request import (
    BaseHandler,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

import python_http_client
import sendgrid
from python_http_client.exceptions import handle_error


class NotConnected(OSError):
    """No connection was made, so no byte of a request was sent."""


def api_client(api_key: str, host: str, *, timeout: float, direct: bool) -> Any:
    """Return the package's client for `host`; `timeout` (seconds) is for connecting and for each wait.

    The package has no types and no timeout of its own (sendgrid-python #985). With `direct` the proxies that the
    environment names are passed by.
    """
    # At DEBUG the package logs every request's headers, the key among them (threat 22).
    logging.getLogger("python_http_client").setLevel(logging.WARNING)
    api = sendgrid.SendGridAPIClient(api_key=api_key, host=host)
    api.client = _Client(_opener(direct), host=host, request_headers=api.client.request_headers, timeout=timeout)
    return api


def _opener(direct: bool) -> OpenerDirector:  # noqa: FBT001 - internal
    handlers: list[BaseHandler] = [_HttpHandler(), _HttpsHandler(ssl.create_default_context()), _RedirectIsAnAnswer()]
    return build_opener(*handlers, ProxyHandler({})) if direct else build_opener(*handlers)


class _Client(python_http_client.Client):  # type: ignore[misc] # the package has no types
    """The package's client with an opener that is made once, and with it the TLS context."""

    def __init__(self, opener: OpenerDirector, **settings: Any) -> None:
        super().__init__(**{"version": 3, **settings})
        self._opener = opener

    def _build_client(self, name: str | None = None) -> _Client:
        return _Client(
            self._opener,
            host=self.host,
            request_headers=self.request_headers,
            url_path=[*self._url_path, name] if name else self._url_path,
            timeout=self.timeout,
        )

    def _make_request(self, opener: object, request: Request, timeout: float | None = None) -> Any:  # noqa: ARG002
        """Open `request` with our opener, and raise the package's own errors, as its client does."""
        try:
            return self._opener.open(request, timeout=timeout or self.timeout)
        except HTTPError as error:
            with error:
                raise handle_error(error) from None


class _HttpConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except OSError as error:
            raise NotConnected(str(error)) from error


class _HttpsConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except OSError as error:
            raise NotConnected(str(error)) from error


class _HttpHandler(HTTPHandler):
    def http_open(self, req: Request) -> http.client.HTTPResponse:
        return self.do_open(_HttpConnection, req)


class _HttpsHandler(HTTPSHandler):
    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._tls = context

    def https_open(self, req: Request) -> http.client.HTTPResponse:
        return self.do_open(_HttpsConnection, req, context=self._tls)


class _RedirectIsAnAnswer(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Follow no redirect: urllib then raises it as an HTTPError."""
