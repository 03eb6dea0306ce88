"""What tests share: a storage folder, real servers, a fake provider, a person."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

# Before anything reads the settings. Each worker of a parallel run has a folder, and so a Postgres, of its own.
_STORAGE = tempfile.TemporaryDirectory(prefix="ccagent-tests-")
for _name in [
    name for name in os.environ if name.startswith(("PROVIDER_", "FALLBACK_", "EMBEDDINGS", "ADMIN_", "APP_", "OTEL_"))
]:
    del os.environ[_name]
os.environ |= {"PERSISTENT_STORAGE_DIR": _STORAGE.name, "INTERNAL_API_KEY": "test-key", "DEV_MODE": "false"}
# Not in pyproject.toml, where pytest-django would find it before this file is read.
os.environ["DJANGO_SETTINGS_MODULE"] = "ccagent.settings"

import django
import httpx2
import psycopg
import pytest
from django.db import connection
from fakeredis import TcpFakeServer

from ccagent.embedded_postgres import server_at
from tests.documented import check_is_documented
from tests.fake_provider import FakeProvider

django.setup()

# Fixtures; they import what needs the settings.
from tests.browser import browser, page, watch  # noqa: F401
from tests.chat_page import chat_server, visitor  # noqa: F401
from tests.internet import authority, fetcher, network, open_site, secure_site, site, sites  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent
KEY = "test-key"


@pytest.fixture(autouse=True)
def _no_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that would reach beyond this machine fails at once."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"A test tried to reach {address}.")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


class Server:
    """``manage.py serve`` as its users run it, in a process of its own."""

    def __init__(self, env: dict[str, str], log: Path, root: Path = ROOT) -> None:
        self.env = env
        self.root = root
        self.log = log
        self.url = f"http://127.0.0.1:{env['PORT']}"
        self.start()

    def start(self) -> None:
        """Returns once it answers."""
        with self.log.open("ab") as output:
            command = [sys.executable, "manage.py", "serve"]
            self.process = subprocess.Popen(command, cwd=self.root, env=self.env, stdout=output, stderr=output)
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx2.get(f"{self.url}/api/")
            except httpx2.TransportError:
                assert self.process.poll() is None, self.output
                assert time.monotonic() < deadline, self.output
                time.sleep(0.05)
            else:
                return

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text()

    @property
    def database_url(self) -> str:
        """Where its database is, which then runs until the tests end."""
        if url := self.env.get("DATABASE_URL"):
            return url
        details = server_at(Path(self.env["PERSISTENT_STORAGE_DIR"]) / "postgres").acquire()
        return f"postgresql://{details.user}:{details.password}@/ccagent?host={quote(details.host)}&port={details.port}"

    def client(self, email: str | None = None, key: str | None = KEY) -> httpx2.Client:
        """No answer may come that the OpenAPI document does not have."""
        headers = {"X-CC-API-KEY": key, "X-CC-EMAIL": email}
        given = {name: value for name, value in headers.items() if value is not None}
        hooks = {"response": [check_is_documented]}
        return httpx2.Client(base_url=self.url, headers=given, timeout=30, event_hooks=hooks)

    def kill(self) -> None:
        """As when the machine fails: nothing is tidied up."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """As the platform ends it; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def free_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return str(taken.getsockname()[1])


def _database_url() -> dict[str, str]:
    """With a DATABASE_URL of the developer's, servers get a database of their own there."""
    url = os.environ.get("DATABASE_URL")
    if not url:
        return {}
    name = f"ccagent_serve_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return {"DATABASE_URL": urlsplit(url)._replace(path=f"/{name}").geturl()}


Serve = Callable[..., Server]


@pytest.fixture(scope="session")
def _servers() -> dict[tuple[tuple[str, str], ...], Server]:
    """Those that run, by their variables."""
    return {}


@pytest.fixture(scope="session")
def serve(
    tmp_path_factory: pytest.TempPathFactory, _servers: dict[tuple[tuple[str, str], ...], Server]
) -> Iterator[Serve]:
    """Starts a server with further variables, once for each set of them: ``serve(ALLOW_ANONYMOUS="true")``."""
    database = _database_url()

    def start(**variables: str) -> Server:
        base_url = variables.get("PROVIDER_BASE_URL", "")
        assert "PROVIDER_NAME" not in variables or "//127.0.0.1" in base_url, "no test reaches a real provider"
        key = tuple(sorted(variables.items()))
        if key not in _servers:
            env = (
                os.environ
                | database
                | {"PORT": free_port(), "LOG_LEVEL": "INFO", "DATABASE_POOL_SIZE": "5"}
                | variables
            )
            _servers[key] = Server(env, tmp_path_factory.mktemp("server") / "log")
        return _servers[key]

    yield start
    for server in _servers.values():
        server.stop()


@pytest.fixture(autouse=True)
def _knows_nothing(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test gives the servers to know is gone after it: the next one's prompts must not depend on the order."""
    yield
    if "serve" not in request.fixturenames:
        return
    running: dict[tuple[tuple[str, str], ...], Server] = request.getfixturevalue("_servers")
    own = {"DATABASE_URL", "PERSISTENT_STORAGE_DIR"}
    shared = next((server for variables, server in running.items() if own.isdisjoint(dict(variables))), None)
    if shared:
        with psycopg.connect(shared.database_url) as database:
            database.execute("DELETE FROM context_chunk")
            database.execute("DELETE FROM context_source")
            database.execute("DELETE FROM context_document")


@pytest.fixture(scope="session")
def _provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.fixture
def provider(_provider: FakeProvider) -> FakeProvider:
    """The provider that ``server`` asks; forgets script and record between tests."""
    _provider.reset()
    return _provider


@pytest.fixture
def server(serve: Serve, provider: FakeProvider) -> Server:
    """A server with a key and a model."""
    return serve(PROVIDER_NAME="fake", PROVIDER_MODEL="fake", PROVIDER_BASE_URL=provider.base_url)


@pytest.fixture
def email() -> str:
    """Somebody whom no other test knows."""
    return f"{uuid.uuid4().hex}@example.com"


@pytest.fixture
def person(server: Server, email: str) -> Iterator[httpx2.Client]:
    """Somebody in the chat window."""
    with server.client(email) as client:
        yield client


class Redis:
    """A Redis that can be stopped and started again, at the same address."""

    def __init__(self) -> None:
        self.port = int(free_port())
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        self._server = TcpFakeServer(("127.0.0.1", self.port))
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    redis = Redis()
    yield redis
    redis.stop()


@pytest.fixture(scope="session")
def _pair(serve: Serve, redis: Redis, _provider: FakeProvider) -> tuple[Server, Server]:
    model = {"PROVIDER_NAME": "fake", "PROVIDER_MODEL": "fake", "PROVIDER_BASE_URL": _provider.base_url}
    # http, so that the admin's cookies reach a browser without https.
    shared = {"REDIS_URL": redis.url, "CHAT_RATE": "3/min", "APP_URL": "http://localhost", **model}
    return serve(PORT=free_port(), **shared), serve(PORT=free_port(), **shared)


@pytest.fixture
def pair(_pair: tuple[Server, Server], provider: FakeProvider) -> tuple[Server, Server]:  # noqa: ARG001
    """Two processes with one database and one Redis."""
    return _pair


def chunks(response: httpx2.Response) -> Iterator[dict[str, object]]:
    """The events of an open stream, as they arrive."""
    for line in response.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line[6:])


def heard_until(events: Iterator[dict[str, object]], words: str) -> None:
    """Reads on until just these words have come, in however many events."""
    heard = ""
    while heard != words:
        heard += str(next(events)["chunk"])
        assert words.startswith(heard)


@pytest.fixture
def pgvector(db: None) -> None:  # noqa: ARG001
    """The test needs a Postgres with pgvector, as the embedded one is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector')")
        if not cursor.fetchone()[0]:
            pytest.skip("this Postgres has no pgvector")
