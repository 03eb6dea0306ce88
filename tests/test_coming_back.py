"""GET and DELETE /api/chat/message/stream: coming back to a running answer, and stopping it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx2
import pytest

from tests.conftest import Serve, Server, chunks
from tests.fake_provider import FakeProvider, Gate, text

STREAM = "/api/chat/message/stream"


@contextmanager
def asking(client: httpx2.Client, words: str = "Hi") -> Iterator[httpx2.Response]:
    with client.stream("POST", STREAM, json={"message": words}) as response:
        yield response


@contextmanager
def joining(client: httpx2.Client) -> Iterator[httpx2.Response]:
    with client.stream("GET", STREAM) as response:
        yield response


def heard(response: httpx2.Response) -> str:
    return "".join(str(event["chunk"]) for event in chunks(response))


def history(client: httpx2.Client) -> list[str]:
    return [message["content"][0]["text"] for message in client.get("/api/chat/history").json()["data"]]


def until(true: Callable[[], bool]) -> None:
    """Waits at most ten seconds."""
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def gate(provider: FakeProvider) -> Iterator[Gate]:
    """Holds back an answer of three words."""
    gate = Gate()
    provider.replies(text(["one ", "two ", "three"], gate=gate))
    yield gate
    gate.open()


@pytest.fixture
def twin(serve: Serve, provider: FakeProvider) -> Server:
    """Another process on the same database."""
    return serve(PROVIDER_NAME="fake", PROVIDER_MODEL="twin", PROVIDER_BASE_URL=provider.base_url)


def test_nothing_to_join_is_204(person: httpx2.Client) -> None:
    assert person.get(STREAM).status_code == 204


def test_joining_and_stopping_need_an_email(server: Server) -> None:
    with server.client() as nobody:
        assert [nobody.get(STREAM).status_code, nobody.delete(STREAM).status_code] == [401, 401]


def test_who_comes_back_hears_all_so_far_and_then_the_rest(person: httpx2.Client, gate: Gate) -> None:
    gate.step(2)
    with asking(person) as first:
        next(chunks(first))
        until(lambda: history(person)[1:] == ["one two "])
        with joining(person) as second:
            events = chunks(second)
            assert next(events)["chunk"] == "one two "
            gate.open()
            assert [event["chunk"] for event in events] == ["three"]


def test_who_left_finds_the_whole_answer_in_the_history(person: httpx2.Client, gate: Gate) -> None:
    gate.step()
    with asking(person) as response:
        next(chunks(response))
    gate.open()
    until(lambda: history(person) == ["Hi", "one two three"])


def test_several_listeners_hear_the_same(person: httpx2.Client, gate: Gate) -> None:
    gate.step()
    with asking(person) as asked:
        next(chunks(asked))
        with joining(person) as one, joining(person) as other:
            gate.open()
            assert heard(one) == heard(other) == "one two three"


def test_another_process_lets_join_too(person: httpx2.Client, gate: Gate, twin: Server, email: str) -> None:
    gate.step()
    with asking(person) as asked, twin.client(email) as elsewhere:
        next(chunks(asked))
        with joining(elsewhere) as joined:
            gate.open()
            assert heard(joined) == "one two three"


def test_a_stranger_joins_and_stops_nothing(person: httpx2.Client, gate: Gate, server: Server) -> None:
    gate.step()
    with asking(person) as asked, server.client("somebody.else@example.com") as stranger:
        events = chunks(asked)
        next(events)
        assert stranger.get(STREAM).status_code == 204
        assert stranger.delete(STREAM).json()["data"] == {"stopped": 0}
        gate.open()
        assert [event["chunk"] for event in events] in (["two ", "three"], ["two three"])


def test_a_stopped_answer_keeps_what_was_written(person: httpx2.Client, gate: Gate, provider: FakeProvider) -> None:
    gate.step()
    with asking(person) as asked:
        events = chunks(asked)
        next(events)
        assert person.delete(STREAM).json() == {"data": {"stopped": 1}, "success": True}
        assert list(events) == []
    assert history(person) == ["Hi", "one "]
    provider.requests[-1].wait_until_ended()
    assert provider.requests[-1].closed_early


@pytest.mark.usefixtures("gate")
def test_an_answer_stopped_before_its_first_word_is_409(person: httpx2.Client, server: Server) -> None:
    def stop() -> None:
        with server.client(person.headers["X-CC-EMAIL"]) as other:
            until(lambda: other.delete(STREAM).json()["data"]["stopped"] == 1)

    thread = threading.Thread(target=stop)
    thread.start()
    answer = person.post("/api/chat/message", json={"message": "Hi"})
    thread.join()
    assert (answer.status_code, history(person)) == (409, ["Hi"])


def test_another_process_can_stop_it(person: httpx2.Client, gate: Gate, twin: Server, email: str) -> None:
    gate.step()
    with asking(person) as asked, twin.client(email) as elsewhere:
        events = chunks(asked)
        next(events)
        assert elsewhere.delete(STREAM).json()["data"] == {"stopped": 1}
        assert list(events) == []


def test_stopping_nothing_is_no_error(person: httpx2.Client) -> None:
    assert person.delete(STREAM).json()["data"] == {"stopped": 0}


def test_a_second_message_waits_for_the_answer_to_the_first(
    person: httpx2.Client, gate: Gate, provider: FakeProvider, server: Server
) -> None:
    answers: list[str] = []

    def ask_again() -> None:
        with server.client(person.headers["X-CC-EMAIL"]) as other, asking(other, "And now?") as second:
            answers.append(heard(second))

    gate.step()
    with asking(person) as first:
        next(chunks(first))
        thread = threading.Thread(target=ask_again)
        thread.start()
        until(lambda: "And now?" in history(person))
        gate.open()
        thread.join()
    assert answers == ["You said: And now?"]
    said = [message["content"] for message in provider.requests[-1].json["messages"][1:]]
    assert said == ["Hi", "one two three", "And now?"]


def test_a_fifth_answer_at_once_is_429(person: httpx2.Client, gate: Gate, server: Server, email: str) -> None:
    clients = [server.client(email) for _ in range(3)]
    threads = [
        threading.Thread(target=client.post, args=(STREAM,), kwargs={"json": {"message": "More"}}) for client in clients
    ]
    gate.step()
    with asking(person) as first:
        next(chunks(first))
        for thread in threads:
            thread.start()
        until(lambda: history(person).count("More") == 3)
        refused = person.post(STREAM, json={"message": "Too much"})
        gate.open()
        for thread in threads:
            thread.join()
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")


def test_who_listens_to_another_process_is_told_when_this_one_ends(
    person: httpx2.Client, gate: Gate, serve: Serve, provider: FakeProvider, email: str
) -> None:
    leaving = serve(PROVIDER_NAME="fake", PROVIDER_MODEL="leaving", PROVIDER_BASE_URL=provider.base_url)
    gate.step()
    with asking(person) as asked, leaving.client(email) as elsewhere:
        next(chunks(asked))
        with joining(elsewhere) as joined:
            until(lambda: history(person)[1:] == ["one "])
            threading.Thread(target=leaving.stop).start()
            assert "restarting" in str(list(chunks(joined))[-1]["error"])
