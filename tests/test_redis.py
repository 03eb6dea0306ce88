"""REDIS_URL: several processes count calls together, and show each other's answers as they grow."""

import asyncio
import contextlib
import os
import re
import runpy
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from django.core.cache.backends.locmem import LocMemCache
from django.test import RequestFactory
from pytest_django import Settings

from ccagent.api import throttling
from ccagent.api.authentication import Caller
from ccagent.api.throttling import ChatThrottle
from ccagent.outage import Outage
from chat import live
from tests.conftest import ROOT, Redis, Serve, Server, chunks
from tests.fake_provider import FakeProvider, Gate, text
from tests.test_live_view import WebSocket

CHAT = "/api/chat/message"
STREAM = "/api/chat/message/stream"


def ask(server: Server, email: str, path: str = CHAT) -> httpx2.Response:
    with server.client(email) as person:
        return person.post(path, json={"message": "Hi"})


# How often one person may call.


def test_calls_count_together_at_both(pair: tuple[Server, Server], email: str) -> None:
    first, second = pair
    answers = [ask(first, email), ask(second, email, STREAM), ask(first, email, STREAM), ask(second, email)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert ask(first, email).status_code == 429


def test_calls_at_the_same_instant_do_not_slip_past(pair: tuple[Server, Server], email: str) -> None:
    with ThreadPoolExecutor(12) as people:
        answers = list(people.map(lambda number: ask(pair[number % 2], email), range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [429] * 9


def test_both_say_how_long_to_wait(pair: tuple[Server, Server], email: str) -> None:
    began = time.monotonic()
    refused = [ask(pair[number % 2], email) for number in range(5)][3:]
    passed = time.monotonic() - began
    assert all(59 - passed <= int(answer.headers["Retry-After"]) <= 60 for answer in refused)


# The live view.


def cookie_of_an_operator(server: Server) -> str:
    """Of a new one's browser, logged in."""
    name, password = uuid.uuid4().hex, "correct horse"
    command = [sys.executable, "manage.py", "createsuperuser", "--noinput", "--username", name, "--email", "a@b.co"]
    env = server.env | {"DJANGO_SUPERUSER_PASSWORD": password}
    subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, timeout=60)
    with httpx2.Client(base_url=server.url, timeout=30) as browser:
        browser.get("/admin/login/")
        form = {"csrfmiddlewaretoken": browser.cookies["csrftoken"], "username": name, "password": password}
        browser.post("/admin/login/", data=form)
        return f"sessionid={browser.cookies['sessionid']}"


class Watcher:
    """An operator's browser, which may look at the person's conversation again and again."""

    def __init__(self, server: Server, email: str) -> None:
        self._server = server
        self._cookie = cookie_of_an_operator(server)
        cookie = {"Cookie": self._cookie}
        page = httpx2.get(f"{server.url}/admin/chat/conversation/", params={"q": email}, headers=cookie).text
        found = re.search(r"/admin/chat/conversation/(\d+)/change/", page)
        assert found
        self._conversation = found[1]

    def open(self) -> WebSocket:
        return WebSocket(self._server, f"/ws/admin/conversation/{self._conversation}", self._cookie)


def watch(server: Server, email: str) -> WebSocket:
    """What an operator's browser sees of the person's conversation."""
    return Watcher(server, email).open()


def until(websocket: WebSocket, status: str) -> dict[str, object]:
    """The next message with this status."""
    return next(message for message in websocket.messages() if message["status"] == status)


def test_an_operator_at_one_sees_an_answer_grow_at_the_other(
    pair: tuple[Server, Server], provider: FakeProvider, email: str
) -> None:
    gate = Gate()
    provider.replies(text("Once upon a time", gate=gate))
    gate.step(2)
    with pair[0].client(email) as person, person.stream("POST", STREAM, json={"message": "Tell me"}):
        websocket = watch(pair[1], email)
        grown = until(websocket, "streaming")
        gate.open()
        whole = until(websocket, "complete")
    websocket.close()
    assert (grown["text"], whole["text"]) == ("Once upon ", "Once upon a time")


# While Redis is away.


@pytest.fixture
def fragile(serve: Serve, provider: FakeProvider) -> Iterator[tuple[Server, Redis]]:
    """A process with a Redis of its own, to be stopped."""
    redis = Redis()
    model = {"PROVIDER_NAME": "fake", "PROVIDER_MODEL": "fake", "PROVIDER_BASE_URL": provider.base_url}
    server = serve(REDIS_URL=redis.url, CHAT_RATE="9/min", APP_URL="http://localhost", **model)
    yield server, redis
    server.stop()
    redis.stop()


def test_an_answer_goes_on_when_redis_stops(fragile: tuple[Server, Redis], provider: FakeProvider, email: str) -> None:
    server, redis = fragile
    gate = Gate()
    provider.replies(text("Once upon a time", gate=gate))
    gate.step(2)
    with server.client(email) as person, person.stream("POST", STREAM, json={"message": "Tell me"}) as answer:
        redis.stop()
        gate.open()
        assert "".join(str(chunk["chunk"]) for chunk in chunks(answer)) == "Once upon a time"


def test_without_redis_calls_are_let_in_until_it_is_back(fragile: tuple[Server, Redis], email: str) -> None:
    server, redis = fragile
    redis.stop()
    assert {ask(server, email).status_code for _ in range(12)} == {200}
    assert "Redis cannot be used at the moment, calls are not counted: ConnectionError" in server.output
    redis.start()
    deadline = time.monotonic() + 20
    while ask(server, email).status_code != 429:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_who_watches_sees_answers_again_when_redis_is_back(fragile: tuple[Server, Redis], email: str) -> None:
    server, redis = fragile
    ask(server, email)
    websocket = watch(server, email)
    redis.stop()
    ask(server, email)
    redis.start()
    with ThreadPoolExecutor() as threads:
        seen = threads.submit(until, websocket, "complete")
        while not seen.done():
            ask(server, email)
            time.sleep(0.7)
    websocket.close()
    assert seen.result()["text"] == "You said: Hi"
    assert "Traceback" not in server.output


def test_who_wants_to_watch_is_refused_without_a_trace_until_redis_is_back(
    fragile: tuple[Server, Redis], email: str
) -> None:
    server, redis = fragile
    ask(server, email)
    watcher = Watcher(server, email)
    redis.stop()
    assert watcher.open().status == 403
    redis.start()
    deadline = time.monotonic() + 20
    while watcher.open().status != 101:
        assert time.monotonic() < deadline
    assert "failed" not in server.output


def test_who_stops_watching_leaves_no_trace(fragile: tuple[Server, Redis], email: str) -> None:
    server, redis = fragile
    ask(server, email)
    websocket = watch(server, email)
    redis.stop()
    websocket.close()
    deadline = time.monotonic() + 10
    while "A live view was closed" not in server.output:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "failed" not in server.output


def test_an_answer_does_not_wait_for_a_redis_that_says_nothing(
    serve: Serve, provider: FakeProvider, email: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        model = {"PROVIDER_NAME": "fake", "PROVIDER_MODEL": "fake", "PROVIDER_BASE_URL": provider.base_url}
        server = serve(REDIS_URL=url, CHAT_RATE="1/min", **model)
        with server.client(email) as person:
            answers = [person.post(CHAT, json={"message": "Hi"}, timeout=4).status_code for _ in range(3)]
    assert answers == [200] * 3


def test_nobody_waits_for_a_call_that_is_being_counted(serve: Serve, provider: FakeProvider, email: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0?socket_timeout=6"
        model = {"PROVIDER_NAME": "fake", "PROVIDER_MODEL": "fake", "PROVIDER_BASE_URL": provider.base_url}
        server = serve(REDIS_URL=url, CHAT_RATE="1/min", **model)
        with server.client(email) as person:
            for path in (CHAT, STREAM):
                with contextlib.suppress(httpx2.ReadTimeout):
                    person.post(path, json={"message": "Hi"}, timeout=0.5)
            assert person.get("/api/chat/history", timeout=3).status_code == 200


# In one process.


class Unhurried(LocMemCache):
    """Takes its time between any two calls, so that threads meet in between."""

    def get(self, *args: Any, **kwargs: Any) -> Any:
        value = super().get(*args, **kwargs)
        time.sleep(0.001)
        return value

    def add(self, *args: Any, **kwargs: Any) -> bool:
        added = super().add(*args, **kwargs)
        time.sleep(0.001)
        return added


def test_threads_at_the_same_instant_do_not_slip_past(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, email: str
) -> None:
    settings.CHAT_RATE = "5/min"
    request: Any = RequestFactory().post(CHAT)
    request.user = Caller(email)
    monkeypatch.setattr(throttling, "_counts", Unhurried("", {}))
    with ThreadPoolExecutor(20) as threads:
        allowed = list(threads.map(lambda _: ChatThrottle().allow_request(request, None), range(200)))
    assert allowed.count(True) == 5


def test_a_window_ends_when_it_says(settings: Settings, monkeypatch: pytest.MonkeyPatch, email: str) -> None:
    settings.CHAT_RATE = "1/min"
    request: Any = RequestFactory().post(CHAT)
    request.user = Caller(email)
    assert ChatThrottle().allow_request(request, None)
    refused = ChatThrottle()
    assert not refused.allow_request(request, None)
    later = time.time() + refused.wait()
    monkeypatch.setattr(time, "time", lambda: later + 0.01)
    assert ChatThrottle().allow_request(request, None)


class Broken:
    """A cache and a layer in one, of which everything hangs or fails."""

    def __init__(self) -> None:
        self.tries = 0

    def add(self, *_: object) -> bool:
        self.tries += 1
        raise ConnectionError

    async def group_send(self, *_: object) -> None:
        self.tries += 1
        await asyncio.Event().wait()


def test_after_a_failure_nobody_tries_to_count(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CHAT_RATE = "1/min"
    request: Any = RequestFactory().post(CHAT)
    request.user = Caller("ann@example.com")
    broken = Broken()
    monkeypatch.setattr(throttling, "_counts", broken)
    monkeypatch.setattr(throttling, "_outage", Outage("calls are not counted"))
    assert all(ChatThrottle().allow_request(request, None) for _ in range(5))
    assert (broken.tries, len(caplog.messages)) == (1, 1)


async def test_after_a_layer_hung_nobody_tries_to_publish(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Broken()
    monkeypatch.setattr(live, "get_channel_layer", lambda: broken)
    monkeypatch.setattr(live, "outage", Outage("nobody sees answers grow"))
    monkeypatch.setattr(live, "PUBLISH_SECONDS", 0.01)
    async with asyncio.timeout(5):
        for _ in range(5):
            await live.publish(1, 1, "streaming", "Once")
    assert broken.tries == 1


def settings_with(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, Any]:
    """The settings as a process with these variables has them."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(ROOT / "ccagent" / "settings.py"))


def prefixes(monkeypatch: pytest.MonkeyPatch, **variables: str) -> set[str]:
    settings = settings_with(monkeypatch, REDIS_URL="rediss://:pw@redis.example:6380/0", **variables)
    return {settings["CHANNEL_LAYERS"]["default"]["CONFIG"]["prefix"], settings["CACHES"]["default"]["KEY_PREFIX"]}


def test_who_shares_a_database_shares_what_is_in_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    [one] = prefixes(monkeypatch, DATABASE_URL="postgresql://a:b@db.example/agent")
    assert prefixes(monkeypatch, DATABASE_URL="postgresql://a:c@db.example/agent", PORT="4000") == {one}
    assert prefixes(monkeypatch, DATABASE_URL="postgresql://a:b@db.example/other") != {one}


def test_processes_with_one_embedded_database_share_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    [one] = prefixes(monkeypatch)
    assert prefixes(monkeypatch, PORT="4000") == {one}
    assert prefixes(monkeypatch, PERSISTENT_STORAGE_DIR="/elsewhere") != {one}


def test_without_the_variable_its_library_is_not_loaded() -> None:
    code = "import sys, ccagent.asgi; print(*(name for name in sys.modules if name in ('redis', 'chat.live')))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | {"REDIS_URL": ""}, capture_output=True, text=True
    )
    assert loaded.stdout.split() == ["chat.live"]
