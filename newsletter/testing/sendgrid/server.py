"""A server on loopback with a thread for each connection, which ends all of them when it stops."""

from __future__ import annotations

import socket
import threading

from newsletter.testing.sendgrid.connection import Connection, Serving


class Server:
    """Listens from `start` to `stop`."""

    def __init__(self, serving: Serving, *, port: int = 0) -> None:
        self._serving = serving
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._accepting = threading.Thread(target=self._accept, name="sendgrid-simulator", daemon=True)

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def start(self) -> None:
        """Take connections from now on."""
        self._accepting.start()

    def stop(self) -> None:
        """End every connection and wait for its thread."""
        self._serving.closing.set()
        _shut(self._listener)
        self._listener.close()
        self._accepting.join()
        with self._lock:
            threads, sockets = list(self._threads), list(self._open)
        for sock in sockets:
            _shut(sock)
        for thread in threads:
            thread.join()

    def _accept(self) -> None:
        while not self._serving.closing.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            with self._lock:
                self._open.add(sock)
                self._threads.add(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            Connection(sock, self._serving).serve()
        finally:
            with self._lock:
                self._open.discard(sock)
                self._threads.discard(threading.current_thread())


def _shut(sock: socket.socket) -> None:
    """Wake whoever waits for the socket."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
