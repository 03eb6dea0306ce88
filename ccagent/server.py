# mypy: allow-subclassing-any, allow-untyped-calls
"""Daphne as this project runs it: its start, and an end that loses nothing.

Importing this module installs Twisted's reactor, so only the `serve` command does.
"""

import asyncio
import ipaddress
import logging
import signal
import time
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from autobahn.exception import Disconnected
from daphne.server import Server as DaphneServer
from daphne.server import globalLogBeginner, reactor, twisted_loop
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.internet.error import CannotListenError

from ccagent.observability.logs import request_id
from ccagent.server_http import Factory, Request, printable

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 2.0
"""What answers have at least to reach their readers at the end; more, up to five times, where draining left time."""
CANCEL_SECONDS = 1.0

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]
Drain = Callable[[], Coroutine[Any, Any, None]]


class ServerError(Exception):
    """The server cannot start; the message is one sentence for the operator."""


def run(
    application: Application,
    *,
    host: str,
    port: int,
    body_limit: int,
    on_ready: Callable[[], None],
    drain: Drain | None,
    drain_seconds: float,
    proxies: int = 0,
) -> None:
    """Serve until SIGTERM or SIGINT, then let `drain` finish what runs, and return.

    `body_limit` is in bytes. The first signal starts `drain`, which has `drain_seconds`; meanwhile requests are
    still answered, with `{"draining": True}` in their scope's "state". A second signal cuts it short. Signals stay
    ignored afterwards, so that the caller can stop what else it started. `proxies` says how many proxies stand in
    front: the client's address is that entry of X-Forwarded-For, counted from the right.
    """
    Server(application, body_limit, drain, drain_seconds, proxies).serve(host, port, on_ready)


class Server(DaphneServer):
    """Starts, ends, and gives each request its run of the application."""

    def __init__(
        self, application: Application, body_limit: int, drain: Drain | None, drain_seconds: float, proxies: int
    ) -> None:
        super().__init__(application, endpoints=["opened by serve()"], request_buffer_size=65536, server_name="")
        self.drain, self.drain_seconds, self.proxies = drain, drain_seconds, proxies
        self.stopping: asyncio.Task[None] | None = None
        self.hurry = asyncio.Event()
        self.connections: dict[Any, dict[str, Any]] = {}
        self.http_factory = Factory(self, body_limit)
        self.ws_factory = WebSocketFactory(self, server="")
        self.ws_factory.setProtocolOptions(
            autoPingTimeout=self.ping_timeout,
            allowNullOrigin=True,
            openHandshakeTimeout=self.websocket_handshake_timeout,
            closeHandshakeTimeout=FLUSH_SECONDS,
            maxMessagePayloadSize=self.websocket_max_message_size,
            maxFramePayloadSize=self.websocket_max_frame_size,
        )

    def serve(self, host: str, port: int, on_ready: Callable[[], None]) -> None:
        globalLogBeginner.beginLoggingTo([log_twisted], redirectStandardIO=False, discardBuffer=True)
        try:
            self.listener = reactor.listenTCP(port, self.http_factory, backlog=1024, interface=host)
        except CannotListenError as error:
            reason = (getattr(error.socketError, "strerror", None) or "unknown reason").lower()
            raise ServerError(f"The server cannot listen on port {port} of {host or '0.0.0.0'}: {reason}.") from error
        reactor.callLater(1, self.application_checker)
        reactor.callLater(2, self.timeout_checker)
        for number in (signal.SIGTERM, signal.SIGINT):
            twisted_loop.add_signal_handler(number, self.stop)
        on_ready()
        reactor.run(installSignalHandlers=False)

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> asyncio.Queue[dict[str, Any]]:
        scope["asgi"] = {"version": "3.0"}
        scope["root_path"] = ""  # Daphne takes it from a header that anybody may send
        scope["state"] = {"draining": self.stopping is not None, "request_id": ""}
        if isinstance(protocol, Request):
            scope["state"]["request_id"] = protocol.request_id
            protocol.state = scope["state"]
        if self.proxies:
            scope["client"] = forwarded_client(scope["headers"], self.proxies) or scope["client"]
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        task = twisted_loop.create_task(self.answer(protocol, scope, queue.get))
        self.connections[protocol]["application_instance"] = task
        return queue

    async def answer(self, protocol: Any, scope: dict[str, Any], receive: Callable[[], Any]) -> None:
        request_id.set(scope["state"]["request_id"])
        send = protocol.send if isinstance(protocol, Request) else partial(self.handle_reply, protocol)
        try:
            await self.application(scope, receive, send)
        except Exception as error:  # whatever the application's bug is, its caller gets an answer
            log_failure(f"The application failed on {printable(scope['raw_path'])}", error)
            protocol.handle_exception(error)
        finally:
            if isinstance(protocol, Request):
                protocol.handle_exception(None)

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        with suppress(Disconnected):  # said to a websocket that is just closing
            await super().handle_reply(protocol, message)

    def protocol_disconnected(self, protocol: Any) -> None:
        if protocol in self.connections:
            super().protocol_disconnected(protocol)

    def stop(self) -> None:
        """The first call drains, the second one ends the draining."""
        if self.stopping is None:
            logger.info("Stopping: what runs has up to %g seconds to finish.", self.drain_seconds)
            self.stopping = twisted_loop.create_task(self.shut_down())
        else:
            self.hurry.set()

    async def shut_down(self) -> None:
        began = time.monotonic()
        try:
            if self.drain is not None:
                await self.unless_hurried(self.drain(), self.drain_seconds)
            self.listener.stopListening()
            left = self.drain_seconds - (time.monotonic() - began)
            await self.unless_hurried(self.flush(), min(max(left, FLUSH_SECONDS), 5 * FLUSH_SECONDS))
            await cancel_other_tasks()
        finally:
            reactor.stop()

    async def unless_hurried(self, work: Coroutine[Any, Any, None], seconds: float) -> None:
        task = asyncio.create_task(work)
        hurry = asyncio.create_task(self.hurry.wait())
        await asyncio.wait({task, hurry}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if not task.done():
            task.cancel()
        elif not task.cancelled() and (error := task.exception()):
            log_failure("The server's end is not as clean as it should be", error)

    async def flush(self) -> None:
        """Let answers reach their readers, closing each connection as it falls silent."""
        while True:
            websockets = [each for each in self.connections if isinstance(each, WebSocketProtocol)]
            for websocket in websockets:
                if websocket.state == WebSocketProtocol.STATE_OPEN:
                    websocket.sendCloseFrame(code=1001)
            for channel in list(self.http_factory.channels):
                if not any(request.application_queue for request in channel.requests):
                    channel.loseConnection()
            if all("disconnected" in self.connections[each] for each in websockets) and not self.http_factory.channels:
                return
            await asyncio.sleep(0.02)


def forwarded_client(headers: Iterable[tuple[bytes, bytes]], proxies: int) -> list[Any] | None:
    values = b",".join(value for name, value in headers if name == b"x-forwarded-for").split(b",")
    with suppress(IndexError, ValueError):
        return [str(ipaddress.ip_address(values[-proxies].strip().decode("latin-1"))), 0]
    return None


async def cancel_other_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=CANCEL_SECONDS)
    await asyncio.get_running_loop().shutdown_asyncgens()


def log_failure(what: str, error: BaseException) -> None:
    """Type and trace, but not the message: it may quote what a person wrote."""
    logger.error("%s: %s\n%s", what, type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))


def log_twisted(event: dict[str, Any]) -> None:
    if failure := event.get("log_failure"):
        log_failure("The server failed", failure.value)
