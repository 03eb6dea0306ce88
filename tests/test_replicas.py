"""Two replicas behind a real proxy, with a real Redis and one Postgres. What is not installed is skipped."""

import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from redis import Redis, RedisError

from operators.doctor import stream
from tests.conftest import KEY, ROOT, Serve, Server, chunks, free_port
from tests.fake_provider import FakeProvider, Gate, text
from tests.test_live_view import WebSocket

DOCUMENT = (ROOT / "docs" / "deploy-docker.md").read_text()
STREAM = "/api/chat/message/stream"


def written(language: str) -> str:
    """The configuration as the document has it."""
    block: str = re.findall(rf"^```{language}\n(.+?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)[0]
    return block


def nginx(folder: Path, port: str, replicas: list[str]) -> list[str]:
    servers = "\n".join(f"server 127.0.0.1:{each};" for each in replicas)
    lines = (
        written("nginx").replace("server 127.0.0.1:3000;", servers).replace("listen 80;", f"listen 127.0.0.1:{port};")
    )
    lines = lines.replace(
        "server_name agent.example.com;", "server_name localhost; add_header X-Replica $upstream_addr;"
    )
    paths = "".join(f"{name}_temp_path {folder};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    # Else its workers are nobody, who may not write here.
    who = "user root;" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(
        f"{who} daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1; events {{}}\n"
        f"http {{ access_log off; {paths}\n{lines}\n}}"
    )
    return ["nginx", "-c", str(config), "-p", str(folder)]


def caddy(folder: Path, port: str, replicas: list[str]) -> list[str]:
    more = "\nlb_policy round_robin\nheader_down X-Replica {http.reverse_proxy.upstream.hostport}"
    addresses = " ".join(f"127.0.0.1:{each}" for each in replicas)
    lines = written("caddyfile").replace("agent.example.com", f"http://localhost:{port}")
    lines = lines.replace("reverse_proxy 127.0.0.1:3000 {", f"reverse_proxy {addresses} {{{more}")
    config = folder / "Caddyfile"
    config.write_text(f"{{\nadmin off\n}}\n{lines}")
    return ["caddy", "run", "--config", str(config), "--adapter", "caddyfile"]


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if not program:
        pytest.skip("no redis-server on this machine")
    port = free_port()
    with running([program, "--port", port, "--save", ""], tmp_path_factory.mktemp("redis")):
        redis = Redis(port=int(port))
        until(lambda: redis.ping(), RedisError)
        yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture(scope="module")
def replicas(serve: Serve, redis_server: str, _provider: FakeProvider) -> tuple[str, list[Server]]:
    """The proxy's port, and those behind it."""
    port = free_port()
    model = {"PROVIDER_NAME": "fake", "PROVIDER_MODEL": "fake", "PROVIDER_BASE_URL": _provider.base_url}
    shared = {"REDIS_URL": redis_server, "APP_URL": f"http://localhost:{port}", **model}
    return port, [serve(PORT=free_port(), **shared) for _ in range(2)]


@pytest.fixture(scope="module", params=[nginx, caddy], ids=["nginx", "caddy"])
def front(
    request: pytest.FixtureRequest, replicas: tuple[str, list[Server]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of the proxy."""
    if not shutil.which(request.param.__name__):
        pytest.skip(f"no {request.param.__name__} on this machine")
    port, servers = replicas
    folder = tmp_path_factory.mktemp("proxy")
    with running(request.param(folder, port, [server.env["PORT"] for server in servers]), folder):
        address = f"http://localhost:{port}"
        until(lambda: httpx2.get(f"{address}/api/"), httpx2.TransportError)
        yield address


class running:
    """A program for the length of a block."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.command, self.folder = command, folder

    def __enter__(self) -> None:
        with (self.folder / "log").open("wb") as log:
            environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin", "HOME": str(self.folder)}
            self.process = subprocess.Popen(self.command, cwd=self.folder, env=environment, stdout=log, stderr=log)

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(30)


def until(works: object, error: type[Exception]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            works()  # type: ignore[operator]
        except error:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


@pytest.fixture
def person(front: str, email: str) -> Iterator[httpx2.Client]:
    headers = {"X-CC-API-KEY": KEY, "X-CC-EMAIL": email}
    with httpx2.Client(base_url=front, headers=headers, timeout=30) as client:
        # Caddy asks every two seconds who is ready.
        until(lambda: both_answer(client), AssertionError)
        yield client


def both_answer(client: httpx2.Client) -> None:
    answers = [client.get("/readyz") for _ in range(4)]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.headers["X-Replica"] for answer in answers}) == 2


def told(events: Iterator[dict[str, object]]) -> str:
    return "".join(str(event["chunk"]) for event in events)


def test_an_answer_that_one_replica_makes_is_joined_at_the_other(person: httpx2.Client, provider: FakeProvider) -> None:
    gate = Gate()
    gate.step(2)
    provider.replies(text(["Once ", "upon ", "a ", "time"], gate=gate))
    with person.stream("POST", STREAM, json={"message": "Tell me"}) as asked:
        begun = next(here := chunks(asked))["chunk"]
        joined = elsewhere(person, asked.headers["X-Replica"])
        # While the answer is still being made.
        caught_up = next(there := chunks(joined))["chunk"]
        gate.open()
        assert f"{begun}{told(here)}" == f"{caught_up}{told(there)}" == "Once upon a time"
        joined.close()


def elsewhere(person: httpx2.Client, replica: str) -> httpx2.Response:
    """The answer in the making, as another replica than this one tells it."""
    for _ in range(20):
        request = person.build_request("GET", STREAM)
        response = person.send(request, stream=True)
        assert response.status_code == 200
        if response.headers["X-Replica"] != replica:
            return response
        response.close()
    raise AssertionError("the proxy asked one replica only")


def test_an_answer_is_stopped_through_the_other_replica(person: httpx2.Client, provider: FakeProvider) -> None:
    gate = Gate()
    gate.step()
    provider.replies(text(["Once ", "upon"], gate=gate))
    with person.stream("POST", STREAM, json={"message": "Tell me"}) as asked:
        assert next(pieces := chunks(asked))["chunk"] == "Once "
        # Twice, so that one of them reaches the other replica.
        stopped = [person.delete(STREAM).json()["data"]["stopped"] for _ in range(2)]
        assert sum(stopped) >= 1
        assert list(pieces) == []


def test_a_history_is_the_same_at_both(person: httpx2.Client, provider: FakeProvider) -> None:
    provider.replies(text("Hello."))
    person.post("/api/chat/message", json={"message": "Hi"})
    histories = [person.get("/api/chat/history") for _ in range(2)]
    assert histories[0].json() == histories[1].json()
    assert len({history.headers["X-Replica"] for history in histories}) == 2


def test_a_stream_comes_through_in_pieces(person: httpx2.Client) -> None:
    arrivals = []
    with person.stream("GET", stream.PATH, headers={"Accept-Encoding": "gzip, br"}) as response:
        for _ in response.iter_raw():
            arrivals.append(time.monotonic())
    assert stream._judged(arrivals).level == "ok"


def test_messages_sent_at_once_are_answered_one_after_the_other(person: httpx2.Client, provider: FakeProvider) -> None:
    provider.default = text("Yes.")
    answers: list[int] = []

    def ask(number: int) -> None:
        answers.append(person.post("/api/chat/message", json={"message": f"Number {number}"}).status_code)

    threads = [threading.Thread(target=ask, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    roles = [message["role"] for message in person.get("/api/chat/history").json()["data"]]
    assert (answers, len(roles), roles.count("assistant")) == ([200] * 4, 8, 4)


def test_websockets_reach_the_agent(front: str, replicas: tuple[str, list[Server]]) -> None:
    at_proxy = Server.__new__(Server)
    at_proxy.url, at_proxy.env = front, {"PORT": replicas[0]}
    websocket = WebSocket(at_proxy, "/ws/admin/conversation/1", "sessionid=guessed")
    websocket.close()
    # Refused by the agent as a websocket; as anything else there is nothing at that address.
    assert websocket.status == 403


def test_a_large_image_passes(person: httpx2.Client, provider: FakeProvider) -> None:
    provider.replies(text("Large."))
    image = {"type": "image", "name": "large.png", "base64": "iVBORw0KGgoA" * 400_000}
    assert person.post("/api/chat/message", json={"content": [image]}).status_code == 200


def test_links_are_to_the_public_address(person: httpx2.Client, provider: FakeProvider) -> None:
    provider.replies(text("Hello."))
    person.post("/api/chat/message", json={"message": "Hi"})
    link = person.get("/api/chat/history?limit=1").headers["Link"]
    assert link.startswith("<http://localhost")


def test_the_proxy_turns_to_the_other_while_a_replica_is_away(
    person: httpx2.Client, replicas: tuple[str, list[Server]], provider: FakeProvider
) -> None:
    provider.default = text("Hello.")
    gone = replicas[1][1]
    gone.stop()
    try:
        in_a_row = 0
        deadline = time.monotonic() + 30
        # Caddy notices within two seconds, nginx at once.
        while in_a_row < 4 and time.monotonic() < deadline:
            status = person.post("/api/chat/message", json={"message": "Hi"}).status_code
            in_a_row = in_a_row + 1 if status == 200 else 0
    finally:
        gone.start()
    assert in_a_row == 4
