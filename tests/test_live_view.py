"""The live view: operators watch an answer grow in the admin, nobody else does."""

import base64
import json
import os
import re
import socket
import struct
import subprocess
import sys
import uuid
from collections.abc import Awaitable, Callable, Iterator

import httpx2
import pytest
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.test import Client

from ccagent.asgi import application
from chat import consumers, live
from chat.models import Conversation
from tests.conftest import ROOT, Serve, Server
from tests.fake_provider import FakeProvider, Gate, text

CookieOf = Callable[..., Awaitable[str]]


# Who may watch.


@pytest.fixture
def cookie_of(transactional_db: None) -> CookieOf:  # noqa: ARG001
    """Makes a user and logs them in; their browser's cookie."""

    @database_sync_to_async  # type: ignore[untyped-decorator]
    def log_in(*permissions: str, **fields: bool) -> str:
        Conversation.objects.get_or_create(pk=7)
        user = User.objects.create_user(uuid.uuid4().hex, **fields)  # type: ignore[arg-type]
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client = Client()
        client.force_login(user)
        return f"sessionid={client.cookies['sessionid'].value}"

    return log_in  # type: ignore[no-any-return]


def watcher(cookie: str, origin: str = "http://localhost", conversation: int = 7) -> WebsocketCommunicator:
    headers = [(b"cookie", cookie.encode()), (b"origin", origin.encode())]
    return WebsocketCommunicator(application, f"/ws/admin/conversation/{conversation}", [h for h in headers if h[1]])


async def is_let_in(cookie: str, origin: str = "http://localhost") -> bool:
    communicator = watcher(cookie, origin)
    connected, _ = await communicator.connect(timeout=10)
    await communicator.disconnect()
    return bool(connected)


async def test_an_operator_may_watch(cookie_of: CookieOf) -> None:
    assert await is_let_in(await cookie_of(is_staff=True, is_superuser=True))


async def test_staff_that_may_see_messages_may_watch(cookie_of: CookieOf) -> None:
    assert await is_let_in(await cookie_of("view_message", "view_conversation", is_staff=True))


async def test_staff_that_may_not_see_messages_may_not(cookie_of: CookieOf) -> None:
    assert not await is_let_in(await cookie_of("view_document", is_staff=True))


async def test_somebody_who_is_no_staff_may_not(cookie_of: CookieOf) -> None:
    assert not await is_let_in(await cookie_of("view_message", is_superuser=True))


async def test_a_stranger_may_not(cookie_of: CookieOf) -> None:
    assert not await is_let_in("")
    assert not await is_let_in(f"{await cookie_of(is_staff=True, is_superuser=True)}x")


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost.evil.example", "null", ""])
async def test_another_sites_page_may_not_in_an_operators_name(origin: str, cookie_of: CookieOf) -> None:
    assert not await is_let_in(await cookie_of(is_staff=True, is_superuser=True), origin)


async def test_a_watcher_gets_the_text_of_the_conversation_watched_and_of_no_other(cookie_of: CookieOf) -> None:
    communicator = watcher(await cookie_of(is_staff=True, is_superuser=True), conversation=7)
    await communicator.connect(timeout=10)
    await live.publish(8, 80, "streaming", "somebody else's")
    await live.publish(7, 70, "streaming", "Once upon")
    assert await communicator.receive_json_from(timeout=10) == {
        "message": 70,
        "status": "streaming",
        "text": "Once upon",
        "calls": 0,
    }
    assert await communicator.receive_nothing(0.05)
    await communicator.disconnect()


async def test_a_conversation_that_is_none_cannot_be_watched(cookie_of: CookieOf) -> None:
    communicator = watcher(await cookie_of(is_staff=True, is_superuser=True), conversation=999_999_999)
    assert not (await communicator.connect(timeout=10))[0]


async def test_who_logged_out_hears_no_more(cookie_of: CookieOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "LOOK_SECONDS", 0)
    communicator = watcher(await cookie_of(is_staff=True, is_superuser=True))
    await communicator.connect(timeout=10)
    await database_sync_to_async(Session.objects.all().delete)()
    await live.publish(7, 70, "streaming", "Once upon")
    assert (await communicator.receive_output(timeout=10))["type"] == "websocket.close"


async def test_who_cannot_be_looked_up_while_the_database_is_away_is_refused(
    cookie_of: CookieOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> bool:
        raise OperationalError

    cookie = await cookie_of(is_staff=True, is_superuser=True)
    monkeypatch.setattr(consumers, "_may_watch", away)
    assert not await is_let_in(cookie)


async def test_a_bug_is_not_taken_for_something_being_away() -> None:
    async def broken(*_: object) -> None:
        raise TypeError

    with pytest.raises(TypeError):
        await consumers.or_close(broken)({}, None, None)


@pytest.mark.parametrize("path", ["/", "/ws/somewhere", "/ws/admin/conversation/x", "/ws/admin/conversation/1/"])
async def test_another_address_is_refused_with_a_code_that_says_so(path: str) -> None:
    communicator = WebsocketCommunicator(application, path, [(b"origin", b"http://localhost")])
    assert await communicator.connect(timeout=10) == (False, 4404)


# Through a real server.


class WebSocket:
    """As much of a browser's websocket as is needed to watch."""

    def __init__(self, server: Server, path: str, cookie: str) -> None:
        host = server.url.removeprefix("http://")
        self._socket = socket.create_connection(("127.0.0.1", int(server.env["PORT"])), timeout=10)
        self._file = self._socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        head = [f"GET {path} HTTP/1.1", f"Host: {host}", f"Origin: {server.url}", f"Cookie: {cookie}"]
        head += ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}"]
        self._socket.sendall("\r\n".join([*head, "", ""]).encode())
        self.status = int(self._file.readline().split()[1])
        while self._file.readline().strip():
            pass

    def messages(self) -> Iterator[dict[str, object]]:
        """What the server says, until it closes."""
        while True:
            opcode, size = struct.unpack("BB", self._file.read(2))
            if size == 126:
                [size] = struct.unpack("!H", self._file.read(2))
            payload = self._file.read(size)
            if opcode & 15 == 1:
                yield json.loads(payload)
            elif opcode & 15 == 8:
                return

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@pytest.fixture
def watched(serve: Serve, provider: FakeProvider) -> Server:
    """A server with a model, whose admin takes a browser without https."""
    model = {"PROVIDER_NAME": "fake", "PROVIDER_MODEL": "fake", "PROVIDER_BASE_URL": provider.base_url}
    return serve(APP_URL="http://localhost", **model)


@pytest.fixture
def operator(watched: Server) -> Iterator[httpx2.Client]:
    """An operator's browser, logged in."""
    name, password = uuid.uuid4().hex, "correct horse"
    command = [sys.executable, "manage.py", "createsuperuser", "--noinput", "--username", name, "--email", "a@b.co"]
    env = watched.env | {"DJANGO_SUPERUSER_PASSWORD": password}
    subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, timeout=60)
    with httpx2.Client(base_url=watched.url, follow_redirects=True, timeout=30) as browser:
        browser.get("/admin/login/")
        form = {"csrfmiddlewaretoken": browser.cookies["csrftoken"], "username": name, "password": password}
        browser.post("/admin/login/", data=form)
        yield browser


def test_an_operator_sees_an_answer_grow(
    watched: Server, operator: httpx2.Client, provider: FakeProvider, email: str
) -> None:
    gate = Gate()
    provider.replies(text("Once upon a time", gate=gate))
    with watched.client(email) as person:
        gate.step(2)
        with person.stream("POST", "/api/chat/message/stream", json={"message": "Tell me"}):
            page = operator.get("/admin/chat/conversation/", params={"q": email}).text
            found = re.search(r"/admin/chat/conversation/(\d+)/change/", page)
            assert found
            cookie = f"sessionid={operator.cookies['sessionid']}"
            websocket = WebSocket(watched, f"/ws/admin/conversation/{found[1]}", cookie)
            messages = websocket.messages()
            assert next(messages).items() >= {"status": "streaming", "text": "Once upon "}.items()
            gate.open()
            last = next(message for message in messages if message["status"] != "streaming")
            websocket.close()
    assert last.items() >= {"status": "complete", "text": "Once upon a time"}.items()


def test_a_stranger_is_refused_by_the_server(watched: Server) -> None:
    websocket = WebSocket(watched, "/ws/admin/conversation/1", "sessionid=guessed")
    websocket.close()
    assert websocket.status == 403


@pytest.mark.parametrize("header", ["", "\r\nDaphne-Root-Path: /elsewhere"])
def test_another_address_for_websockets_is_refused_without_a_trace(watched: Server, header: str) -> None:
    websocket = WebSocket(watched, "/ws/somewhere", f"sessionid=guessed{header}")
    websocket.close()
    assert websocket.status == 403
    assert "Traceback" not in watched.output
    assert "The application failed" not in watched.output
