"""A real name server on loopback, over UDP and TCP, that knows what a test tells it, with named misbehaviours.

with DnsServer() as server:
    server.add("fen-post.net", "TXT", '"v=spf1 -all"')
    server.misbehave("_dmarc.fen-post.net", "servfail")
    look("fen-post.net", resolver=server.resolver())
    server.questions
"""

from __future__ import annotations

import socketserver
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeAlias

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.resolver
import dns.rrset

#: The bytes of an answer over UDP to one who does not say that more are welcome (RFC 1035 section 2.3.4).
_UDP_BYTES = 512


class DnsServer:
    """Answers on a free port of loopback while used as a context manager. It knows the root, and no other name."""

    def __init__(self) -> None:
        #: What was asked, as (name, type).
        self.questions: list[tuple[str, str]] = []
        self._records: dict[tuple[dns.name.Name, str], list[str]] = {}
        self._misbehaving: dict[tuple[str, str], Misbehaviour] = {}
        self._udp, self._tcp = _two_servers(self._answer)
        self.port = int(self._udp.server_address[1])
        self._threads = [
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
            for server in (self._udp, self._tcp)
        ]
        self.add(".", "NS", "a.root-servers.net.")

    def add(self, name: str, kind: str, *contents: str) -> None:
        """Let the name have records of this type, written as in a zone file."""
        self._records.setdefault((dns.name.from_text(name), kind), []).extend(contents)

    def text(self, name: str, *strings: str) -> None:
        """Let the name have a TXT record of these strings; one is of 255 bytes at most (RFC 1035 section 3.3)."""
        self.add(name, "TXT", " ".join('"' + one.replace("\\", "\\\\").replace('"', '\\"') + '"' for one in strings))

    def remove(self, name: str) -> None:
        """Forget the name."""
        known = dns.name.from_text(name)
        self._records = {key: value for key, value in self._records.items() if key[0] != known}

    def misbehave(self, name: str, how: str, kind: str = "*") -> None:
        """Answer what is asked for the name, "*" being all, with a misbehaviour, see MISBEHAVIOURS."""
        self._misbehaving[name, kind] = MISBEHAVIOURS[how]

    def resolver(self) -> dns.resolver.Resolver:
        """Return a resolver that asks this server only."""
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = self.port
        resolver.timeout = 0.3
        return resolver

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for server, thread in zip((self._udp, self._tcp), self._threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()

    def _answer(self, wire: bytes, limit: int) -> bytes | None:
        """Return the answer to one message, cut to `limit` bytes, or None for none."""
        query = dns.message.from_wire(wire)
        [question] = query.question
        name, kind = question.name, dns.rdatatype.to_text(question.rdtype)
        asked = name.to_text(omit_final_dot=True)
        self.questions.append((asked, kind))
        for key in ((asked, kind), (asked, "*"), ("*", "*")):
            if key in self._misbehaving:
                return self._misbehaving[key](query)
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        self._fill(response, name, kind)
        content = response.to_wire(max_size=65_535)
        if len(content) <= limit:
            return content
        short = dns.message.make_response(query)
        short.flags |= dns.flags.TC
        return short.to_wire()

    def _fill(self, response: dns.message.Message, name: dns.name.Name, kind: str) -> None:
        """Put the records in, following aliases (RFC 1034 section 4.3.2)."""
        contents = self._records.get((name, kind))
        if contents:
            response.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *contents))
        elif alias := self._records.get((name, "CNAME")):
            response.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", *alias))
            self._fill(response, dns.name.from_text(alias[0]), kind)
        elif not any(known.is_subdomain(name) for known, _ in self._records):
            response.set_rcode(dns.rcode.NXDOMAIN)


Misbehaviour: TypeAlias = Callable[[dns.message.Message], bytes | None]


def _code(code: dns.rcode.Rcode) -> Misbehaviour:
    def answer(query: dns.message.Message) -> bytes:
        response = dns.message.make_response(query)
        response.set_rcode(code)
        return response.to_wire()

    return answer


def _junk(query: dns.message.Message) -> bytes:
    """Return the head of an answer to the question, and then what is none."""
    return struct.pack("!HHHHHH", query.id, 0x8180, 1, 3, 0, 0) + b"\xff" * 40


def _silent(query: dns.message.Message) -> None:
    """Return nothing at all."""


MISBEHAVIOURS: dict[str, Misbehaviour] = {
    "servfail": _code(dns.rcode.SERVFAIL),
    "refused": _code(dns.rcode.REFUSED),
    "nxdomain": _code(dns.rcode.NXDOMAIN),
    "junk": _junk,
    "short": lambda query: b"\x00",
    "silent": _silent,
}


class _Udp(socketserver.ThreadingUDPServer):
    daemon_threads = True


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


def _two_servers(answer: Callable[[bytes, int], bytes | None]) -> tuple[_Udp, _Tcp]:
    """Return servers for both protocols at the same port."""

    class UdpHandler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            wire, connection = self.request
            reply = answer(wire, _UDP_BYTES)
            if reply is not None:
                connection.sendto(reply, self.client_address)

    class TcpHandler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            length = self.rfile.read(2)
            if len(length) < 2:
                return
            reply = answer(self.rfile.read(*struct.unpack("!H", length)), 65_535)
            if reply is not None:
                self.wfile.write(struct.pack("!H", len(reply)) + reply)

    for _ in range(20):
        udp = _Udp(("127.0.0.1", 0), UdpHandler)
        try:
            return udp, _Tcp(("127.0.0.1", int(udp.server_address[1])), TcpHandler)
        except OSError:  # somebody else has the port
            udp.server_close()
    raise RuntimeError("no port is free for both UDP and TCP")
