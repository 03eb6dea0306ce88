"""Real tool servers for tests: the official SDK's server over real HTTP, and ways of being a bad one."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from mcp.server.mcpserver import Image, MCPServer

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


def wiki() -> MCPServer:
    """A server with tools of every kind."""
    server = MCPServer("wiki")

    @server.tool()
    def search(query: str, limit: int = 3) -> str:
        """Searches the wiki."""
        return f"{limit} pages about {query}"

    @server.tool()
    def fail() -> str:
        """Always fails."""
        raise RuntimeError("the wiki is closed")

    @server.tool(structured_output=False)
    def picture() -> list[Any]:
        """Gives a picture and a word."""
        return ["A snail:", Image(data=b"x" * 3000, format="png")]

    @server.tool(structured_output=False)
    def huge(size: int) -> str:
        """Gives much."""
        return "x" * size

    @server.tool(name="page.by title!")
    def page_by_title(title: str) -> dict[str, str]:
        """Gives a page."""
        return {"title": title}

    @server.tool()
    async def sleep(seconds: float) -> str:
        """Takes its time."""
        await asyncio.sleep(seconds)
        return "done"

    return server


@dataclass
class Running:
    """``requests`` are the JSON-RPC methods that came, with the header ``authorization`` of each in ``secrets``.

    ``old`` makes it a server of before 2026, which knows sessions only; ``status`` is given instead of any answer.
    """

    port: int = 0
    requests: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    old: bool = False
    forgetful: bool = False
    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"


class _Watched:
    """Notes what comes in, and answers as ``Running`` says."""

    def __init__(self, app: Any, running: Running) -> None:
        self._app = app
        self._running = running

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        method = json.loads(body)["method"] if body else scope["method"]
        headers = dict(scope["headers"])
        self._running.requests.append(method)
        self._running.secrets.append(headers.get(b"authorization", b"").decode())
        status = self._running.status
        if self._running.old and method == "server/discover":
            status = 400
        if self._running.forgetful and b"mcp-session-id" in headers:
            self._running.forgetful, status = False, 404
        if status:
            await send({"type": "http.response.start", "status": status, "headers": self._running.headers})
            await send({"type": "http.response.body", "body": b""})
            return
        given = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def replay() -> dict[str, Any]:
            return next(given, None) or await receive()

        await self._app(scope, replay, send)


@contextmanager
def running(server: MCPServer, **how: Any) -> Iterator[Running]:
    """The server on a port of this machine, in a thread of its own."""
    state = Running(**how)
    app = _Watched(server.streamable_http_app(), state)
    config = uvicorn.Config(app, host="127.0.0.1", port=state.port, log_level="critical", lifespan="on")
    process = uvicorn.Server(config)
    thread = threading.Thread(target=process.run, daemon=True)
    thread.start()
    while not process.started:
        assert thread.is_alive()
        threading.Event().wait(0.01)
    state.port = process.servers[0].sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        process.force_exit = process.should_exit = True
        thread.join(10)
