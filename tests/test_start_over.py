"""DELETE /api/chat/history: the window is empty, the operator still sees what was said."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import psycopg
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from chat import storage
from chat.content import Text
from chat.models import Conversation, Message
from tests.conftest import Serve, Server, chunks
from tests.fake_provider import FakeProvider, Gate, text

MESSAGE = "/api/chat/message"
STREAM = "/api/chat/message/stream"
HISTORY = "/api/chat/history"


def ask(person: httpx2.Client, words: str, **headers: str) -> httpx2.Response:
    return person.post(MESSAGE, json={"message": words}, headers=headers)


def history(person: httpx2.Client) -> list[str]:
    return [message["content"][0]["text"] for message in person.get(HISTORY).json()["data"]]


def start_over(person: httpx2.Client) -> bool:
    answer = person.delete(HISTORY)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body == {"data": {"archived": body["data"]["archived"]}, "success": True}
    return bool(body["data"]["archived"])


def kept(server: Server, email: str) -> list[tuple[bool, str, str]]:
    """Whether it is archived, status and text of all that the operator sees of a person."""
    with psycopg.connect(server.database_url) as connection:
        return connection.execute(
            "SELECT archived_at IS NOT NULL, status, text FROM chat_message JOIN chat_conversation conversation"
            " ON conversation.id = conversation_id WHERE email = %s ORDER BY conversation_id, sequence",
            [email],
        ).fetchall()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def gate(provider: FakeProvider) -> Iterator[Gate]:
    """Holds back an answer of three words, whose first has come."""
    gate = Gate()
    provider.replies(text(["one ", "two ", "three"], gate=gate))
    gate.step()
    yield gate
    gate.open()


@pytest.fixture
def twin(serve: Serve, provider: FakeProvider) -> Server:
    """Another process on the same database."""
    return serve(PROVIDER_NAME="fake", PROVIDER_MODEL="twin", PROVIDER_BASE_URL=provider.base_url)


def test_the_window_is_empty_and_the_model_knows_nothing(person: httpx2.Client, provider: FakeProvider) -> None:
    ask(person, "My name is Ann.")
    assert start_over(person)
    assert history(person) == []
    ask(person, "Who am I?")
    assert [message["content"] for message in provider.requests[-1].messages[1:]] == ["Who am I?"]
    assert history(person) == ["Who am I?", "You said: Who am I?"]


def test_what_was_said_is_kept_for_the_operator(person: httpx2.Client, server: Server, email: str) -> None:
    ask(person, "Hi")
    start_over(person)
    ask(person, "Again")
    assert kept(server, email) == [
        (True, "complete", "Hi"),
        (True, "complete", "You said: Hi"),
        (False, "complete", "Again"),
        (False, "complete", "You said: Again"),
    ]


def test_once_more_is_the_same_as_once(person: httpx2.Client) -> None:
    ask(person, "Hi")
    assert [start_over(person), start_over(person), start_over(person)] == [True, False, False]


def test_who_said_nothing_has_nothing_to_archive(person: httpx2.Client) -> None:
    assert start_over(person) is False


def test_it_may_be_done_again_and_again(person: httpx2.Client, server: Server, email: str) -> None:
    for number in range(3):
        ask(person, str(number))
        assert start_over(person)
    assert [archived for archived, _, _ in kept(server, email)] == [True] * 6


def test_somebody_without_an_email_has_no_history_to_delete(server: Server) -> None:
    with server.client() as nobody, server.client("ann@example.com", key=None) as stranger:
        assert [nobody.delete(HISTORY).status_code, stranger.delete(HISTORY).status_code] == [401, 401]


def test_other_peoples_histories_stay(person: httpx2.Client, server: Server, email: str) -> None:
    with server.client(f"other-{email}") as other:
        ask(other, "Hi")
        start_over(person)
        assert history(other) == ["Hi", "You said: Hi"]


def test_a_key_belongs_to_its_conversation(person: httpx2.Client, provider: FakeProvider) -> None:
    ask(person, "Hi", **{"Idempotency-Key": "key"})
    start_over(person)
    assert ask(person, "Something else", **{"Idempotency-Key": "key"}).status_code == 200
    assert len(provider.requests) == 2


# While an answer is being written.


@pytest.mark.usefixtures("gate")
def test_a_running_answer_ends_first_with_what_it_has(
    person: httpx2.Client, provider: FakeProvider, server: Server, email: str
) -> None:
    with person.stream("POST", STREAM, json={"message": "Hi"}) as response:
        events = chunks(response)
        next(events)
        assert start_over(person)
        assert kept(server, email) == [(True, "complete", "Hi"), (True, "stopped", "one ")]
        assert list(events) == []
    provider.requests[-1].wait_until_ended()
    assert provider.requests[-1].closed_early


@pytest.mark.usefixtures("gate")
def test_another_process_may_be_asked(person: httpx2.Client, twin: Server, server: Server, email: str) -> None:
    with person.stream("POST", STREAM, json={"message": "Hi"}) as response, twin.client(email) as elsewhere:
        next(chunks(response))
        assert start_over(elsewhere)
        assert kept(server, email)[1][:2] == (True, "stopped")
    assert history(person) == history(person) == []


@pytest.mark.usefixtures("gate")
def test_there_is_nothing_to_join_any_more(person: httpx2.Client) -> None:
    with person.stream("POST", STREAM, json={"message": "Hi"}) as response:
        next(chunks(response))
        start_over(person)
    assert person.get(STREAM).status_code == 204


@pytest.mark.usefixtures("gate")
def test_questions_that_wait_are_stopped_too(
    person: httpx2.Client, server: Server, email: str, provider: FakeProvider
) -> None:
    with ThreadPoolExecutor(1) as pool, person.stream("POST", STREAM, json={"message": "Hi"}) as response:
        next(chunks(response))
        with server.client(email) as other:
            waiting = pool.submit(ask, other, "And now?")
            until(lambda: len(history(person)) == 3)
            start_over(person)
            assert waiting.result().status_code == 409
    assert len(provider.requests) == 1
    assert history(person) == []


@pytest.mark.usefixtures("gate")
def test_a_question_right_behind_it_is_the_first_of_the_next(
    person: httpx2.Client, twin: Server, server: Server, email: str
) -> None:
    with person.stream("POST", STREAM, json={"message": "Hi"}) as response, twin.client(email) as elsewhere:
        next(chunks(response))
        over = threading.Thread(target=start_over, args=(elsewhere,))
        over.start()
        until(lambda: history(person) == [])
        assert ask(person, "Again").status_code == 200
        over.join()
    assert [(archived, state) for archived, state, _ in kept(server, email)][1:] == [
        (True, "stopped"),
        (False, "complete"),
        (False, "complete"),
    ]


@pytest.mark.usefixtures("gate")
def test_an_answer_of_a_process_that_died_holds_nothing_up_for_long(
    serve: Serve, provider: FakeProvider, person: httpx2.Client, email: str
) -> None:
    dying = serve(PROVIDER_NAME="fake", PROVIDER_MODEL="dying", PROVIDER_BASE_URL=provider.base_url)
    with dying.client(email) as there, there.stream("POST", STREAM, json={"message": "Hi"}) as response:
        next(chunks(response))
        dying.kill()
    assert start_over(person)
    assert (history(person), ask(person, "Again").status_code) == ([], 200)


def test_many_at_once_archive_one_conversation_once(server: Server, email: str) -> None:
    with server.client(email) as person:
        ask(person, "Hi")

    def delete(_: int) -> bool:
        with server.client(email) as client:
            return start_over(client)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(delete, range(8))) == 1


def test_questions_and_new_starts_at_once_lose_nothing(server: Server, twin: Server, email: str) -> None:
    def go(number: int) -> int:
        with (server, twin)[number % 2].client(email) as client:
            if number % 3 == 0:
                start_over(client)
                return 200
            return ask(client, f"question {number}").status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = set(pool.map(go, range(36)))
    assert statuses <= {200, 409, 429}
    rows = kept(server, email)
    assert [state for _, state, said in rows if not said.startswith("You")].count("streaming") == 0


# In the database.


def conversation(email: str) -> int:
    return storage.open_turn(email, [Text("Hi")], timezone.now()).question.conversation_id


@pytest.mark.django_db
def test_an_email_has_one_current_conversation() -> None:
    first = conversation("ann@example.com")
    assert storage.archive("ann@example.com") == first
    second = conversation("ann@example.com")
    assert conversation("ann@example.com") == second != first


@pytest.mark.django_db
def test_anonymous_calls_are_never_archived() -> None:
    conversation("")
    assert storage.archive("") is None
    assert Conversation.objects.filter(archived_at=None).count() == 1


@pytest.mark.django_db
def test_answers_of_an_archived_conversation_are_waited_for() -> None:
    old = storage.open_turn("ann@example.com", [Text("Hi")], timezone.now())
    storage.archive("ann@example.com")
    new = storage.open_turn("ann@example.com", [Text("Again")], timezone.now())
    assert new.waits
    assert storage.runs_before(new.answer)
    storage.close_turn(old.answer.pk, {"status": Message.Status.STOPPED}, [])
    assert not storage.runs_before(new.answer)


@pytest.mark.django_db
def test_the_operator_sees_which_conversation_is_the_current_one() -> None:
    operator = Client()
    operator.force_login(User.objects.create_superuser("operator"))
    old = conversation("ann@example.com")
    storage.archive("ann@example.com")
    current = conversation("ann@example.com")
    for pk, query in ((old, "archived_at__isempty=0"), (current, "archived_at__isempty=1")):
        page = operator.get(f"/admin/chat/conversation/?{query}", secure=True).content.decode()
        assert f"/admin/chat/conversation/{pk}/change/" in page
        assert f"/admin/chat/conversation/{old + current - pk}/change/" not in page
