"""manage.py serve with embeddings: vectors are made beside the chat."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from tests import fake_provider as fake
from tests.conftest import ROOT, Serve, Server, free_port
from tests.fake_provider import FakeProvider

TEXT = "/api/context/text"


@pytest.fixture(scope="module")
def backend() -> Iterator[FakeProvider]:
    with FakeProvider() as backend:
        yield backend


class Database:
    """One whose owner, the agent's role, may create no extension."""

    def __init__(self, admin: str) -> None:
        self.name = f"modest_{uuid.uuid4().hex}"
        self.admin = urlsplit(admin)
        with psycopg.connect(admin, autocommit=True) as postgres:
            postgres.execute(f"CREATE ROLE {self.name} LOGIN PASSWORD 'modest'".encode())
            postgres.execute(f"CREATE DATABASE {self.name} OWNER {self.name}".encode())

    @property
    def url(self) -> str:
        host = self.admin.netloc.rpartition("@")[2]
        return self.admin._replace(netloc=f"{self.name}:modest@{host}", path=f"/{self.name}").geturl()

    def install_pgvector(self) -> None:
        with psycopg.connect(self.admin._replace(path=f"/{self.name}").geturl(), autocommit=True) as postgres:
            postgres.execute("CREATE EXTENSION vector")

    def vectors(self) -> int:
        """How many there are; 0 without a table."""
        with psycopg.connect(self.url) as postgres:
            names = postgres.execute("SELECT tablename FROM pg_tables WHERE tablename ~ '^context_vector_'").fetchall()
            counts = [postgres.execute(f"SELECT count(vector) FROM {name}".encode()).fetchone() for (name,) in names]
        return sum(count[0] for count in counts if count)

    def drop(self) -> None:
        with psycopg.connect(self.admin.geturl(), autocommit=True) as postgres:
            postgres.execute(f"DROP DATABASE {self.name} WITH (FORCE)".encode())
            postgres.execute(f"DROP ROLE {self.name}".encode())


@pytest.fixture
def database(serve: Serve) -> Iterator[Database]:
    admin = serve().database_url
    with psycopg.connect(admin) as postgres:
        if not postgres.execute("SELECT FROM pg_available_extensions WHERE name = 'vector'").fetchall():
            pytest.skip("this Postgres has no pgvector")
    database = Database(admin)
    yield database
    database.drop()


@pytest.fixture
def variables(database: Database, backend: FakeProvider) -> dict[str, str]:
    return {
        "DATABASE_URL": database.url,
        "EMBEDDINGS": "provider",
        "EMBEDDINGS_PROVIDER": "fake",
        "EMBEDDINGS_MODEL": "model",
        "EMBEDDINGS_BASE_URL": backend.base_url,
        "EMBEDDINGS_API_KEY": "sk-a-secret",
    }


@pytest.fixture
def start(variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Server]]:
    servers: list[Server] = []

    def started() -> Server:
        environment = os.environ | {"PORT": free_port(), "DATABASE_POOL_SIZE": "5"} | variables
        servers.append(Server(environment, tmp_path_factory.mktemp("server") / "log"))
        return servers[-1]

    yield started
    for server in servers:
        server.stop()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def reindex(variables: dict[str, str]) -> tuple[int, str]:
    """The exit code, and what it said."""
    command = [sys.executable, "manage.py", "reindex_context"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


def add(server: Server, text: str) -> None:
    with server.client("ann@example.com") as person:
        assert person.post(TEXT, json={"text": text}).status_code == 200


def test_without_pgvector_it_serves_until_pgvector_appears(
    start: Callable[[], Server], variables: dict[str, str], database: Database
) -> None:
    server = start()
    add(server, "Snails eat salad.")
    wait_until(lambda: "may not create the extension vector" in server.output)
    assert reindex(variables)[0] == 1
    database.install_pgvector()
    assert reindex(variables)[0] == 0
    assert database.vectors() == 1


def test_a_gap_that_a_failing_backend_left_is_filled(
    start: Callable[[], Server], database: Database, backend: FakeProvider
) -> None:
    backend.embedding_replies(fake.status(429, retry_after=0.2), fake.status(503, retry_after=0.2))
    database.install_pgvector()
    server = start()
    add(server, "Snails eat salad.")
    wait_until(lambda: database.vectors() == 1)
    assert "The embeddings backend is busy." in server.output
    assert "sk-a-secret" not in server.output


def test_it_ends_in_time_while_a_backend_is_silent(
    start: Callable[[], Server], database: Database, backend: FakeProvider
) -> None:
    backend.embedding_requests.clear()
    backend.embedding_replies(fake.silence())
    database.install_pgvector()
    server = start()
    add(server, "Snails eat salad.")
    wait_until(lambda: bool(backend.embedding_requests))
    server.process.terminate()
    assert server.process.wait(15) == 0
    assert "Traceback" not in server.output


def test_an_answer_is_given_what_is_near_in_meaning_without_a_word_in_common(
    start: Callable[[], Server], database: Database
) -> None:
    database.install_pgvector()
    server = start()
    # Search by words leaves all of these out, they are too common; the vectors of the tests do not.
    add(server, "He was there with them again.")

    def found() -> bool:
        with server.client("ann@example.com") as person:
            answer = person.post("/api/chat/message", json={"message": "Was he there again, with them?"}).json()
        return "sources" in answer["data"]

    wait_until(found)
