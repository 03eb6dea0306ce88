"""The provider's bad days: what the person gets, in both ways to ask, and what is kept of it."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from psycopg.rows import dict_row

from tests import fake_provider as fake
from tests.conftest import Serve, Server, chunks
from tests.fake_provider import FakeProvider, Reply, Request, Response, text

MESSAGE = "/api/chat/message"
STREAM = "/api/chat/message/stream"


@dataclass
class Heard:
    """What a person gets: the status, the text, and the sentence of a failure."""

    status: int
    text: str = ""
    error: str = ""
    retry_after: int = 0


def ask(person: httpx2.Client, path: str, words: str = "Hi") -> Heard:
    if path == MESSAGE:
        return _heard(person.post(path, json={"message": words}))
    with person.stream("POST", path, json={"message": words}) as response:
        if response.headers["Content-Type"] == "application/json":
            response.read()
            return _heard(response)
        events = list(chunks(response))
    said = "".join(str(event["chunk"]) for event in events)
    return Heard(response.status_code, said, str(events[-1].get("error", "")))


def _heard(answer: httpx2.Response) -> Heard:
    body = answer.json()
    said = body["data"]["content"][0]["text"] if body["success"] else ""
    return Heard(answer.status_code, said, body.get("error", ""), int(answer.headers.get("Retry-After", 0)))


def kept(server: Server, email: str) -> dict[str, Any]:
    """The newest answer as the database has it, which is what the operator reads."""
    query = """
        SELECT message.* FROM chat_message message JOIN chat_conversation conversation
        ON conversation.id = conversation_id WHERE email = %s AND role = 'assistant' ORDER BY sequence DESC LIMIT 1
    """
    with psycopg.connect(server.database_url, row_factory=dict_row) as connection:
        found = connection.execute(query, [email]).fetchone()
    assert found
    return found


@pytest.fixture(params=[MESSAGE, STREAM], ids=["plain", "stream"])
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


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


# Before the first token: a status, and an answer that failed.

NO_ANSWER: dict[str, tuple[Reply, int, str, str]] = {
    # What happens, the status, words of the sentence, and words that only the operator reads.
    "401": (fake.key_refused(), 502, "refused the API key", "Incorrect API key provided"),
    "403": (fake.status(403), 502, "refused the API key", "does not have access"),
    "429": (fake.status(429), 503, "busy", "Rate limit reached"),
    "400": (fake.status(400), 502, "refused the request", "could not be served"),
    "too long": (fake.context_too_long(), 502, "too long for the model", "maximum context length"),
    "too large": (fake.status(413), 502, "too long for the model", "Request Entity Too Large"),
    "404": (fake.model_not_found(), 502, "no model named fake", "HTTP 404"),
    "500": (fake.status(500), 502, "failed", "had an error"),
    "502": (fake.status(502), 502, "failed", "HTTP 502"),
    "503": (fake.status(503), 503, "busy", "overloaded"),
    "529": (fake.status(529), 503, "busy", "HTTP 529"),
    "connection dropped": (fake.dropped(), 504, "cannot be reached", "disconnected"),
    "no first byte": (fake.silence(), 504, "in time", "no first token"),
    "no text after the first byte": (fake.stall(), 504, "in time", "silence"),
    "cut": (fake.cut(), 502, "broke off", "not enough data"),
    "no finish_reason": (fake.no_finish(""), 502, "broke off", "without a finish_reason"),
    "HTML": (fake.html(), 502, "broke off", "Welcome to the gateway"),
    "nothing": (fake.nothing(), 502, "broke off", "without a finish_reason"),
    "a JSON error": (fake.json_error(), 502, "broke off", "had an error"),
    "an error event": (fake.error_event(), 502, "broke off", "had an error"),
    "not UTF-8": (fake.bad_utf8(), 502, "broke off", "UnicodeDecodeError"),
    "not JSON": (fake.bad_json(), 502, "broke off", "JSONDecodeError"),
    "delta: null": (fake.null_delta(), 502, "broke off", "AttributeError"),
    "choices: x": (fake.odd_choices(), 502, "broke off", "AttributeError"),
    "no text": (fake.wordless(), 502, "empty answer", "finish_reason stop"),
    "no text, filtered": (text("", finish="content_filter"), 502, "empty answer", "finish_reason content_filter"),
    "blanks": (text(["\n", " \n"]), 502, "empty answer", "no text"),
    "thoughts alone": (fake.reasoning("Let me think.", ""), 502, "empty answer", "no text"),
    "blanks, then cut": (fake.cut(" "), 502, "broke off", "not enough data"),
}


@pytest.mark.parametrize("kind", NO_ANSWER)
def test_without_an_answer_there_is_a_status_and_a_failure_in_store(
    kind: str, path: str, visitor: httpx2.Client, impatient: Server, provider: FakeProvider, email: str
) -> None:
    reply, status, sentence, _ = NO_ANSWER[kind]
    provider.default = reply
    heard = ask(visitor, path)
    assert (heard.status, heard.text, kept(impatient, email)["status"]) == (status, "", "failed")
    assert sentence in heard.error


@pytest.mark.parametrize("kind", NO_ANSWER)
def test_the_providers_own_words_are_the_operators_alone(
    kind: str, path: str, visitor: httpx2.Client, impatient: Server, provider: FakeProvider, email: str
) -> None:
    reply, _, _, words = NO_ANSWER[kind]
    provider.default = reply
    heard = ask(visitor, path)
    assert words.lower() in kept(impatient, email)["error"].lower()
    assert words not in heard.error


@pytest.mark.parametrize("kind", NO_ANSWER)
def test_a_failed_answer_is_no_bubble_in_the_history(
    kind: str, visitor: httpx2.Client, provider: FakeProvider, path: str
) -> None:
    provider.default = NO_ANSWER[kind][0]
    ask(visitor, path)
    assert [message["role"] for message in visitor.get("/api/chat/history").json()["data"]] == ["user"]


# After it: an error event, and the text is kept.

HALF = "Half an answer"
HALVES: dict[str, tuple[Reply, int, str]] = {
    "silence": (fake.stall(HALF), 504, "silence in the middle"),
    "cut": (fake.cut(HALF), 502, "not enough data"),
    "no finish_reason": (fake.no_finish(HALF), 502, "without a finish_reason"),
    "an error event": (fake.error_event(HALF), 502, "had an error"),
    "not UTF-8": (fake.bad_utf8(HALF), 502, "UnicodeDecodeError"),
    "not JSON": (fake.bad_json(HALF), 502, "JSONDecodeError"),
    "delta: null": (fake.null_delta(HALF), 502, "AttributeError"),
    "choices: x": (fake.odd_choices(HALF), 502, "AttributeError"),
}


@pytest.mark.parametrize("kind", HALVES)
def test_half_an_answer_is_kept_as_interrupted(
    kind: str, path: str, visitor: httpx2.Client, impatient: Server, provider: FakeProvider, email: str
) -> None:
    reply, _, words = HALVES[kind]
    provider.replies(reply)
    ask(visitor, path)
    found = kept(impatient, email)
    assert (found["status"], found["text"]) == ("interrupted", HALF)
    assert words.lower() in found["error"].lower()


@pytest.mark.parametrize("kind", HALVES)
def test_half_an_answer_ends_in_a_sentence(
    kind: str, path: str, visitor: httpx2.Client, provider: FakeProvider
) -> None:
    reply, status, _ = HALVES[kind]
    provider.replies(reply)
    heard = ask(visitor, path)
    assert (heard.status, heard.text) == ((status, "") if path == MESSAGE else (200, HALF))
    assert heard.error.startswith("The model provider")


# Good answers in a bad shape.


def test_done_may_be_missing(
    path: str, visitor: httpx2.Client, impatient: Server, provider: FakeProvider, email: str
) -> None:
    provider.replies(fake.no_done("A whole answer"))
    assert ask(visitor, path) == Heard(200, "A whole answer")
    assert kept(impatient, email)["status"] == "complete"


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_why_an_answer_ended_is_noted(
    reason: str, path: str, visitor: httpx2.Client, impatient: Server, provider: FakeProvider, email: str
) -> None:
    provider.replies(text("Part of it", finish=reason))
    assert ask(visitor, path) == Heard(200, "Part of it")
    found = kept(impatient, email)
    assert (found["status"], found["finish_reason"]) == ("complete", reason)


def test_what_cannot_be_stored_is_cleaned_for_everybody(
    path: str, visitor: httpx2.Client, impatient: Server, provider: FakeProvider, email: str
) -> None:
    provider.replies(text(["a\0b", "\ud83d", "\udc0c", " \ud800c", "\udc00", "\ud83d"]))
    assert ask(visitor, path) == Heard(200, "a\ufffdb🐌 \ufffdc\ufffd\ufffd")
    found = kept(impatient, email)
    assert (found["status"], found["text"]) == ("complete", "a\ufffdb🐌 \ufffdc\ufffd\ufffd")


def test_blanks_before_the_first_word_are_part_of_the_answer(
    path: str, visitor: httpx2.Client, provider: FakeProvider
) -> None:
    provider.replies(text(["\n", " ", "Hello"]))
    assert ask(visitor, path) == Heard(200, "\n Hello")


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content", "thinking"])
def test_thoughts_are_neither_shown_nor_sent_back(
    field: str, path: str, visitor: httpx2.Client, provider: FakeProvider
) -> None:
    provider.replies(fake.reasoning("Let me think.", "Hello", field=field))
    assert ask(visitor, path) == Heard(200, "Hello")
    ask(visitor, path, "And now?")
    assert "Let me think." not in provider.requests[-1].body.decode()


def test_a_redirect_is_not_followed(path: str, visitor: httpx2.Client, provider: FakeProvider) -> None:
    with FakeProvider() as elsewhere:
        provider.replies(fake.redirect(f"{elsewhere.base_url}/chat/completions"))
        heard = ask(visitor, path)
        assert (heard.status, elsewhere.requests) == (502, [])
    assert "PROVIDER_BASE_URL" in heard.error


# Too much.


def forget_peak(server: Server) -> int:
    """Lets the server's peak of memory begin anew; its memory now, in MB."""
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
    return peak(server)


def peak(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) // 1024


needs_linux = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured as on Linux")


@needs_linux
@pytest.mark.parametrize("reply", [fake.huge_line(200), fake.endless()], ids=["one line", "without end"])
def test_too_long_an_answer_is_cut_in_bounded_memory(
    reply: Reply, path: str, visitor: httpx2.Client, impatient: Server, provider: FakeProvider, email: str
) -> None:
    provider.replies(reply)
    before = forget_peak(impatient)
    assert ask(visitor, path).error == "The answer was too long and was cut: ask for less at once."
    found = kept(impatient, email)
    assert (found["status"], len(found["text"])) == ("interrupted", 200_000)
    assert peak(impatient) - before < 100


def endless_error(_: Request) -> Response:
    return Response(itertools.repeat(b"x" * 65_536), 400)


def endless_blanks(request: Request) -> Response:
    return text([" " * 1000] * 5000)(request)


def endless_call(request: Request) -> Response:
    piece = [{"index": 0, "function": {"name": "fly", "arguments": "x" * 10_000}}]
    return fake.replies.Answer([{"tool_calls": piece}] * 5000, {})(request)


@needs_linux
@pytest.mark.parametrize("reply", [endless_error, endless_blanks, endless_call])
def test_what_is_no_text_is_not_collected_without_end(
    reply: Reply, path: str, visitor: httpx2.Client, impatient: Server, provider: FakeProvider, email: str
) -> None:
    provider.replies(reply)
    before = forget_peak(impatient)
    assert ask(visitor, path).status == 502
    assert kept(impatient, email)["status"] == "failed"
    assert peak(impatient) - before < 60


def test_blanks_without_end_are_given_up(
    path: str, visitor: httpx2.Client, impatient: Server, provider: FakeProvider, email: str
) -> None:
    provider.replies(endless_blanks)
    assert "empty answer" in ask(visitor, path).error
    assert "blanks without end" in kept(impatient, email)["error"]


# What an answer cost.


def test_tokens_are_the_providers_where_it_counts_them(path: str, serve: Serve, provider: FakeProvider) -> None:
    server = serve(PROVIDER_NAME="openai", PROVIDER_MODEL="fake", PROVIDER_BASE_URL=provider.base_url)
    provider.replies(text("One two three"))
    email = f"{path.count('/')}@example.com"
    with server.client(email) as person:
        ask(person, path)
    found = kept(server, email)
    assert (found["completion_tokens"], found["tokens_estimated"]) == (3, False)


@pytest.mark.parametrize("reply", [text("One two three four"), fake.cut("One two three four")])
def test_tokens_are_estimated_where_it_does_not(
    reply: Reply, path: str, visitor: httpx2.Client, impatient: Server, provider: FakeProvider, email: str
) -> None:
    provider.replies(reply)
    ask(visitor, path)
    found = kept(impatient, email)
    assert (found["completion_tokens"], found["tokens_estimated"]) == (5, True)
    assert found["prompt_tokens"] > 10


def test_an_answer_that_never_began_cost_nothing(
    path: str, visitor: httpx2.Client, impatient: Server, provider: FakeProvider, email: str
) -> None:
    provider.replies(fake.status(500))
    ask(visitor, path)
    assert kept(impatient, email)["completion_tokens"] is None
