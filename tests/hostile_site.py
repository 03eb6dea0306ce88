"""A web site over real sockets that answers with whatever bytes a test wants."""

import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Self

Answer = Callable[[], Iterable[bytes]]


def head(status: str = "200 OK", **headers: object) -> bytes:
    """The head of an answer; ``content_type`` becomes ``content-type``."""
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def page(body: bytes = b"", status: str = "200 OK", **headers: object) -> Answer:
    """A well-formed answer, unless the headers say otherwise."""
    fields = {"content_type": "text/html", "content_length": len(body)} | headers
    return lambda: [head(status, **fields) + body]


def redirect(location: str, status: str = "302 Found") -> Answer:
    return page(status=status, location=location)


class Site(socketserver.ThreadingTCPServer):
    """``answers`` by path, else 404; ``heads`` are those of the requests that came."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Visit)
        self.tls = tls
        self.port: int = self.server_address[1]
        self.answers: dict[str, Answer] = {}
        self.heads: list[str] = []
        # Set when the site goes: an answer that waits for it has no end.
        self.closing = threading.Event()

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    @property
    def paths(self) -> list[str]:
        return [head.split(" ")[1] for head in self.heads]

    def field(self, name: str) -> str | None:
        """A header of the newest request."""
        pairs = (line.partition(": ") for line in self.heads[-1].split("\r\n")[1:])
        return {key.lower(): value for key, _, value in pairs}.get(name)

    def reset(self) -> None:
        self.answers.clear()
        self.heads.clear()

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, *_: object) -> None:
        """A client that goes is what these tests are about."""


class _Visit(socketserver.BaseRequestHandler):
    server: Site

    def handle(self) -> None:
        connection: socket.socket = self.request
        if self.server.tls:
            connection = self.server.tls.wrap_socket(connection, server_side=True)
        received = b""
        while b"\r\n\r\n" not in received:
            data = connection.recv(65536)
            if not data or data[0] < 32:  # gone, or asks for TLS where there is none
                return
            received += data
        self.server.heads.append(received.decode("latin-1").partition("\r\n\r\n")[0])
        with suppress(OSError):
            for data in self.server.answers.get(self.server.paths[-1], page(status="404 Not Found"))():
                connection.sendall(data)
            connection.close()


@contextmanager
def nobody_comes() -> Iterator[int]:
    """A port of this machine, on IPv4 and where there is one IPv6, that fails the test if anything connects to it."""
    with socket.socket() as four, socket.socket(socket.AF_INET6) as six:
        four.bind(("0.0.0.0", 0))
        port: int = four.getsockname()[1]
        with suppress(OSError):
            six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            six.bind(("::", port))
            six.listen()
        four.listen()
        yield port
        for listening in (four, six):
            listening.setblocking(False)
            with suppress(OSError):
                listening.accept()
                raise AssertionError("Somebody connected.")
