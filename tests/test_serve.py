"""manage.py serve: how it starts, what it prints, how it ends, and what is there after a bad end."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psutil
import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pydantic import SecretStr
from pytest_django import Settings

from ccagent import bootstrap
from ccagent.embedded_backend.sockets import listener
from tests.conftest import KEY, ROOT, Serve, Server, chunks, free_port
from tests.fake_provider import FakeProvider, Gate, closed_port, text

Start = Callable[..., Server]


@pytest.fixture(scope="module")
def new_database(serve: Serve) -> Iterator[Callable[[], str]]:
    """Makes an empty database, on a Postgres that a server then knows by its address only."""
    names: list[str] = []
    url = serve().database_url

    def make() -> str:
        names.append(f"serve_{uuid.uuid4().hex}")
        with psycopg.connect(url, autocommit=True) as postgres:
            postgres.execute(f"CREATE DATABASE {names[-1]}".encode())
        return urlsplit(url)._replace(path=f"/{names[-1]}").geturl()

    yield make
    with psycopg.connect(url, autocommit=True) as postgres:
        for name in names:
            postgres.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="module")
def database_url(new_database: Callable[[], str]) -> str:
    return new_database()


def environment(**variables: str) -> dict[str, str]:
    port = free_port()
    return os.environ | {"PORT": port, "APP_URL": f"http://localhost:{port}"} | variables


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts a server that a test may end as it likes."""
    servers: list[Server] = []

    def started(**variables: str) -> Server:
        servers.append(Server(environment(**variables), tmp_path_factory.mktemp("server") / "log"))
        return servers[-1]

    yield started
    for server in servers:
        if server.process.poll() is None:
            server.stop()


def refused(**variables: str) -> str:
    """What a start that is refused says."""
    command = [sys.executable, "manage.py", "serve"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(**variables), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode not in (0, None)
    return done.stdout + done.stderr


def log_in(url: str, name: str, password: str) -> httpx2.Client:
    browser = httpx2.Client(base_url=url, follow_redirects=True, timeout=30)
    page = browser.get("/admin/login/")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert token
    form = {"csrfmiddlewaretoken": token[1], "username": name, "password": password}
    browser.post("/admin/login/", data=form, headers={"Referer": f"{url}/admin/login/"})
    return browser


def is_logged_in(browser: httpx2.Client) -> bool:
    return browser.get("/admin/").url.path == "/admin/"


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as postgres:
        return postgres.execute(query.encode()).fetchall()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# A start, an end by Ctrl-C and a second start.


@dataclass
class TwoStarts:
    first: str
    second: str
    exit_code: int
    password: str
    browser: httpx2.Client
    server: Server


@pytest.fixture(scope="module")
def two_starts(start: Start, new_database: Callable[[], str]) -> TwoStarts:
    server = start(DATABASE_URL=new_database())
    first = server.output
    printed = re.search(r"Password, shown this once: (\S+)", first)
    password = printed[1] if printed else ""
    browser = log_in(server.url, "admin@localhost", password)
    assert is_logged_in(browser)
    server.process.send_signal(signal.SIGINT)
    exit_code = server.process.wait(30)
    server.start()
    return TwoStarts(first, server.output[len(first) :], exit_code, password, browser, server)


def test_a_start_prints_the_addresses_worth_opening(two_starts: TwoStarts) -> None:
    address = two_starts.server.env["APP_URL"]
    for output in (two_starts.first, two_starts.second):
        assert f"{address}/api/chat/message\n" in output
        assert f"{address}/admin/\n" in output


def test_the_first_start_prints_the_operator_and_a_password(two_starts: TwoStarts) -> None:
    assert "Operator: admin@localhost\n" in two_starts.first
    assert len(two_starts.password) >= 12


def test_the_second_start_prints_no_password(two_starts: TwoStarts) -> None:
    assert "Password" not in two_starts.second
    assert two_starts.password not in two_starts.second


def test_no_start_prints_a_secret(two_starts: TwoStarts) -> None:
    secrets = {KEY, urlsplit(two_starts.server.env["DATABASE_URL"]).password}
    assert not [secret for secret in secrets if secret and secret in two_starts.first + two_starts.second]


def test_ctrl_c_is_a_proper_end(two_starts: TwoStarts) -> None:
    assert two_starts.exit_code == 0
    assert "Traceback" not in two_starts.first + two_starts.second


def test_who_was_logged_in_still_is(two_starts: TwoStarts) -> None:
    assert is_logged_in(two_starts.browser)


def test_a_wrong_password_opens_nothing(two_starts: TwoStarts) -> None:
    assert not is_logged_in(log_in(two_starts.server.url, "admin@localhost", f"{two_starts.password}x"))


def test_the_operator_may_be_given(start: Start, new_database: Callable[[], str]) -> None:
    given = {"ADMIN_EMAIL": "ann@example.com", "ADMIN_PASSWORD": "correct horse"}
    server = start(DATABASE_URL=new_database(), **given)
    assert "Operator: ann@example.com\n" in server.output
    assert "horse" not in server.output
    assert is_logged_in(log_in(server.url, "ann@example.com", "correct horse"))


def test_two_may_start_at_the_same_moment_on_one_database(start: Start, new_database: Callable[[], str]) -> None:
    url = new_database()
    with ThreadPoolExecutor(2) as pool:
        servers = list(pool.map(lambda _: start(DATABASE_URL=url), range(2)))
    assert [server.client("a@b.co").get("/api/chat/history").status_code for server in servers] == [200, 200]
    assert sum("Password" in server.output for server in servers) == 1
    assert rows(url, "SELECT count(*) FROM auth_user") == [(1,)]


# A start that is refused.


def test_without_a_key_the_start_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "storage"
    said = refused(INTERNAL_API_KEY="", PERSISTENT_STORAGE_DIR=str(folder))
    assert "INTERNAL_API_KEY is not set" in said
    assert "Traceback" not in said
    assert not folder.exists()


def test_a_port_in_use_is_told_in_a_sentence(database_url: str) -> None:
    with socket.create_server(("", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = refused(DATABASE_URL=database_url, PORT=port)
    assert f"cannot listen on port {port}" in said
    assert "Traceback" not in said


def test_a_malformed_variable_is_told_in_a_sentence() -> None:
    assert refused(DRAIN_SECONDS="soon").startswith("error: DRAIN_SECONDS is malformed: ")


def test_a_database_that_does_not_answer_is_told_with_the_reason(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ENV = settings.ENV.model_copy(update={"database_url": SecretStr("postgresql://host/name")})
    monkeypatch.setattr(bootstrap, "_WAIT_SECONDS", 0)
    with closed_port() as address:
        parameters = {"host": "127.0.0.1", "port": urlsplit(address).port}
        monkeypatch.setattr(connection, "get_connection_params", lambda: parameters)
        with pytest.raises(CommandError, match=r"check DATABASE_URL: .*refused"):
            call_command("serve")


# Where it listens.


def listening_on(server: Server) -> set[str]:
    connections = psutil.Process(server.process.pid).net_connections("tcp")
    return {connection.laddr.ip for connection in connections if connection.status == psutil.CONN_LISTEN}


def test_in_development_only_this_machine_can_call(serve: Serve) -> None:
    assert listening_on(serve(DEV_MODE="true")) == {"127.0.0.1"}


def test_otherwise_every_address_is_listened_on(server: Server) -> None:
    assert listening_on(server) <= {"0.0.0.0", "::"}


# The end, and a bad one.


@pytest.fixture(scope="module")
def embedded(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A server with an embedded Postgres of its own; tests leave it running."""
    return start(PERSISTENT_STORAGE_DIR=str(tmp_path_factory.mktemp("storage")), DATABASE_URL="")


def postgres_of(server: Server) -> int | None:
    """The process number of the server's embedded Postgres."""
    lock = Path(server.env["PERSISTENT_STORAGE_DIR"]) / "postgres" / "server.lock"
    return listener(lock.read_text())


def test_sigterm_ends_it_together_with_its_postgres(embedded: Server) -> None:
    before = postgres_of(embedded)
    exit_code = embedded.stop()
    after = postgres_of(embedded)
    embedded.start()
    assert (exit_code, after) == (0, None)
    assert before


def test_after_a_kill_everything_said_is_still_there(embedded: Server, email: str) -> None:
    with embedded.client(email) as person:
        person.post("/api/chat/message", json={"message": "Hi"})
        before = person.get("/api/chat/history").json()
        embedded.kill()
        embedded.start()
        assert len(before["data"]) == 2
        assert person.get("/api/chat/history").json() == before


def test_its_postgres_is_started_again_should_it_die(embedded: Server, email: str) -> None:
    postgres = postgres_of(embedded)
    assert postgres
    os.kill(postgres, signal.SIGKILL)
    with embedded.client(email) as person:
        wait_until(lambda: person.get("/api/chat/history").status_code == 200)
    assert postgres_of(embedded) not in (None, postgres)


def test_an_answer_cut_short_by_a_kill_is_interrupted_with_the_text_it_had(
    start: Start, database_url: str, provider: FakeProvider, email: str
) -> None:
    gate = Gate()
    provider.replies(text("Once upon a time", gate=gate))
    model = {"PROVIDER_NAME": "fake", "PROVIDER_MODEL": "fake", "PROVIDER_BASE_URL": provider.base_url}
    server = start(DATABASE_URL=database_url, **model)
    with server.client(email) as person:
        gate.step(2)
        with person.stream("POST", "/api/chat/message/stream", json={"message": "Tell me"}) as response:
            next(chunks(response))
            wait_until(lambda: ("Once upon ",) in rows(database_url, "SELECT text FROM chat_message"))
            server.kill()
        age_heartbeats(database_url)
        server.start()
        streaming = "SELECT 1 FROM chat_message WHERE status = 'streaming'"
        wait_until(lambda: not rows(database_url, streaming))
        said = [message["content"][0]["text"] for message in person.get("/api/chat/history").json()["data"]]
    assert said == ["Tell me", "Once upon "]
    assert rows(database_url, "SELECT status FROM chat_message WHERE text = 'Once upon '") == [("interrupted",)]


def age_heartbeats(url: str) -> None:
    """As if the kill had been a minute ago."""
    with psycopg.connect(url) as postgres:
        postgres.execute("UPDATE chat_message SET heartbeat_at = heartbeat_at - interval '1 minute'")
