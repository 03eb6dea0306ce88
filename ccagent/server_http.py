# mypy: allow-subclassing-any, allow-untyped-calls
"""HTTP as the server speaks it: limits on what comes in, and the API's envelope for what never gets to the application.

Twisted's classes parse, Daphne's carry the answer; here is what both leave open.
"""

import asyncio
import json
import logging
import math
import time
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from daphne.http_protocol import HTTPFactory, WebRequest
from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.http_headers import Headers

from ccagent.observability import metrics
from ccagent.observability.logs import request_id_of

access_logger = logging.getLogger("ccagent.access")

READ_SECONDS = 60.0  # for a request's head in all, and for each piece of its body
BODY_SECONDS = 600.0  # for all of its body
LINGER_SECONDS = 30.0
LINGER_BYTES = 2 * 1024**3
MOST_UNSENT = 1024**2  # of an answer that is made while it is sent
_ASKED_ALL_THE_TIME = {"/livez", "/readyz", "/metrics"}


class Factory(HTTPFactory):
    def __init__(self, server: Any, body_limit: int) -> None:
        super().__init__(server)
        self.protocol = Channel
        self.timeOut = READ_SECONDS
        self.body_limit = body_limit
        self.channels: set[Channel] = set()

    def buildProtocol(self, addr: Any) -> Any:
        channel = super().buildProtocol(addr)
        channel.requestFactory = Request
        return channel

    def log(self, request: "Request") -> None:
        request.log_answer()


class Channel(http.HTTPChannel):
    """One connection's reading side."""

    factory: Factory
    transport: Any
    refused = False
    discarded = 0
    unsent_before = math.inf

    def connectionMade(self) -> None:
        super().connectionMade()
        self.factory.channels.add(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.channels.discard(self)
        super().connectionLost(reason)

    def dataReceived(self, data: bytes) -> None:
        if self.refused:
            self.discarded += len(data)
            if self.discarded > LINGER_BYTES:
                self.timeoutConnection()
            return
        if not self.line_mode:
            self.resetTimeout()
        LineReceiver.dataReceived(self, data)

    def headerReceived(self, line: bytes) -> bool:
        try:
            return bool(super().headerReceived(line))
        except ValueError:  # a Content-Length of thousands of digits
            self._respondToBadRequestAndDisconnect()
            return False

    def allHeadersReceived(self) -> None:
        if self.length is not None and self.length > self.factory.body_limit:
            self.refuse_body()
        else:
            self.resetTimeout()
            super().allHeadersReceived()

    def allContentReceived(self) -> None:
        if not self.refused:
            self.unsent_before = math.inf
            super().allContentReceived()

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: ARG002
        self.refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The request's address or headers are too long.")

    def _respondToBadRequestAndDisconnect(self) -> None:
        if self._receivedHeaderSize > self.totalHeadersSize or self._receivedHeaderCount > self.maxHeaders:
            self.lineLengthExceeded(b"")
        else:
            self.refuse(HTTPStatus.BAD_REQUEST, "The request is not valid HTTP.")

    def timeoutConnection(self) -> None:
        if self.requests and not self.refused:
            self.refuse(HTTPStatus.REQUEST_TIMEOUT, "The request took too long to arrive.")
        elif 0 < self.unsent() < self.unsent_before:
            self.unsent_before = self.unsent()
            self.setTimeout(READ_SECONDS)  # an answer is on its way to a slow reader
        else:
            super().timeoutConnection()

    def refuse_body(self) -> None:
        limit = f"{self.factory.body_limit / 1024**2:g} MB"
        sentence = f"The request is larger than the limit of {limit}: send a smaller one."
        self.refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, sentence)

    def refuse(self, status: HTTPStatus, sentence: str) -> None:
        """Answer without the application, then read on for a while: who is still sending sees only then the answer."""
        if self.refused:
            return
        self.refused = True
        uri = getattr(self, "_path", b"-")
        headers, body = error_answer(uri, sentence)
        # A head that did not arrive whole has named nothing yet.
        given = self.requests[-1].requestHeaders.getRawHeaders(b"x-request-id") if self.requests else None
        identity = request_id_of(given).encode()
        headers.append((b"X-Request-ID", identity))
        lines = [b"HTTP/1.1 %d %b" % (status, status.phrase.encode()), *(b"%b: %b" % pair for pair in headers)]
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        self.transport.loseWriteConnection()
        self.clearLineBuffer()
        self.setRawMode()
        self.setTimeout(LINGER_SECONDS)
        seconds = time.monotonic() - self.requests[-1].arrival if self.requests else 0.0
        log_answer(getattr(self, "_command", b"-"), uri, status, seconds, len(body), {"request_id": identity.decode()})

    def write_at_once(self, data: bytes) -> None:
        """Like `write`, for half the processor time: Twisted's goes around the event loop for every small piece."""
        sent = 0
        if not self.unsent():
            try:
                sent = self.transport.socket.send(data)
            except OSError:  # the socket is full or gone: Twisted's way finds out which
                sent = 0
        if sent < len(data):
            self.transport.write(data[sent:])

    def unsent(self) -> int:
        transport = self.transport
        return int(transport._tempDataLen + len(transport.dataBuffer) - transport.offset)


class Request(WebRequest):
    """One request and its answer."""

    channel: Any = None
    received = 0
    request_id = ""
    state: dict[str, Any] | None = None  # what the application learns of the caller

    def __init__(self, channel: Channel, queued: object = False) -> None:
        # The application parses forms itself: Twisted's own parsing would double their memory.
        super().__init__(channel, queued, parsePOSTFormSubmission=False)
        self.arrival = time.monotonic()

    def handleContentChunk(self, data: bytes) -> None:
        self.received += len(data)
        if self.received > self.channel.factory.body_limit:
            self.channel.refuse_body()
        else:
            super().handleContentChunk(data)

    def check_timeouts(self) -> None:
        if self.path is None and self.channel and time.monotonic() - self.arrival > BODY_SECONDS:
            self.channel.timeoutConnection()

    def process(self) -> None:
        # Daphne lets any caller set Django's script name with this header.
        self.requestHeaders.removeHeader(b"daphne-root-path")
        if self.requestHeaders.hasHeader(b"transfer-encoding"):
            # Frameworks read as many bytes as this header says, and none without it.
            self.requestHeaders.removeHeader(b"transfer-encoding")
            self.requestHeaders.setRawHeaders(b"content-length", [b"%d" % self.received])
        self.request_id = request_id_of(self.requestHeaders.getRawHeaders(b"x-request-id"))
        self.setHeader(b"X-Request-ID", self.request_id.encode())
        super().process()
        if self.transport is None:
            self.channel.factory.channels.discard(self.channel)  # it has become a websocket's

    async def send(self, message: dict[str, Any]) -> None:
        if self.chunked and message["type"] == "http.response.body" and message.get("more_body"):
            body = message.get("body")
            if body and self.channel is not None:
                self.sentLength += len(body)
                self.channel.write_at_once(b"%x\r\n%b\r\n" % (len(body), body))
                if self.channel.unsent() > MOST_UNSENT:
                    await self.caught_up()
        else:
            await self.server.handle_reply(self, message)

    async def caught_up(self) -> None:
        """Waits for a reader who is behind, so that a large answer is not in memory whole; gives up one who stands."""
        before, since = math.inf, time.monotonic()
        while self.channel and (unsent := self.channel.unsent()) > MOST_UNSENT:
            if unsent < before:
                before, since = unsent, time.monotonic()
            elif time.monotonic() - since > READ_SECONDS:
                self.channel.transport.abortConnection()
                return
            await asyncio.sleep(0.02)

    def handle_reply(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start" and self.server.stopping and self.channel:
            self.channel.persistent = False
            self.setHeader(b"connection", b"close")
        super().handle_reply(message)

    def handle_exception(self, exception: BaseException | None) -> None:  # noqa: ARG002
        """End an answer that the application left unfinished."""
        if self.server.stopping:
            self.basic_error(503, b"", "The server is stopping: try again in a moment.")
        else:
            self.basic_error(500, b"", "")

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:  # noqa: ARG002
        if self.channel is None:
            return
        self.channel.persistent = False
        if self.startedWriting:
            self.channel.loseConnection()  # without the last chunk, or half an answer would look like a whole one
            return
        if status == HTTPStatus.BAD_REQUEST:
            body = f"The request is malformed: {body[:1].lower()}{body[1:]}."
        elif status == HTTPStatus.INTERNAL_SERVER_ERROR:
            body = "The server could not answer: try again later."
        headers, content = error_answer(self.uri, body)
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers.append((b"Retry-After", b"5"))
        self._response_started = False
        self.responseHeaders = Headers()
        self.setHeader(b"X-Request-ID", self.request_id.encode())
        self.handle_reply({"type": "http.response.start", "status": status, "headers": headers})
        self.handle_reply({"type": "http.response.body", "body": content})

    def connectionLost(self, reason: Failure) -> None:
        if self._response_started and not self.finished:
            self.log_answer(cut_short=True)
        super().connectionLost(reason)

    def log_answer(self, *, cut_short: bool = False) -> None:
        about = {"request_id": self.request_id, "email": (self.state or {}).get("email")}
        if cut_short:
            about["cut_short"] = True
        log_answer(self.method, self.uri, self.code, self.duration(), self.sentLength, about)


def error_answer(uri: bytes, sentence: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers and body: the API's envelope, unless the address is known to be elsewhere."""
    if uri.startswith(b"/") and not uri.startswith(b"/api/"):
        kind, body = b"text/plain; charset=utf-8", f"{sentence}\n".encode()
    else:
        kind, body = b"application/json", json.dumps({"success": False, "error": sentence}).encode()
    headers = [
        (b"Content-Type", kind),
        (b"Content-Length", b"%d" % len(body)),
        (b"Access-Control-Allow-Origin", b"*"),
        (b"Connection", b"close"),
    ]
    return headers, body


def printable(uri: bytes) -> str:
    """The path, shortened, without the query (which may hold anything) and without control characters."""
    return quote(uri.split(b"?", 1)[0][:200], safe="/%:@!$&'()*+,;=~")


def log_answer(method: bytes, uri: bytes, status: int, seconds: float, size: int, about: dict[str, Any]) -> None:
    path, milliseconds, verb = printable(uri), seconds * 1000, method.decode()
    metrics.request_answered(verb, path, status, seconds)
    # Somebody asks for these every few seconds.
    level = logging.DEBUG if path in _ASKED_ALL_THE_TIME else logging.INFO
    if not access_logger.isEnabledFor(level):
        return
    fields = {"method": verb, "path": path, "status": status, "duration_ms": round(milliseconds), "bytes": size}
    note = ", cut short" if "cut_short" in about else ""
    known = {name: value for name, value in about.items() if value}
    words = (verb, path, status, milliseconds, size, note)
    access_logger.log(level, "%s %s %d %.0f ms %d bytes%s", *words, extra=fields | known)
