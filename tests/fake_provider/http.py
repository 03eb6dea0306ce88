"""As much of HTTP/1.1 as a provider speaks, in the open, so that replies can break it byte by byte."""

import asyncio
from collections.abc import Callable, Mapping
from http.client import responses

from .request import Request

LAST_CHUNK = b"0\r\n\r\n"


def http_head(status: int, headers: Mapping[str, str]) -> bytes:
    """The status line and the headers of an answer whose body comes in chunks."""
    lines = [
        f"HTTP/1.1 {status} {responses.get(status, 'Unknown')}",
        "transfer-encoding: chunked",
        *(f"{k}: {v}" for k, v in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def take_request(buffer: bytearray) -> Request | None:
    """Removes the first whole request from the buffer; None while it is not all there."""
    head_end = buffer.find(b"\r\n\r\n")
    if head_end < 0:
        return None
    first, *lines = buffer[:head_end].decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    end = head_end + 4 + int(headers.get("content-length", 0))
    if len(buffer) < end:
        return None
    method, path, _ = first.split(" ")
    request = Request(method, path, headers, bytes(buffer[head_end + 4 : end]))
    del buffer[:end]
    return request


Handle = Callable[["Connection", Request], asyncio.Task[None] | None]
"""Starts to answer; a task is cancelled when the client goes."""


class Connection(asyncio.Protocol):
    """A client's connection: hands over one request at a time and stays open for the next."""

    transport: asyncio.Transport

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._buffer = bytearray()
        self._request: Request | None = None
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._next_request()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self._request:
            self._request.end(closed_early=True)
        if self._task:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def send(self, data: bytes) -> None:
        """Writes one piece by itself, and waits while the client does not read."""
        self.transport.write(data)
        await self._writable.wait()
        await asyncio.sleep(0)

    def finish(self) -> None:
        """The answer is out: the connection is free for the next request."""
        assert self._request
        self._request.end()
        if self._request.headers.get("connection") == "close":
            self.transport.close()
        self._request = None
        self._next_request()

    def cut(self) -> None:
        """Ends the connection in the middle of the answer; what was written still arrives."""
        assert self._request
        self._request.end()
        self._request = None
        self.transport.close()

    def _next_request(self) -> None:
        if self._request is None and (request := take_request(self._buffer)):
            self._request = request
            self._task = self._handle(self, request)
