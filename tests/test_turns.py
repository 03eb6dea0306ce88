"""Turns: what happens between a person's message and the stored answer, above all when many happen at once."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import psycopg
import pytest

from chat import answer as answers
from chat.agent.errors import BrokenAnswer, ProviderError
from tests.conftest import Server, chunks
from tests.fake_provider import FakeProvider, Gate, cut, status, text

MESSAGE = "/api/chat/message"
STREAM = "/api/chat/message/stream"


def history(person: httpx2.Client) -> list[str]:
    """The words of the history."""
    return [message["content"][0]["text"] for message in person.get("/api/chat/history").json()["data"]]


def wait_for_history(person: httpx2.Client, *words: str) -> None:
    deadline = time.monotonic() + 10
    while history(person) != list(words):
        assert time.monotonic() < deadline, history(person)
        time.sleep(0.02)


def stored(server: Server, email: str) -> list[tuple[str, str, str]]:
    """Role, status and error of each message as the operator sees it."""
    with psycopg.connect(server.database_url) as connection:
        return connection.execute(
            "SELECT role, status, error FROM chat_message JOIN chat_conversation conversation"
            " ON conversation.id = conversation_id WHERE email = %s ORDER BY sequence",
            [email],
        ).fetchall()


def answered_question(answer: str) -> str:
    """What an echo was asked."""
    return answer.removeprefix("You said: ")


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as executor:
        yield executor


# At once.


def test_messages_of_one_person_at_once_are_all_answered(server: Server, email: str, pool: ThreadPoolExecutor) -> None:
    questions = [str(number) for number in range(4)]
    with server.client(email) as person:
        answered = list(pool.map(lambda words: person.post(MESSAGE, json={"message": words}).status_code, questions))
        said = history(person)
    assert answered == [200] * 4
    assert sorted(said[::2], key=int) == questions
    assert [answered_question(answer) for answer in said[1::2]] == said[::2]


def test_streams_of_one_person_at_once_do_not_mix(server: Server, email: str, pool: ThreadPoolExecutor) -> None:
    def ask(words: str) -> str:
        with server.client(email) as person, person.stream("POST", STREAM, json={"message": words}) as response:
            return "".join(str(event["chunk"]) for event in chunks(response))

    questions = [f"question {number}" for number in range(4)]
    assert [answered_question(answer) for answer in pool.map(ask, questions)] == questions


def test_people_at_once_each_get_their_own_answer(server: Server, email: str, pool: ThreadPoolExecutor) -> None:
    def ask(number: int) -> list[str]:
        with server.client(f"{number}-{email}") as person:
            person.post(MESSAGE, json={"message": f"I am {number}"})
            return history(person)

    assert list(pool.map(ask, range(32))) == [[f"I am {number}", f"You said: I am {number}"] for number in range(32)]


def test_first_messages_of_one_person_at_once_make_one_conversation(
    server: Server, email: str, pool: ThreadPoolExecutor
) -> None:
    with server.client(email) as person:
        list(pool.map(lambda _: person.post(MESSAGE, json={"message": "Hi"}), range(4)))
    with psycopg.connect(server.database_url) as connection:
        found = connection.execute("SELECT last_sequence FROM chat_conversation WHERE email = %s", [email]).fetchall()
    assert found == [(8,)]


def test_somebody_elses_trouble_is_nobody_elses(server: Server, email: str, provider: FakeProvider) -> None:
    provider.replies(status(400), text("Fine"))
    with server.client(email) as person, server.client(f"other-{email}") as other:
        person.post(MESSAGE, json={"message": "a\u0000b" * 1000})
        assert other.post(MESSAGE, json={"message": "Hi"}).json()["data"]["content"][0]["text"] == "Fine"
        assert history(other) == ["Hi", "Fine"]


# How it ends.


def test_a_whole_answer_is_complete(server: Server, person: httpx2.Client, email: str) -> None:
    person.post(MESSAGE, json={"message": "Hi"})
    assert stored(server, email) == [("user", "complete", ""), ("assistant", "complete", "")]


def test_half_an_answer_is_interrupted(
    server: Server, person: httpx2.Client, email: str, provider: FakeProvider
) -> None:
    provider.replies(cut("Half an answer"))
    person.post(MESSAGE, json={"message": "Hi"})
    assert stored(server, email)[1][:2] == ("assistant", "interrupted")


def test_no_answer_is_failed_and_the_operator_reads_why(
    server: Server, person: httpx2.Client, email: str, provider: FakeProvider
) -> None:
    provider.replies(status(400))
    person.post(MESSAGE, json={"message": "Hi"})
    role, state, error = stored(server, email)[1]
    assert (role, state) == ("assistant", "failed")
    assert "HTTP 400" in error
    assert "The request could not be served." in error


def test_a_running_answer_is_streaming_and_its_text_so_far_is_stored(
    server: Server, person: httpx2.Client, email: str, provider: FakeProvider
) -> None:
    gate = Gate()
    provider.replies(text(["Hello ", "there"], gate=gate))
    gate.step()
    with person.stream("POST", STREAM, json={"message": "Hi"}) as response:
        next(chunks(response))
        wait_for_history(person, "Hi", "Hello ")
        assert stored(server, email)[1][:2] == ("assistant", "streaming")
        gate.open()
    wait_for_history(person, "Hi", "Hello there")


def test_the_figures_of_an_answer_are_kept(server: Server, person: httpx2.Client, email: str) -> None:
    person.post(MESSAGE, json={"message": "Hi"})
    with psycopg.connect(server.database_url) as connection:
        kept = connection.execute(
            "SELECT provider, model, finish_reason, first_token_ms <= total_ms FROM chat_message"
            " JOIN chat_conversation conversation ON conversation.id = conversation_id"
            " WHERE email = %s AND role = 'assistant'",
            [email],
        ).fetchall()
    assert kept == [("fake", "fake", "stop", True)]


# Listening.


def heard(answer: answers.RunningAnswer) -> list[str]:
    async def listen() -> list[str]:
        return [piece async for piece in answer.listen()]

    return asyncio.run(listen())


def test_who_listens_late_hears_everything() -> None:
    answer = answers.RunningAnswer(1000)
    for piece in ("Hello ", "there"):
        answer.add(piece)
    answer.end()
    assert heard(answer) == heard(answer) == ["Hello there"]


def test_listeners_hear_each_at_their_own_pace() -> None:
    async def listen() -> list[str]:
        answer = answers.RunningAnswer(1000)
        quick, slow = answer.listen(), answer.listen()
        answer.add("One ")
        said = [await anext(quick)]
        answer.add("two")
        said.append(await anext(quick))
        return [*said, await anext(slow)]

    assert asyncio.run(listen()) == ["One ", "two", "One two"]


def test_an_answer_that_is_too_long_is_cut_at_its_limit() -> None:
    answer = answers.RunningAnswer(10)
    answer.add("x" * 9)
    with pytest.raises(BrokenAnswer, match="too long"):
        answer.add("xyz")
    assert answer.text == "x" * 10


def test_an_answer_that_failed_has_nothing_to_open() -> None:
    answer = answers.RunningAnswer(10)
    answer.end(ProviderError("the provider's own words"))
    with pytest.raises(ProviderError, match="The model provider failed"):
        asyncio.run(answer.opened())
