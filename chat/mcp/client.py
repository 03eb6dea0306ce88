"""Sessions with tool servers; the SDK is imported by the first of them."""

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import httpx2

from chat.mcp.network import MAX_BYTES, GuardedTransport

if TYPE_CHECKING:
    from mcp.client import ClientSession
    from mcp_types import CallToolResult, Tool

logger = logging.getLogger(__name__)

OPEN_SECONDS = 10.0
LIST_SECONDS = 20.0
IDLE_SECONDS = 300.0
MAX_TOOLS = 128
"""Most tools of one server that are looked at."""
_TOO_LARGE = f"its answer is larger than {MAX_BYTES // 1_000_000} MB"


class ServerDown(Exception):
    """The server cannot be used; the message is the end of a sentence, for operators."""


class CallRefused(Exception):
    """The server took no call of this kind; the message is its own."""


@dataclass(frozen=True)
class ServerAddress:
    """What a session needs to know; equal ones may share a session."""

    name: str
    url: str
    header: tuple[str, str] | None
    allow_private: bool


async def list_tools(server: ServerAddress) -> "list[Tool]":
    """What the server offers, at most ``MAX_TOOLS``; raises ``ServerDown``."""
    from mcp_types import PaginatedRequestParams

    transport = GuardedTransport(server.allow_private)
    found: list[Tool] = []
    try:
        async with asyncio.timeout(LIST_SECONDS), _opened(server, transport) as session:
            cursor: str | None = None
            while len(found) < MAX_TOOLS:
                page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor) if cursor else None)
                found += page.tools
                cursor = page.next_cursor
                if not cursor:
                    break
    except TimeoutError:
        raise ServerDown(f"it does not answer within {LIST_SECONDS:g} seconds") from None
    except Exception as error:  # the SDK's own, a checker's, and groups of them: all the same to us
        raise ServerDown(transport.broken or _reason(transport, error)) from None
    return found[:MAX_TOOLS]


def _reason(transport: GuardedTransport, error: Exception) -> str:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return _TOO_LARGE if transport.too_large else f"it does not speak as a tool server does ({str(error)[:200]})"


async def call_tool(server: ServerAddress, name: str, arguments: dict[str, Any]) -> "CallToolResult":
    """Calls a tool in the kept session, or in a new one; raises ``ServerDown`` and ``CallRefused``."""
    try:
        return await _session(server).call(name, arguments)
    except _Expired:
        return await _session(server).call(name, arguments)


class _Expired(Exception):
    """The server has forgotten the session, and with it has not done what was asked."""


# A session belongs to the loop it was opened on.
_sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, "dict[ServerAddress, _Session]"] = WeakKeyDictionary()


def _session(server: ServerAddress) -> "_Session":
    kept = _sessions.setdefault(asyncio.get_running_loop(), {})
    if server not in kept:
        kept[server] = _Session(server)
    return kept[server]


class _Session:
    """An open session, kept by a task of its own: the SDK must be left in the task that entered it.

    It ends after 5 minutes without a call, or with the first sign that something is wrong with it; who calls then gets
    a new one.
    """

    def __init__(self, server: ServerAddress) -> None:
        self._server = server
        self._transport = GuardedTransport(server.allow_private)
        loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[ClientSession] = loop.create_future()
        self._leave = asyncio.Event()
        self._calls = 0
        self._timer: asyncio.TimerHandle | None = None
        # Not in the turn's context, which it outlives.
        self._task = loop.create_task(self._keep(), context=contextvars.Context())

    async def _keep(self) -> None:
        try:
            async with _opened(self._server, self._transport) as session:
                self._opened.set_result(session)
                await self._leave.wait()
        except (
            Exception,
            BaseExceptionGroup,
            asyncio.CancelledError,
        ) as error:  # the SDK's own, and groups of them: all the same to us
            reason = self._transport.broken or type(error).__name__
            logger.info("A session with the tool server %s ended: %s", self._server.name, reason)
        finally:
            self._retire()
            if not self._opened.done():
                self._opened.cancel()

    def _retire(self) -> None:
        """Lets those who call now finish, and nobody else begin."""
        kept = _sessions.get(asyncio.get_running_loop(), {})
        if kept.get(self._server) is self:
            del kept[self._server]
        if self._calls == 0:
            self._leave.set()

    async def call(self, name: str, arguments: dict[str, Any]) -> "CallToolResult":
        self._calls += 1
        if self._timer:
            self._timer.cancel()
        is_well = False
        try:
            result = await self._call(name, arguments)
            is_well = True
            return result
        except CallRefused:
            is_well = True
            raise
        finally:
            self._calls -= 1
            if is_well:
                self._timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._retire)
            else:
                # Also after a call that was given up: whether the server still answers shows at the next opening.
                self._retire()

    async def _call(self, name: str, arguments: dict[str, Any]) -> "CallToolResult":
        from mcp.shared.exceptions import MCPError
        from mcp_types import CallToolRequest, CallToolRequestParams, CallToolResult
        from pydantic import ValidationError

        session = await self._ready()
        request = CallToolRequest(params=CallToolRequestParams(name=name, arguments=arguments))
        try:
            # Not call_tool(): it would list the tools anew, and check the result against a stranger's schema.
            return await session.send_request(request, CallToolResult)
        except MCPError as error:
            if self._transport.broken:
                raise ServerDown(self._transport.broken) from None
            if self._transport.too_large:
                self._transport.too_large = False
                raise CallRefused(_TOO_LARGE) from None
            if _says_expired(error):
                raise _Expired from None
            raise CallRefused(error.message) from None
        except (ValidationError, RuntimeError) as error:
            raise CallRefused(f"its answer cannot be read ({type(error).__name__})") from None

    async def _ready(self) -> "ClientSession":
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                return await asyncio.shield(self._opened)
        except TimeoutError:
            self._task.cancel()
            raise ServerDown(f"it does not answer within {OPEN_SECONDS:g} seconds") from None
        except asyncio.CancelledError:
            if not self._opened.cancelled():
                raise
            raise ServerDown(self._transport.broken or "it does not speak as a tool server does") from None


def _says_expired(error: Any) -> bool:
    """Servers say so by a 404, which the SDK puts into words, or by words of their own."""
    said = error.message.lower()
    return "session" in said and any(
        word in said for word in ("terminated", "not found", "no valid", "expired", "invalid")
    )


@asynccontextmanager
async def _opened(server: ServerAddress, transport: GuardedTransport) -> "AsyncIterator[ClientSession]":
    from mcp.client import Client
    from mcp.client.streamable_http import streamable_http_client

    headers = {"Accept-Encoding": "identity", **dict([server.header] if server.header else [])}
    async with httpx2.AsyncClient(transport=transport, headers=headers, trust_env=False) as http:
        stream = streamable_http_client(server.url, http_client=http, max_sse_event_size=MAX_BYTES)
        async with Client(stream, cache=None) as client:
            yield client.session
