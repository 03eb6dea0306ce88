import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from .fake_provider import (
    FakeProvider,
    Gate,
    Reply,
    call,
    closed_port,
    crlf,
    cut,
    full_port,
    in_one_segment,
    no_finish,
    silence,
    sliced,
    status,
    text,
    tool_calls,
    with_comments,
)

QUESTION = [{"role": "user", "content": "Who are you?"}]
CALL = {"id": "a1b2c3d4e", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "a1b2c3d4e", "content": "Rain"}


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


def ask(provider: FakeProvider, messages: Any = QUESTION, **fields: Any) -> Any:
    client = openai.OpenAI(base_url=provider.base_url, api_key="secret", max_retries=0, timeout=30)
    return client.chat.completions.create(model="fake", messages=messages, **fields)


def streamed_text(provider: FakeProvider) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in ask(provider, stream=True))


def request_sent(provider: FakeProvider, **fields: Any) -> socket.socket:
    body = json.dumps({"model": "fake", "messages": QUESTION, **fields}).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    connection = socket.create_connection(("127.0.0.1", provider.port), timeout=30)
    connection.sendall(head + body)
    return connection


def wire(provider: FakeProvider, **fields: Any) -> bytes:
    """The very bytes of an answer, up to the end of its body or of the connection."""
    received = b""
    with request_sent(provider, **fields) as connection:
        while not received.endswith(b"\r\n0\r\n\r\n") and (data := connection.recv(65536)):
            received += data
    return received


def test_the_official_client_reads_a_plain_answer(provider: FakeProvider) -> None:
    answer = ask(provider)
    assert answer.choices[0].message.content == "You said: Who are you?"
    assert (answer.object, answer.choices[0].finish_reason) == ("chat.completion", "stop")


def test_the_official_client_reads_a_streamed_answer(provider: FakeProvider) -> None:
    chunks = list(ask(provider, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "You said: Who are you?"
    assert [chunk.choices[0].finish_reason for chunk in chunks][-2:] == [None, "stop"]


def test_usage_comes_in_a_chunk_of_its_own_when_asked_for(provider: FakeProvider) -> None:
    last = list(ask(provider, stream=True, stream_options={"include_usage": True}))[-1]
    assert (last.choices, last.usage.prompt_tokens, last.usage.completion_tokens) == ([], 3, 5)


def test_a_stream_is_chunks_of_server_sent_events(provider: FakeProvider) -> None:
    provider.replies(text("Hello"))
    head, _, body = wire(provider, stream=True).partition(b"\r\n\r\n")
    events = re.findall(rb"data: (.*)\n\n", body)
    assert re.match(rb"HTTP/1.1 200 OK\r\n(?s:.*)content-type: text/event-stream", head)
    assert json.loads(events[1])["choices"][0]["delta"] == {"content": "Hello"}
    assert events[-1] == b"[DONE]"


def test_a_connection_serves_one_request_after_the_other(provider: FakeProvider) -> None:
    client = openai.OpenAI(base_url=provider.base_url, api_key="secret")
    assert [model.id for model in client.models.list()] == ["fake", "fake-small"]
    assert [model.id for model in client.models.list()] == ["fake", "fake-small"]


def test_texts_that_share_words_have_vectors_near_each_other(provider: FakeProvider) -> None:
    client = openai.OpenAI(base_url=provider.base_url, api_key="secret")
    answer = client.embeddings.create(model="fake", input=["a red hat", "the red hat", "two snails"])
    first, near, far = (entry.embedding for entry in answer.data)
    assert sum(map(lambda a, b: a * b, first, near)) > 0.6 > sum(map(lambda a, b: a * b, first, far))


def test_requests_are_remembered(provider: FakeProvider) -> None:
    ask(provider)
    [request] = provider.requests
    assert request.json["messages"] == QUESTION
    assert request.headers["authorization"] == "Bearer secret"


def test_replies_come_in_the_order_given(provider: FakeProvider) -> None:
    provider.replies(status(429, retry_after=7), text("Hello"))
    with pytest.raises(openai.RateLimitError) as refused:
        ask(provider)
    assert refused.value.response.headers["retry-after"] == "7"
    assert ask(provider).choices[0].message.content == "Hello"


def test_a_gate_lets_an_answer_out_token_by_token(provider: FakeProvider) -> None:
    gate = Gate()
    provider.replies(text("one two", gate=gate))
    chunks = ask(provider, stream=True)
    gate.step()
    assert [next(chunks).choices[0].delta.content for _ in range(2)] == ["", "one "]
    assert provider.requests[0].ended_at is None
    gate.open()
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["two", None]


def test_a_client_that_gives_up_is_noticed(provider: FakeProvider) -> None:
    provider.replies(silence())
    with request_sent(provider):
        provider.wait_for_requests(1)
        assert provider.requests[0].ended_at is None
    provider.requests[0].wait_until_ended()
    assert provider.requests[0].closed_early


def test_a_cut_connection_ends_without_the_last_chunk(provider: FakeProvider) -> None:
    provider.replies(cut("Hello "))
    answer = wire(provider, stream=True)
    assert b'"Hello "' in answer
    assert not answer.endswith(b"0\r\n\r\n")


def test_an_answer_can_end_cleanly_without_a_finish_reason(provider: FakeProvider) -> None:
    provider.replies(no_finish("Hello"))
    answer = wire(provider, stream=True)
    assert answer.endswith(b"\r\n0\r\n\r\n")
    assert not re.search(rb'\[DONE\]|"finish_reason":"', answer)


@pytest.mark.parametrize("shape", [crlf, with_comments, sliced, in_one_segment])
def test_shapes_change_the_bytes_and_not_the_answer(provider: FakeProvider, shape: Any) -> None:
    provider.replies(shape(text("Größe: 5 €")), text("Größe: 5 €"))
    shaped, usual = wire(provider, stream=True), wire(provider, stream=True)
    provider.replies(shape(text("Größe: 5 €")))
    assert streamed_text(provider) == "Größe: 5 €"
    assert len(shaped) != len(usual)


def test_nul_and_lone_surrogates_arrive_as_sent(provider: FakeProvider) -> None:
    provider.replies(text("nul \0 half \ud83d"))
    assert streamed_text(provider) == "nul \0 half \ud83d"


def streamed_calls(provider: FakeProvider, reply: Reply) -> list[dict[str, Any]]:
    provider.replies(reply)
    deltas = [chunk.choices[0].delta for chunk in ask(provider, stream=True)]
    return [entry.to_dict() for delta in deltas for entry in delta.tool_calls or []]


def test_arguments_of_parallel_calls_come_in_pieces(provider: FakeProvider) -> None:
    entries = streamed_calls(provider, tool_calls(call("weather", city="Paris"), call("weather", city="Rome")))
    second = [entry["function"]["arguments"] for entry in entries if entry["index"] == 1]
    assert len(second) > 2
    assert json.loads("".join(second)) == {"city": "Rome"}


def test_gemini_sends_signed_calls_without_an_index() -> None:
    with FakeProvider(vendor="google-genai") as provider:
        [entry] = streamed_calls(provider, tool_calls(call("weather", city="Paris")))
    assert "index" not in entry
    assert entry["extra_content"]["google"]["thought_signature"]


def test_gemini_wants_its_signature_back() -> None:
    with FakeProvider(strict="google-genai") as provider:
        provider.replies(tool_calls(call("weather", city="Paris")))
        [entry] = (message := ask(provider).choices[0].message.to_dict())["tool_calls"]
        result = {"role": "tool", "tool_call_id": entry["id"], "content": "Rain"}
        assert ask(provider, messages=[*QUESTION, message, result]).choices
        del entry["extra_content"]
        with pytest.raises(openai.BadRequestError) as refused:
            ask(provider, messages=[*QUESTION, message, result])
    assert "missing a thought_signature" in refused.value.response.text


BROKEN: Any = {**CALLED, "tool_calls": [{**CALL, "function": {"name": "weather", "arguments": "{"}}]}


def offering(properties: Any, **more: str) -> dict[str, Any]:
    """A request's field with one tool of these arguments."""
    function = {"name": "weather", "parameters": {"type": "object", "properties": properties}, **more}
    return {"tools": [{"type": "function", "function": function}]}


@pytest.mark.parametrize(
    ("vendor", "fields", "words"),
    [
        ("mistralai", {"stream": True, "stream_options": {}}, "422.*extra_forbidden.*stream_options"),
        ("mistralai", {"messages": [*QUESTION, CALLED, RESULT, *QUESTION]}, "400.*Unexpected role 'user' after"),
        ("groq", {"messages": [{"role": "user", "content": "x", "name": "Ann"}]}, "400.*'name' is unsupported"),
        ("anthropic", {"temperature": 1.5}, "400.*temperature: range"),
        ("cohere", {"logprobs": True}, "422.*unknown field: parameter 'logprobs'"),
        ("cerebras", {"parallel_tool_calls": True}, "400.*body.parallel_tool_calls"),
        ("xai", {"presence_penalty": 0.5}, "400.*presencePenalty"),
        ("google-genai", {"logit_bias": {}}, r"400.*Unknown name .?\"logit_bias"),
        ("google-genai", offering({"a": {"type": "string", "default": "x"}}), r"400.*Unknown name .?\"default"),
        ("google-genai", offering({"a": {"type": "integer", "enum": [1]}}), "400.*TYPE_STRING"),
        ("google-genai", offering({"a": {"anyOf": [], "description": "x"}}), "400.*only field set"),
        ("google-genai", offering({"a": {"type": ["string", "null"]}}), "400.*must have a type"),
        ("google-genai", offering({"a": {"type": "array"}}), "400.*items: missing field"),
        ("google-genai", offering({}), "400.*should be non-empty"),
        ("openai", offering({}, name="a.b"), "400.*does not match"),
        ("openai", offering({}, description="x" * 1025), "400.*maximum length 1024"),
        ("anthropic", {"messages": [*QUESTION, CALLED, RESULT]}, "400.*must define tools"),
        ("anthropic", {"messages": [*QUESTION, BROKEN, RESULT], **offering({})}, "400.*valid dictionary"),
    ],
)
def test_each_vendor_refuses_what_it_does_not_take(vendor: str, fields: Any, words: str) -> None:
    with FakeProvider(strict=vendor) as provider, pytest.raises(openai.APIStatusError) as refused:
        ask(provider, **fields)
    assert re.search(words, f"{refused.value.status_code} {refused.value.response.text}")


@pytest.mark.parametrize("vendor", ["openai", "mistralai"])
@pytest.mark.parametrize("messages", [[RESULT], [CALLED, *QUESTION], [{"role": "user", "content": " "}], []])
def test_no_vendor_takes_malformed_messages(vendor: str, messages: Any) -> None:
    with FakeProvider(vendor=vendor) as provider, pytest.raises(openai.BadRequestError):
        ask(provider, messages=messages)


def test_a_mistake_in_a_script_fails_the_test() -> None:
    provider = FakeProvider()
    provider.replies(lambda _: 1 / 0)  # type: ignore[arg-type,return-value]
    with pytest.raises(ZeroDivisionError), provider:
        wire(provider)


def test_ports_refuse_and_ports_hang() -> None:
    with closed_port() as url, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(url.split(":")[2].split("/")[0])))
    with full_port() as url, pytest.raises(TimeoutError):
        socket.create_connection(("127.0.0.1", int(url.split(":")[2].split("/")[0])), timeout=0.1)


def test_as_a_program_it_numbers_the_tokens_of_each_stream() -> None:
    command = [sys.executable, "-m", "tests.fake_provider", "--tokens", "3", "--pause", "0.002"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        client = openai.OpenAI(base_url=process.stdout.readline().strip(), api_key="x")
        question: Any = [{"role": "user", "content": "Count for s0042"}]
        chunks = client.chat.completions.create(model="fake", messages=question, stream=True)
        answer = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        process.terminate()
    assert answer == "s0042-0000 s0042-0001 s0042-0002 "
