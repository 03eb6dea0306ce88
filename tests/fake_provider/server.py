"""The fake provider itself: an HTTP server in a thread of the test's process."""

import asyncio
import contextlib
import socket
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from .checks import problem_with
from .embeddings import embedding_problem, embeddings
from .http import LAST_CHUNK, Connection, Handle, http_chunk, http_head
from .replies import Ending, Gate, Reply, Response, echo
from .request import Request
from .vendors import OPENAI, VENDORS, Problem
from .wire import encode

MODELS = ("fake", "fake-small")


class FakeProvider:
    """Answers chat completions as scripted, in the order of the requests, and remembers what it was asked.

    It refuses malformed requests in its vendor's words; as `strict="mistralai"` (or any name of `VENDORS`) also what
    that vendor in particular refuses. A request refused so uses up no reply.
    """

    def __init__(self, *, strict: str | None = None, vendor: str | None = None) -> None:
        name = strict or vendor
        self.vendor = VENDORS[name] if name else OPENAI
        self.strict = strict is not None
        self.default: Reply = echo
        self.requests: list[Request] = []
        self.embedding_default: Reply = embeddings
        self.embedding_requests: list[Request] = []
        self._replies: deque[Reply] = deque()
        self._embedding_replies: deque[Reply] = deque()
        self._bugs: list[BaseException] = []
        self._arrived = threading.Condition()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    # For tests.

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def replies(self, *replies: Reply) -> None:
        """Queues replies for the coming chat requests; when none is left, the default answers."""
        self._replies.extend(replies)

    def embedding_replies(self, *replies: Reply) -> None:
        """The same for the coming requests of embeddings."""
        self._embedding_replies.extend(replies)

    def wait_for_requests(self, count: int = 1, timeout: float = 10.0) -> None:
        """Blocks until that many requests have come in all; TimeoutError after that many seconds."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.requests) >= count, timeout):
                raise TimeoutError(f"{len(self.requests)} of {count} requests came within {timeout} s")

    def reset(self) -> None:
        """Forgets the script and the record."""
        for script in (self._replies, self._embedding_replies):
            script.clear()
        for record in (self.requests, self.embedding_requests):
            record.clear()
        self.default, self.embedding_default = echo, embeddings

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._bugs and error is None:
            raise self._bugs[0]

    # In the server's thread.

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        connections: weakref.WeakSet[Connection] = weakref.WeakSet()
        server = await listen(self._handle, connections)
        self.port: int = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for connection in connections:
            connection.transport.abort()

    def _handle(self, connection: Connection, request: Request) -> asyncio.Task[None]:
        request.vendor = self.vendor
        task = asyncio.ensure_future(self._answer(connection, request))
        task.add_done_callback(lambda _: self._note_bug(task, connection))
        return task

    def _note_bug(self, task: asyncio.Task[None], connection: Connection) -> None:
        """A mistake in a reply's script fails the test instead of leaving its client waiting."""
        if not task.cancelled() and (bug := task.exception()):
            self._bugs.append(bug)
            connection.transport.abort()

    async def _answer(self, connection: Connection, request: Request) -> None:
        response = self._response_to(request)
        with self._arrived:
            # Apart, because they come when they like.
            is_embedding = request.path.endswith("/embeddings")
            (self.embedding_requests if is_embedding else self.requests).append(request)
            self._arrived.notify_all()
        await play(response, request, connection)

    def _response_to(self, request: Request) -> Response:
        match request.method, request.path.removeprefix("/v1"):
            case "POST", "/chat/completions":
                if problem := problem_with(request, strict=self.strict):
                    return self._refusal(problem)
                return (self._replies.popleft() if self._replies else self.default)(request)
            case "POST", "/embeddings":
                if problem := embedding_problem(request, strict=self.strict):
                    return self._refusal(problem)
                replies = self._embedding_replies
                return (replies.popleft() if replies else self.embedding_default)(request)
            case "GET", "/models":
                return Response([encode(self._models())])
        return self._refusal(self.vendor.problem("path", {"path": f"{request.method} {request.path}"}))

    def _refusal(self, problem: Problem) -> Response:
        return Response([encode(self.vendor.error(problem))], problem.status)

    def _models(self) -> dict[str, object]:
        if self.vendor.name == "cohere":
            return {"models": [{"name": name, "endpoints": ["chat"]} for name in MODELS]}
        models = [{"id": name, "object": "model", "created": int(time.time()), "owned_by": "us"} for name in MODELS]
        return {"object": "list", "data": models}


async def listen(handle: Handle, connections: weakref.WeakSet[Connection], port: int = 0) -> asyncio.Server:
    """Serves on a loopback port, a free one unless given, and keeps the open connections in the set."""

    def connect() -> Connection:
        connection = Connection(handle)
        connections.add(connection)
        return connection

    # The backlog must hold a whole burst: with the default of 100 the others would wait a second for their next try.
    return await asyncio.get_running_loop().create_server(connect, "127.0.0.1", port, backlog=2048)


async def play(response: Response, request: Request, connection: Connection) -> None:
    """Sends a response part by part; the head goes out with the first bytes."""
    is_stream = response.status == 200 and request.path.endswith("/chat/completions") and request.is_stream
    content_type = "text/event-stream; charset=utf-8" if is_stream else "application/json"
    head = http_head(response.status, {"content-type": content_type, **response.headers})
    for part in response.parts:
        if isinstance(part, bytes):
            await connection.send(head + (http_chunk(part) if part else b""))
            head = b""
        elif isinstance(part, Gate):
            await part.passed()
        elif part is Ending.CUT:
            return connection.cut()
        elif part is Ending.HANG:
            await asyncio.Event().wait()
        else:
            await asyncio.sleep(part)
    connection.transport.write(head + LAST_CHUNK)
    connection.finish()
    return None


@contextlib.contextmanager
def closed_port() -> Iterator[str]:
    """A base URL where connections are refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


@contextlib.contextmanager
def full_port() -> Iterator[str]:
    """A base URL where connections are neither accepted nor refused."""
    with contextlib.ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(2):
            caller = sockets.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
