"""POST /api/chat/message/stream: the answer, piece by piece."""

import asyncio
import http.client
import json
import time
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from chat import answer as answers
from chat import sse
from chat.agent.errors import BrokenAnswer
from tests.conftest import Serve, Server, chunks
from tests.fake_provider import (
    FakeProvider,
    Gate,
    Reply,
    bad_json,
    bad_utf8,
    cut,
    dropped,
    error_event,
    html,
    json_error,
    key_refused,
    model_not_found,
    no_finish,
    nothing,
    silence,
    stall,
    status,
    text,
    wordless,
)

STREAM = "/api/chat/message/stream"
BODY = {"message": "Hi"}
HEADERS = {"X-CC-API-KEY": "test-key", "Content-Type": "application/json"}


def events(person: httpx2.Client) -> list[dict[str, object]]:
    """Every event of an answer that is let run to its end."""
    with person.stream("POST", STREAM, json=BODY) as response:
        return list(chunks(response))


def history(person: httpx2.Client) -> list[str]:
    """The words of the history."""
    return [message["content"][0]["text"] for message in person.get("/api/chat/history").json()["data"]]


def wait_for_history(person: httpx2.Client, *words: str) -> None:
    deadline = time.monotonic() + 10
    while history(person) != list(words):
        assert time.monotonic() < deadline, history(person)
        time.sleep(0.02)


# The format.


def test_the_bytes_of_an_answer(person: httpx2.Client, provider: FakeProvider) -> None:
    gate = Gate()
    provider.replies(text(["Hello ", "wörld"], gate=gate))
    gate.step()
    with person.stream("POST", STREAM, json=BODY) as response:
        pieces = response.iter_raw()
        assert next(pieces) == b'data: {"chunk": "Hello "}\n\n'
        gate.open()
        assert b"".join(pieces) == 'data: {"chunk": "wörld"}\n\n'.encode()


def test_the_headers_of_an_answer(person: httpx2.Client) -> None:
    headers = person.post(STREAM, json=BODY).headers
    assert (headers["Content-Type"], headers["X-Accel-Buffering"]) == ("text/event-stream", "no")
    assert "no-cache" in headers["Cache-Control"].split(", ")
    assert "Content-Length" not in headers


@pytest.mark.parametrize("words", ["two\nlines", "\r\n", "\u2028 \x85", 'data: "quoted" \\', "😀", "[DONE]", "\x1b[1m"])
def test_a_chunk_is_one_line_whatever_is_in_it(person: httpx2.Client, provider: FakeProvider, words: str) -> None:
    provider.replies(text([f"x{words}"]))
    lines = person.post(STREAM, json=BODY).content.split(b"\n")
    assert [line[:6] for line in lines] == [b"data: ", b"", b""]
    assert json.loads(lines[0][6:]) == {"chunk": f"x{words}"}


def test_the_end_of_the_answer_is_the_end_of_the_body(person: httpx2.Client, provider: FakeProvider) -> None:
    provider.replies(text("Hello there"))
    body = person.post(STREAM, json=BODY).text
    assert "[DONE]" not in body
    assert "event:" not in body


@pytest.fixture
def connection(server: Server) -> Iterator[http.client.HTTPConnection]:
    """One connection, which is not opened again behind the test's back."""
    connection = http.client.HTTPConnection("127.0.0.1", int(server.env["PORT"]), timeout=10)
    connection.connect()
    connection.auto_open = 0
    yield connection
    connection.close()


@pytest.mark.parametrize("version", [10, 11])
def test_an_answer_ends_for_clients_old_and_new(
    connection: http.client.HTTPConnection, provider: FakeProvider, version: int
) -> None:
    connection._http_vsn, connection._http_vsn_str = version, f"HTTP/1.{version - 10}"  # type: ignore[attr-defined]
    provider.replies(text(["Hello"]))
    connection.request("POST", STREAM, json.dumps(BODY), HEADERS)
    assert connection.getresponse().read() == b'data: {"chunk": "Hello"}\n\n'


def test_a_connection_serves_one_stream_after_another(connection: http.client.HTTPConnection) -> None:
    for _ in range(2):
        connection.request("POST", STREAM, json.dumps(BODY), HEADERS)
        assert b'data: {"chunk": ' in connection.getresponse().read()


# As it comes.


def test_each_chunk_arrives_before_the_provider_sends_the_next(person: httpx2.Client, provider: FakeProvider) -> None:
    gate, words = Gate(), ["One ", "two ", "three"]
    provider.replies(text(words, gate=gate))
    gate.step()
    with person.stream("POST", STREAM, json=BODY) as response:
        arriving = chunks(response)
        for word in words:
            assert next(arriving) == {"chunk": word}
            gate.step()
        assert list(arriving) == []


def test_the_chunks_make_up_the_answer_in_the_history(person: httpx2.Client, provider: FakeProvider) -> None:
    said = "Word after word, \n two  blanks and 😀 at the end. "
    provider.replies(text(said))
    assert "".join(str(event["chunk"]) for event in events(person)) == said
    assert history(person) == ["Hi", said]


def test_two_streams_at_once_do_not_wait_for_each_other(server: Server, provider: FakeProvider) -> None:
    gate = Gate()
    provider.replies(text(["Slow ", "answer"], gate=gate), text("Quick"))
    gate.step()
    with server.client() as slow, slow.stream("POST", STREAM, json=BODY) as response, server.client() as quick:
        assert events(quick) == [{"chunk": "Quick"}]
        gate.open()
        assert "".join(str(event["chunk"]) for event in chunks(response)) == "Slow answer"


def test_a_quiet_provider_is_bridged_by_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "QUIET_SECONDS", 0.01)

    async def first_two() -> list[bytes]:
        answer = answers.RunningAnswer(1000)
        sent = sse.encode(answer.listen())
        quiet = await anext(sent)
        answer.add("Hello")
        return [quiet, await anext(sent)]

    comment, event = asyncio.run(first_two())
    assert (comment[:1], comment[-2:]) == (b":", b"\n\n")
    assert event == b'data: {"chunk": "Hello"}\n\n'


# What goes wrong before the first token.


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


BEFORE: dict[str, tuple[Reply, int]] = {
    "500": (status(500), 502),
    "400": (status(400), 502),
    "503": (status(503), 503),
    "429": (status(429, retry_after=7), 503),
    "key": (key_refused(), 502),
    "model": (model_not_found(), 502),
    "HTML": (html(), 502),
    "nothing": (nothing(), 502),
    "JSON": (json_error(), 502),
    "dropped": (dropped(), 504),
    "silence": (silence(), 504),
    "error event": (error_event(), 502),
    "bad JSON": (bad_json(), 502),
    "no words": (wordless(), 502),
    "cut": (cut(), 502),
    "no finish": (no_finish(""), 502),
}


@pytest.mark.parametrize(("reply", "expected"), BEFORE.values(), ids=BEFORE)
def test_a_failure_before_the_first_token_is_an_http_error(
    visitor: httpx2.Client, provider: FakeProvider, reply: Reply, expected: int
) -> None:
    provider.replies(reply)
    answer = visitor.post(STREAM, json=BODY)
    assert (answer.status_code, answer.headers["Content-Type"]) == (expected, "application/json")
    assert (set(answer.json()), answer.json()["success"]) == ({"success", "error"}, False)


def test_how_long_to_wait_is_passed_on(visitor: httpx2.Client, provider: FakeProvider) -> None:
    provider.replies(status(429, retry_after=7))
    assert visitor.post(STREAM, json=BODY).headers["Retry-After"] == "7"


# And after it.

AFTER: dict[str, Reply] = {
    "cut": cut("Half an answer"),
    "stall": stall("Half an answer"),
    "bad JSON": bad_json("Half an answer"),
    "bad UTF-8": bad_utf8("Half an answer"),
    "error event": error_event("Half an answer"),
    "no finish": no_finish("Half an answer"),
}


@pytest.mark.parametrize("reply", AFTER.values(), ids=AFTER)
def test_a_failure_after_the_first_token_is_the_last_event(
    visitor: httpx2.Client, provider: FakeProvider, reply: Reply
) -> None:
    provider.replies(reply)
    *said, last = events(visitor)
    assert "".join(str(event["chunk"]) for event in said) == "Half an answer"
    assert last == {"chunk": "", "success": False, "error": last["error"]}
    assert str(last["error"]).startswith("The model provider")


@pytest.mark.parametrize("reply", AFTER.values(), ids=AFTER)
def test_half_an_answer_is_kept_and_the_talk_goes_on(
    visitor: httpx2.Client, provider: FakeProvider, reply: Reply
) -> None:
    provider.replies(reply, text("A whole one"))
    for _ in range(2):
        events(visitor)
    assert history(visitor) == ["Hi", "Half an answer", "Hi", "A whole one"]


def test_an_error_event_ends_in_bytes_like_any_other() -> None:
    async def broken() -> AsyncIterator[str]:
        yield "Half"
        raise BrokenAnswer("the provider's own words", sentence="It broke off.")

    async def collected() -> bytes:
        return b"".join([piece async for piece in sse.encode(broken())])

    expected = b'data: {"chunk": "Half"}\n\ndata: {"chunk": "", "success": false, "error": "It broke off."}\n\n'
    assert asyncio.run(collected()) == expected


# Listeners that go.


def test_a_listener_who_goes_finds_the_whole_answer_later(person: httpx2.Client, provider: FakeProvider) -> None:
    gate = Gate()
    provider.replies(text(["Hello ", "there"], gate=gate))
    gate.step()
    with person.stream("POST", STREAM, json=BODY) as response:
        next(chunks(response))
    gate.open()
    wait_for_history(person, "Hi", "Hello there")


def test_a_listener_who_goes_before_the_first_token_does_too(person: httpx2.Client, provider: FakeProvider) -> None:
    gate = Gate()
    provider.replies(text("Hello there", gate=gate))
    with pytest.raises(httpx2.ReadTimeout):
        person.post(STREAM, json=BODY, timeout=0.3)
    provider.wait_for_requests()
    gate.open()
    wait_for_history(person, "Hi", "Hello there")


def test_the_provider_is_asked_to_the_end_for_a_listener_who_went(
    person: httpx2.Client, provider: FakeProvider
) -> None:
    gate = Gate()
    provider.replies(text(["Hello ", "there"], gate=gate))
    gate.step()
    with person.stream("POST", STREAM, json=BODY) as response:
        next(chunks(response))
    gate.open()
    provider.requests[0].wait_until_ended()
    assert not provider.requests[0].closed_early


def test_a_listener_who_goes_leaves_no_complaint_in_the_log(person: httpx2.Client, server: Server) -> None:
    before = len(server.output)
    with person.stream("POST", STREAM, json=BODY) as response:
        next(chunks(response))
    wait_for_history(person, "Hi", "You said: Hi")
    assert "Traceback" not in server.output[before:]
