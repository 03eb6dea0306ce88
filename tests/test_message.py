"""POST /api/chat/message: a question, and its whole answer."""

import contextlib
import datetime
import socket
from collections.abc import Iterator

import httpx2
import pytest
from django.utils import timezone

from tests.conftest import Serve, Server
from tests.fake_provider import (
    FakeProvider,
    Gate,
    Reply,
    bad_json,
    bad_utf8,
    context_too_long,
    cut,
    dropped,
    endless,
    error_event,
    html,
    huge_line,
    json_error,
    key_refused,
    model_not_found,
    no_done,
    no_finish,
    nothing,
    null_delta,
    odd_choices,
    reasoning,
    redirect,
    silence,
    sliced,
    stall,
    status,
    text,
    with_comments,
    wordless,
)

PLAIN_REQUEST = (
    b"POST /api/chat/message HTTP/1.1\r\nHost: localhost\r\nX-CC-API-KEY: test-key\r\n"
    b'Content-Type: application/json\r\nContent-Length: 17\r\n\r\n{"message": "Hi"}'
)


def ask(person: httpx2.Client, words: str) -> httpx2.Response:
    return person.post("/api/chat/message", json={"content": [{"type": "text", "text": words}]})


def history(person: httpx2.Client) -> list[str]:
    """The words of the history."""
    return [message["content"][0]["text"] for message in person.get("/api/chat/history").json()["data"]]


def test_the_answer_comes_in_the_envelope(person: httpx2.Client, provider: FakeProvider) -> None:
    provider.replies(text("Hello there"))
    answer = ask(person, "Hi").json()
    assert answer["success"] is True
    assert answer["data"]["role"] == "assistant"
    assert answer["data"]["content"] == [{"type": "text", "text": "Hello there"}]


def test_the_answer_has_these_fields_and_no_others(person: httpx2.Client) -> None:
    answer = ask(person, "Hi")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert set(answer.json()) == {"data", "success"}
    # What other tests let the agent know may have to do with the question.
    assert set(answer.json()["data"]) - {"sources"} == {"role", "content", "date"}


def test_the_date_of_the_answer_is_our_clocks(person: httpx2.Client) -> None:
    before = timezone.now()
    body = {"message": "Hi", "date": "1999-01-01T00:00:00Z"}
    answer = person.post("/api/chat/message", json=body).json()["data"]
    assert before <= datetime.datetime.fromisoformat(answer["date"]) <= timezone.now()


def test_the_answer_is_the_one_in_the_history(person: httpx2.Client) -> None:
    answer = ask(person, "Hi").json()["data"]
    assert person.get("/api/chat/history").json()["data"][-1] == answer


def test_the_model_gets_the_earlier_turns(person: httpx2.Client, provider: FakeProvider) -> None:
    provider.replies(text("Nice to meet you"), text("You are Ann"))
    ask(person, "I am Ann")
    ask(person, "Who am I?")
    said = [message["content"] for message in provider.requests[-1].json["messages"][1:]]
    assert said == ["I am Ann", "Nice to meet you", "Who am I?"]


def test_the_model_gets_nothing_of_other_peoples_turns(server: Server, person: httpx2.Client, email: str) -> None:
    ask(person, "I am Ann")
    with server.client(f"other-{email}") as other:
        assert ask(other, "Who am I?").json()["data"]["content"][0]["text"] == "You said: Who am I?"
        assert history(other) == ["Who am I?", "You said: Who am I?"]


def test_the_same_question_may_come_as_plain_text(person: httpx2.Client) -> None:
    person.post("/api/chat/message", json={"message": "Hi"})
    person.post("/api/chat/message", json={"content": "Hi"})
    assert [message["content"] for message in person.get("/api/chat/history").json()["data"][::2]] == [
        [{"type": "text", "text": "Hi"}]
    ] * 2


def test_the_system_prompt_goes_first(person: httpx2.Client, provider: FakeProvider) -> None:
    ask(person, "Hi")
    first = provider.requests[-1].messages[0]
    assert first["role"] == "system"
    assert "CC Agent" in first["content"]


@pytest.mark.parametrize(
    "reply",
    [
        text(["A", " whole", " answer"]),
        no_done("A whole answer"),
        sliced(text("A whole answer")),
        with_comments(text("A whole answer")),
        reasoning("Let me think.", "A whole answer"),
        text("A whole answer", finish="length"),
    ],
)
def test_an_answer_in_any_usual_form_is_read(person: httpx2.Client, provider: FakeProvider, reply: Reply) -> None:
    provider.replies(reply)
    assert ask(person, "Hi").json()["data"]["content"] == [{"type": "text", "text": "A whole answer"}]


def test_messages_that_wait_for_the_model_hold_up_nobody(
    server: Server, person: httpx2.Client, provider: FakeProvider
) -> None:
    gate = Gate()
    provider.default = text("At last", gate=gate)
    with contextlib.ExitStack() as waiting:
        waiting.callback(gate.open)
        for _ in range(210):
            address = ("127.0.0.1", int(server.env["PORT"]))
            waiting.enter_context(socket.create_connection(address)).sendall(PLAIN_REQUEST)
        provider.wait_for_requests(210, timeout=30)
        assert person.get("/api/chat/history", timeout=5).status_code == 200


# When the provider fails.


@pytest.fixture
def impatient(serve: Serve, provider: FakeProvider) -> Server:
    """Waits a second at most, and tries nothing twice."""
    return serve(
        PROVIDER_NAME="fake",
        PROVIDER_MODEL="fake",
        PROVIDER_BASE_URL=provider.base_url,
        PROVIDER_API_KEY="sk-very-secret",
        PROVIDER_FIRST_BYTE_SECONDS="1",
        PROVIDER_STALL_SECONDS="1",
        PROVIDER_RETRIES="0",
    )


@pytest.fixture
def visitor(impatient: Server, email: str) -> Iterator[httpx2.Client]:
    with impatient.client(email) as client:
        yield client


FAILURES: dict[str, tuple[Reply, int]] = {
    "400": (status(400), 502),
    "401": (key_refused(), 502),
    "404": (model_not_found(), 502),
    "413": (status(413), 502),
    "418": (status(418), 502),
    "429": (status(429, retry_after=7), 503),
    "500": (status(500), 502),
    "502": (status(502), 502),
    "503": (status(503), 503),
    "504": (status(504), 502),
    "529": (status(529), 503),
    "too long": (context_too_long(), 502),
    "redirect": (redirect("http://127.0.0.1:9/v1"), 502),
    "HTML": (html(), 502),
    "nothing": (nothing(), 502),
    "JSON": (json_error(), 502),
    "dropped": (dropped(), 504),
    "silence": (silence(), 504),
    "error event": (error_event("Half"), 502),
    "bad JSON": (bad_json("Half"), 502),
    "bad UTF-8": (bad_utf8("Half"), 502),
    "null delta": (null_delta("Half"), 502),
    "odd choices": (odd_choices("Half"), 502),
    "no words": (wordless(), 502),
    "cut": (cut("Half"), 502),
    "stall": (stall("Half"), 504),
    "no finish": (no_finish("Half"), 502),
    "huge line": (huge_line(8), 502),
    "endless": (endless(), 502),
}


@pytest.mark.parametrize(("reply", "expected"), FAILURES.values(), ids=FAILURES)
def test_a_failure_of_the_provider_is_a_sentence_in_the_envelope(
    visitor: httpx2.Client, provider: FakeProvider, reply: Reply, expected: int
) -> None:
    provider.default = reply
    answer = ask(visitor, "Hi")
    assert (answer.status_code, answer.headers["Content-Type"]) == (expected, "application/json")
    assert (set(answer.json()), answer.json()["success"]) == ({"success", "error"}, False)
    assert answer.json()["error"].endswith(".")


@pytest.mark.parametrize("reply", [reply for reply, _ in FAILURES.values()], ids=FAILURES)
def test_the_question_is_kept_and_the_next_one_answered(
    visitor: httpx2.Client, provider: FakeProvider, reply: Reply
) -> None:
    provider.default = reply
    ask(visitor, "Hi")
    provider.default = text("Here I am")
    assert ask(visitor, "Hello?").json()["data"]["content"][0]["text"] == "Here I am"
    assert (history(visitor)[0], history(visitor)[-2:]) == ("Hi", ["Hello?", "Here I am"])


def test_how_long_to_wait_is_passed_on(visitor: httpx2.Client, provider: FakeProvider) -> None:
    provider.replies(status(429, retry_after=7))
    assert ask(visitor, "Hi").headers["Retry-After"] == "7"


@pytest.mark.parametrize("reply", [status(500), status(429), status(503), dropped()])
def test_a_passing_failure_before_the_first_token_is_not_noticed(
    person: httpx2.Client, provider: FakeProvider, reply: Reply
) -> None:
    provider.replies(reply, text("Here I am"))
    assert ask(person, "Hi").json()["data"]["content"][0]["text"] == "Here I am"


@pytest.mark.parametrize("path", ["/api/chat/message", "/api/chat/message/stream"])
@pytest.mark.parametrize("reply", [key_refused(), status(500), error_event(), json_error(), html()])
def test_the_providers_words_and_key_reach_neither_client_nor_log(
    visitor: httpx2.Client, impatient: Server, provider: FakeProvider, path: str, reply: Reply
) -> None:
    provider.replies(reply)
    answer = visitor.post(path, json={"message": "My own words"})
    assert provider.requests[-1].headers["authorization"] == "Bearer sk-very-secret"
    for secret in ("sk-very-secret", "sk-f***ke", "had an error while", "gateway</h1>", "My own words"):
        assert secret not in answer.text + impatient.output


def test_an_endless_answer_is_cut_and_kept(visitor: httpx2.Client, provider: FakeProvider) -> None:
    provider.replies(endless())
    assert "too long" in ask(visitor, "Hi").json()["error"]
    assert len(history(visitor)[-1]) == 200_000
