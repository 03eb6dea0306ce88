"""The database goes away and comes back: the API says so within seconds, and recovers by itself."""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from tests.conftest import Serve, Server, chunks, free_port
from tests.fake_provider import FakeProvider, Gate, text

CALLS = [
    ("GET", "/api/chat/history"),
    ("POST", "/api/chat/message"),
    ("POST", "/api/chat/message/stream"),
    ("POST", "/api/context/text"),
]
BODY = {"message": "Hi", "text": "Some words to know."}
SENTENCE = "The database cannot be reached at the moment: try again in a few seconds."


class Line:
    """A TCP line to a Postgres, which a test can cut and mend."""

    def __init__(self, database_url: str) -> None:
        self._parameters: dict[str, Any] = psycopg.conninfo.conninfo_to_dict(database_url)
        self._port = int(free_port())
        self._ends: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.mend()

    @property
    def url(self) -> str:
        user, password, name = (self._parameters[part] for part in ("user", "password", "dbname"))
        return f"postgresql://{user}:{password}@127.0.0.1:{self._port}/{name}"

    def cut(self) -> None:
        """Ends all connections and refuses new ones."""
        self._run(self._cut())

    def mend(self) -> None:
        self._run(self._listen())

    def close(self) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        if not self._server:
            self._server = await asyncio.start_server(self._connect, "127.0.0.1", self._port)

    async def _cut(self) -> None:
        if self._server:
            self._server.close()
            self._server = None
        for end in list(self._ends):
            end.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self._parameters["host"], self._parameters.get("port", "5432")
        if host.startswith("/"):
            far_reader, far_writer = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
        self._ends |= {writer, far_writer}
        await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))
        self._ends -= {writer, far_writer}

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()


@pytest.fixture(scope="module")
def line(serve: Serve) -> Iterator[Line]:
    line = Line(serve().database_url)
    yield line
    line.close()


@pytest.fixture(scope="module")
def connected(line: Line, _provider: FakeProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    variables = {"PROVIDER_NAME": "fake", "PROVIDER_MODEL": "fake", "PROVIDER_BASE_URL": _provider.base_url}
    env = os.environ | variables | {"PORT": free_port(), "DATABASE_URL": line.url, "DATABASE_POOL_SIZE": "4"}
    server = Server(env, Path(tmp_path_factory.mktemp("connected")) / "log")
    yield server
    server.stop()


@pytest.fixture
def person(line: Line, connected: Server, email: str, provider: FakeProvider) -> Iterator[httpx2.Client]:  # noqa: ARG001
    """Somebody who asked once; afterwards everything is well again."""
    with connected.client(email) as client:
        client.post("/api/chat/message", json=BODY)
        yield client
        line.mend()
        wait_until_well(client)


@pytest.fixture
def outage(line: Line, person: httpx2.Client) -> Callable[[], None]:  # noqa: ARG001
    """The database is away; the function brings it back."""
    line.cut()
    return line.mend


def wait_until_well(person: httpx2.Client) -> None:
    deadline = time.monotonic() + 20
    while person.get("/api/chat/history").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def call(person: httpx2.Client, method: str, path: str) -> httpx2.Response:
    """Fails where there is no answer soon: the API promises one within about 3 s."""
    return person.request(method, path, json=BODY if method == "POST" else None, timeout=6)


def call_all(person: httpx2.Client, times: int) -> list[httpx2.Response]:
    """Calls every endpoint that often, all at once."""
    calls = CALLS * times
    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(lambda number: call(person, *calls[number]), range(len(calls))))


@pytest.mark.usefixtures("outage")
def test_every_endpoint_says_503_in_the_envelope_and_how_long_to_wait(person: httpx2.Client) -> None:
    for answer in call_all(person, 1):
        assert (answer.status_code, answer.headers["Content-Type"]) == (503, "application/json")
        assert answer.json() == {"success": False, "error": SENTENCE}
        assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.usefixtures("outage")
def test_many_callers_at_once_do_not_wait_for_each_other(person: httpx2.Client) -> None:
    assert {answer.status_code for answer in call_all(person, 8)} == {503}


@pytest.mark.usefixtures("outage")
@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/api/nothing", 404), ("DELETE", "/api/chat/message", 405)]
)
def test_what_needs_no_database_is_answered_as_always(
    person: httpx2.Client, method: str, path: str, status: int
) -> None:
    assert call(person, method, path).status_code == status


@pytest.mark.usefixtures("outage")
def test_the_process_is_alive_but_not_ready(person: httpx2.Client) -> None:
    assert call(person, "GET", "/livez").status_code == 200
    answer = call(person, "GET", "/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "database": "cannot be reached"})


@pytest.mark.usefixtures("outage")
@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_wrong_key_is_401_all_the_same(connected: Server, method: str, path: str) -> None:
    with connected.client(key="wrong") as stranger:
        assert call(stranger, method, path).status_code == 401


@pytest.mark.usefixtures("outage")
def test_the_log_tells_it_without_a_trace(person: httpx2.Client, connected: Server) -> None:
    before = len(connected.output)
    call(person, "GET", "/api/chat/history")
    assert "The database failed" in connected.output[before:]
    assert "Traceback" not in connected.output[before:]


def test_it_recovers_by_itself(person: httpx2.Client, outage: Callable[[], None]) -> None:
    assert call(person, "POST", "/api/chat/message").status_code == 503
    outage()
    wait_until_well(person)
    assert call(person, "POST", "/api/chat/message").status_code == 200
    assert len(person.get("/api/chat/history").json()["data"]) == 4


def test_a_moment_without_the_database_costs_no_more_than_a_moment(
    person: httpx2.Client, outage: Callable[[], None]
) -> None:
    outage()
    wait_until_well(person)
    assert {answer.status_code for answer in call_all(person, 2)} == {200}


@pytest.mark.parametrize("seconds", [0, 2])
def test_an_answer_outlives_an_outage(
    line: Line, person: httpx2.Client, provider: FakeProvider, seconds: float
) -> None:
    gate = Gate()
    provider.replies(text(["Hello ", "there"], gate=gate))
    gate.step()
    with person.stream("POST", "/api/chat/message/stream", json=BODY) as response:
        arriving = chunks(response)
        assert next(arriving) == {"chunk": "Hello "}
        line.cut()
        gate.open()
        assert next(arriving) == {"chunk": "there"}
        time.sleep(seconds)
        line.mend()
        assert not any(event["chunk"] or "error" in event for event in arriving)
    wait_until_well(person)
    assert person.get("/api/chat/history").json()["data"][-1]["content"] == [{"type": "text", "text": "Hello there"}]


def test_a_question_that_could_not_be_stored_is_not_answered(
    person: httpx2.Client, outage: Callable[[], None], provider: FakeProvider
) -> None:
    asked = len(provider.requests)
    call(person, "POST", "/api/chat/message")
    outage()
    wait_until_well(person)
    assert len(provider.requests) == asked
    assert len(person.get("/api/chat/history").json()["data"]) == 2
