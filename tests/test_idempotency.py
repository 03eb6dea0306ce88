"""Idempotency-Key: the same request twice is one turn and one call of the provider."""

import threading
import uuid

import httpx2
import pytest
from django.utils import timezone

from chat import storage
from chat.content import Text
from chat.models import Message
from tests.conftest import Server
from tests.fake_provider import FakeProvider, key_refused, text

MESSAGE = "/api/chat/message"


@pytest.fixture
def key() -> dict[str, str]:
    return {"Idempotency-Key": f'"{uuid.uuid4()}"'}


def ask(person: httpx2.Client, key: dict[str, str], words: str = "Hi", path: str = MESSAGE) -> httpx2.Response:
    return person.post(path, json={"message": words}, headers=key)


def length_of_history(person: httpx2.Client) -> int:
    return len(person.get("/api/chat/history").json()["data"])


def test_the_same_request_again_gets_the_stored_answer(
    person: httpx2.Client, provider: FakeProvider, key: dict[str, str]
) -> None:
    assert ask(person, key).json() == ask(person, key).json()
    assert (len(provider.requests), length_of_history(person)) == (1, 2)


def test_a_stream_repeats_the_stored_answer(person: httpx2.Client, key: dict[str, str]) -> None:
    ask(person, key)
    assert ask(person, key, path=f"{MESSAGE}/stream").text == 'data: {"chunk": "You said: Hi"}\n\n'


def test_the_same_request_twice_at_once_is_one_call(
    server: Server, provider: FakeProvider, key: dict[str, str], email: str
) -> None:
    provider.replies(text(["a", "b", "c"], pause=0.1))
    answers: list[str] = []

    def send() -> None:
        with server.client(email) as client:
            answers.append(ask(client, key).text)

    threads = [threading.Thread(target=send) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(answers), len(set(answers)), len(provider.requests)) == (5, 1, 1)


def test_another_body_under_the_same_key_is_409(person: httpx2.Client, key: dict[str, str]) -> None:
    ask(person, key)
    assert ask(person, key, "Something else").status_code == 409
    assert length_of_history(person) == 2


def test_a_failed_turn_gives_its_key_back(person: httpx2.Client, provider: FakeProvider, key: dict[str, str]) -> None:
    provider.replies(key_refused())
    assert [ask(person, key).status_code, ask(person, key).status_code] == [502, 200]


def test_a_question_asked_again_after_it_failed_is_in_the_history_once(
    person: httpx2.Client, provider: FakeProvider, key: dict[str, str]
) -> None:
    provider.replies(key_refused(), key_refused())
    assert [ask(person, key).status_code for _ in range(3)] == [502, 502, 200]
    assert length_of_history(person) == 2


def test_a_question_asked_again_after_it_failed_reaches_the_model_once(
    person: httpx2.Client, provider: FakeProvider, key: dict[str, str]
) -> None:
    provider.replies(key_refused())
    for _ in range(2):
        ask(person, key)
    assert [message["content"] for message in provider.requests[-1].json["messages"][1:]] == ["Hi"]


def test_the_same_key_of_somebody_else_is_another_turn(
    person: httpx2.Client, server: Server, provider: FakeProvider, key: dict[str, str]
) -> None:
    with server.client("other@example.com") as other:
        assert [ask(person, key).status_code, ask(other, key).status_code] == [200, 200]
    assert len(provider.requests) == 2


@pytest.mark.parametrize("bad", ["", "ä", "x" * 256, '"'])
def test_a_malformed_key_is_400(person: httpx2.Client, bad: str) -> None:
    assert ask(person, {"Idempotency-Key": bad.encode()}).status_code == 400  # type: ignore[dict-item]


@pytest.mark.django_db(transaction=True)
def test_a_turn_whose_process_died_before_a_word_gives_its_key_back() -> None:
    once = storage.Idempotency("key", "digest")
    died = storage.open_turn("a@b.co", [Text("Hi")], timezone.now(), once)
    storage.close_turn(died.answer.pk, {"status": Message.Status.INTERRUPTED}, [])
    assert storage.open_turn("a@b.co", [Text("Hi")], timezone.now(), once).is_new
