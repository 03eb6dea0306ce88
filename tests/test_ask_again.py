"""A question asked again with today's prompt: a second answer, and nothing of it in the conversation."""

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import psycopg
import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from chat.content import Text
from chat.models import Message
from tests.conftest import Server
from tests.fake_provider import FakeProvider, Gate, call, status, text, tool_calls
from tests.test_live_view import operator, watched  # noqa: F401  (fixtures)
from tests.test_transcripts import say


@pytest.fixture
def answered(watched: Server, provider: FakeProvider, email: str) -> Iterator[tuple[httpx2.Client, int]]:  # noqa: F811
    """Somebody who was answered once, and the key of that answer."""
    with watched.client(email) as person:
        provider.replies(text("The first answer."))
        person.post("/api/chat/message", json={"message": "How long?"})
        person.post("/api/chat/message", json={"message": "And then?"})
        yield person, stored(watched, email)[1]


def stored(server: Server, email: str) -> list[int]:
    with psycopg.connect(server.database_url) as database:
        rows = database.execute(
            "SELECT m.id FROM chat_message m JOIN chat_conversation c ON c.id = conversation_id "
            "WHERE email = %s ORDER BY sequence",
            [email],
        )
        return [pk for (pk,) in rows]


def ask(operator: httpx2.Client, answer: int) -> str:  # noqa: F811
    form = {"csrfmiddlewaretoken": operator.cookies["csrftoken"]}
    response = operator.post(f"/admin/ask-again/{answer}/", data=form)
    assert response.status_code == 200
    return response.text


def test_it_is_asked_as_it_was_then(
    operator: httpx2.Client,  # noqa: F811
    watched: Server,  # noqa: F811
    provider: FakeProvider,
    answered: tuple[httpx2.Client, int],
    email: str,
) -> None:
    provider.replies(text("The **second** answer."))
    before = stored(watched, email)
    page = ask(operator, answered[1])
    assert "The first answer." in page
    assert "<strong>second</strong>" in page
    messages = provider.requests[-1].json["messages"]
    assert [message["content"] for message in messages[1:]] == ["How long?"]
    assert stored(watched, email) == before


def test_only_tools_that_change_nothing_are_offered(
    operator: httpx2.Client,  # noqa: F811
    provider: FakeProvider,
    answered: tuple[httpx2.Client, int],
) -> None:
    provider.replies(tool_calls(call("current_time")), text("It is late."))
    page = ask(operator, answered[1])
    offered = {tool["function"]["name"] for tool in provider.requests[-1].json["tools"]}
    assert offered <= {"search_context", "current_time", "fetch_page"}
    assert "current_time" in page
    assert "remember" in page


def test_a_provider_that_fails_is_told_of(
    operator: httpx2.Client,  # noqa: F811
    provider: FakeProvider,
    answered: tuple[httpx2.Client, int],
) -> None:
    provider.replies(*[status(401)] * 3)
    assert "refused the API key" in ask(operator, answered[1])


def test_many_at_once_hold_no_connection_while_the_model_thinks(
    operator: httpx2.Client,  # noqa: F811
    watched: Server,  # noqa: F811
    provider: FakeProvider,
    answered: tuple[httpx2.Client, int],
) -> None:
    gate = Gate()
    count = int(watched.env["DATABASE_POOL_SIZE"]) * 3
    provider.replies(*[text("Late.", gate=gate)] * count)
    asked = len(provider.requests)
    with ThreadPoolExecutor(count) as threads:
        pages = [threads.submit(ask, operator, answered[1]) for _ in range(count)]
        try:
            wait_for(lambda: len(provider.requests) >= asked + count)
            assert operator.get("/admin/chat/fact/").status_code == 200
        finally:
            gate.open()
        assert all("Late." in page.result() for page in pages)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# Who may.


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("permissions", "expected"),
    [(None, 302), ((), 403), (("view_message",), 403), (("ask_again",), 403), (("view_message", "ask_again"), 404)],
)
def test_it_is_for_who_may_ask_again(permissions: tuple[str, ...] | None, expected: int) -> None:
    client = Client()
    if permissions is not None:
        user = User.objects.create_user(uuid.uuid4().hex, is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client.force_login(user)
    assert client.post("/admin/ask-again/999999999/", secure=True).status_code == expected


@pytest.mark.django_db(transaction=True)
def test_a_question_is_no_answer_to_ask_again(email: str) -> None:
    question = Message.objects.get(conversation=say(email, Text("Hi")).conversation_id, sequence=1)
    client = Client()
    client.force_login(User.objects.create_superuser(uuid.uuid4().hex))
    assert client.post(f"/admin/ask-again/{question.pk}/", secure=True).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_link_asks_nothing() -> None:
    assert Client().get("/admin/ask-again/1/", secure=True).status_code == 405


def test_another_sites_form_asks_nothing(
    operator: httpx2.Client,  # noqa: F811
    provider: FakeProvider,
    answered: tuple[httpx2.Client, int],
) -> None:
    asked = len(provider.requests)
    assert operator.post(f"/admin/ask-again/{answered[1]}/").status_code == 403
    assert len(provider.requests) == asked
