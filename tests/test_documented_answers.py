"""Every answer that the OpenAPI document names is one that the server gives, and its body is as the document says."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest

from tests import fake_provider as fake
from tests.conftest import KEY, Serve, Server, free_port
from tests.documented import check_body, check_is_documented, operations
from tests.fake_provider import FakeProvider, Gate
from tests.hostile_site import Site, page
from tests.test_database_down import Line
from tests.test_envelope import head, send

OPERATIONS = operations()
ANSWERS = [(name, int(status)) for name, (_, _, described) in OPERATIONS.items() for status in described["responses"]]
QUESTION = {"content": [{"type": "text", "text": "Hello"}]}
BODIES: dict[str, Any] = {"sendMessage": QUESTION, "streamMessage": QUESTION}
BODIES["addContextText"] = {"text": "George is the king of the jungle, and likes hats."}
HOLDS_NO_TEXT = {"text": "<!doctype html><html><head><script>1</script></head><body></body></html>"}
RATE = 3


class World(NamedTuple):
    well: Server
    hurt: Server
    line: Line
    provider: FakeProvider
    site: Site
    email: str

    def body(self, name: str) -> Any:
        return {"url": self.site.url("/page")} if name == "addContextFromUrl" else BODIES.get(name)

    def call(self, name: str, server: Server | None = None, **changes: Any) -> httpx2.Response:
        """The operation as it should be called, but for the changes."""
        method, path, _ = OPERATIONS[name]
        headers = {"X-CC-API-KEY": KEY, "X-CC-EMAIL": self.email} | changes.pop("headers", {})
        body = {"json": self.body(name)} if self.body(name) else {}
        sent = {"timeout": 30, **body, **changes, "headers": headers}
        return httpx2.request(method, (server or self.well).url + path, **sent)


@pytest.fixture
def well(serve: Serve, sites: tuple[Site, Site], provider: FakeProvider) -> Server:
    return serve(
        CHAT_RATE=f"{RATE}/min",
        CONTEXT_RATE=f"{RATE}/min",
        CONTEXT_URL_ALLOW=f"127.0.0.1:{sites[0].port}",
        PROVIDER_NAME="fake",
        PROVIDER_MODEL="fake",
        PROVIDER_BASE_URL=provider.base_url,
        PROVIDER_FIRST_BYTE_SECONDS="6",
        PROVIDER_RETRIES="0",
    )


@pytest.fixture(scope="module")
def hurt(
    serve: Serve, sites: tuple[Site, Site], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Line]]:
    """A server that lacks two of its tables, and the line to its database."""
    name = f"ccagent_hurt_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    url = urlsplit(serve().database_url)
    with psycopg.connect(url.geturl(), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    line = Line(url._replace(path=f"/{name}").geturl())
    variables = {"CONTEXT_URL_ALLOW": f"127.0.0.1:{sites[0].port}", "DATABASE_URL": line.url, "PORT": free_port()}
    server = Server(os.environ | variables, Path(tmp_path_factory.mktemp("hurt")) / "log")
    with psycopg.connect(line.url, autocommit=True) as connection:
        connection.execute("ALTER TABLE chat_conversation RENAME TO lost_conversation")
        connection.execute("ALTER TABLE context_document RENAME TO lost_document")
    yield server, line
    server.stop()
    line.close()


@pytest.fixture
def world(well: Server, hurt: tuple[Server, Line], provider: FakeProvider, site: Site, email: str) -> World:
    words = f"<html><body><article><p>George likes hats, says {email}.</p></article></body></html>"
    site.answers["/page"] = page(words.encode())
    return World(well, *hurt, provider, site, email)


@contextmanager
def answer_in_the_making(world: World) -> Iterator[None]:
    """It goes on until the block ends."""
    gate = Gate()
    gate.step()
    world.provider.replies(fake.text(["Hello ", "there"], gate=gate))
    with (
        world.well.client(world.email) as person,
        person.stream("POST", "/api/chat/message/stream", json=QUESTION) as stream,
    ):
        next(stream.iter_lines())
        yield
        gate.open()


def given(world: World, name: str, status: int) -> httpx2.Response:
    """The server's answer to what should bring about this status."""
    method, path, _ = OPERATIONS[name]
    match status:
        case 200:
            return good(world, name)
        case 204:
            return world.call(name)
        case 400:
            return world.call(name, headers={"X-CC-EMAIL": "nobody"})
        case 401:
            return world.call(name, headers={"X-CC-API-KEY": "wrong"})
        case 409:
            world.call(name, headers={"Idempotency-Key": "once"})
            other = {"content": [{"type": "text", "text": "Another question"}]}
            return world.call(name, headers={"Idempotency-Key": "once"}, json=other)
        case 411:
            return send(world.well, head(method, path))
        case 413:
            return send(world.well, head(method, path, "Content-Length: 99999999", "Content-Type: application/json"))
        case 415:
            return world.call(name, headers={"Content-Type": "text/plain"})
        case 422 if name in ("sendMessage", "streamMessage"):
            return world.call(name, json={"content": [{"type": "file", "name": "a.png", "base64": "iVBORw0KGgo="}]})
        case 422:
            nothing = HOLDS_NO_TEXT if name == "addContextText" else {"url": world.site.url("/nothing")}
            return world.call(name, json=nothing)
        case 429:
            return [world.call(name) for _ in range(RATE + 1)][-1]
        case 500:
            return at_last(world, name, 500)
        case 502 | 504:
            world.provider.replies(fake.status(500) if status == 502 else fake.silence())
            return world.call(name)
        case 503:
            world.line.cut()
            try:
                return world.call(name, world.hurt)
            finally:
                world.line.mend()
    raise AssertionError(f"nobody knows how {name} comes to {status}")


def good(world: World, name: str) -> httpx2.Response:
    if name not in ("joinAnswer", "stopAnswer"):
        return world.call(name)
    if name == "stopAnswer":
        with answer_in_the_making(world):
            return world.call(name)
    pieces: list[bytes] = []
    with answer_in_the_making(world), world.well.client(world.email) as other:
        request = other.build_request("GET", OPERATIONS[name][1])
        joined = other.send(request, stream=True)
        stream = joined.iter_raw()
        pieces.append(next(stream))
    return httpx2.Response(joined.status_code, headers=joined.headers, content=b"".join(pieces), request=request)


def at_last(world: World, name: str, status: int) -> httpx2.Response:
    """The database may have just come back."""
    deadline = time.monotonic() + 30
    while (answer := world.call(name, world.hurt)).status_code != status:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)
    return answer


@pytest.mark.parametrize(("name", "status"), ANSWERS, ids=lambda value: str(value))
def test_the_server_gives_each_documented_answer(world: World, name: str, status: int) -> None:
    answer = given(world, name, status)
    assert answer.status_code == status, answer.text
    method, path, described = OPERATIONS[name]
    answer.request = httpx2.Request(method, world.well.url + path)
    check_is_documented(answer)
    check_body(answer, described)


@pytest.mark.parametrize(
    ("name", "status"), [(name, status) for name, status in ANSWERS if status == 429], ids=lambda value: str(value)
)
def test_how_long_to_wait_is_told_as_documented(world: World, name: str, status: int) -> None:
    answer = given(world, name, status)
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert "Retry-After" in OPERATIONS[name][2]["responses"][str(status)]["headers"]
