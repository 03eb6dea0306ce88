"""What is tried before a provider's bad day becomes the person's: again, without a field, with less of a prompt."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import pytest

from chat.agent.prompt import ModelRequest, Passage, PromptMessage
from chat.content import Text
from tests import fake_provider as fake
from tests.conftest import Serve, Server
from tests.fake_provider import FakeProvider, Reply, Response, text
from tests.test_bad_days import MESSAGE, STREAM, Heard, ask, kept


@pytest.fixture(params=[MESSAGE, STREAM], ids=["plain", "stream"])
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# Tries.


def test_a_busy_provider_gets_the_pause_it_asks_for(path: str, person: httpx2.Client, provider: FakeProvider) -> None:
    provider.replies(fake.status(429, retry_after=0.7), text("Here I am"))
    assert ask(person, path) == Heard(200, "Here I am")
    first, second = provider.requests
    assert second.received_at - first.received_at >= 0.7


def test_a_pause_that_does_not_fit_is_passed_on_at_once(
    path: str, person: httpx2.Client, provider: FakeProvider
) -> None:
    provider.replies(fake.status(429, retry_after=60))
    started = time.monotonic()
    heard = ask(person, path)
    assert (heard.status, heard.retry_after, len(provider.requests)) == (503, 60, 1)
    assert time.monotonic() - started < 20


def test_a_pause_may_be_given_by_a_date(path: str, person: httpx2.Client, provider: FakeProvider) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    provider.replies(fake.status(429, retry_after=date))
    assert 60 <= ask(person, path).retry_after <= 90


@pytest.mark.parametrize(("code", "expected"), [(429, 503), (500, 502), (503, 503), (529, 503)])
def test_the_tries_are_bounded(
    code: int, expected: int, path: str, person: httpx2.Client, server: Server, provider: FakeProvider, email: str
) -> None:
    provider.default = fake.status(code, retry_after=0.01)
    heard = ask(person, path)
    assert (heard.status, len(provider.requests)) == (expected, 3)
    assert kept(server, email)["status"] == "failed"


@pytest.mark.parametrize("reply", [fake.status(500), fake.status(503), fake.dropped(), fake.status(429)])
def test_a_passing_failure_is_not_noticed(
    reply: Reply, path: str, person: httpx2.Client, server: Server, provider: FakeProvider, email: str
) -> None:
    provider.replies(reply, text("Here I am"))
    assert ask(person, path) == Heard(200, "Here I am")
    assert kept(server, email)["status"] == "complete"


def test_a_tool_call_that_the_model_wrote_wrong_is_tried_again(
    path: str, person: httpx2.Client, provider: FakeProvider
) -> None:
    error = b'{"error": {"message": "Failed to call a function.", "failed_generation": "<function="}}'
    provider.replies(lambda _: Response([error], 400), text("Here I am"))
    assert ask(person, path) == Heard(200, "Here I am")


def test_a_connection_that_is_never_made_is_given_up(path: str, serve: Serve, email: str) -> None:
    with fake.full_port() as base_url:
        model = {"PROVIDER_NAME": "fake", "PROVIDER_MODEL": "fake", "PROVIDER_BASE_URL": base_url}
        server = serve(**model, PROVIDER_FIRST_BYTE_SECONDS="1")
        with server.client(email) as person:
            assert ask(person, path).status == 504
        assert kept(server, email)["status"] == "failed"


# What the provider does not take.


def test_a_refused_field_is_left_out_from_then_on(serve: Serve, provider: FakeProvider, email: str) -> None:
    server = serve(PROVIDER_NAME="openai", PROVIDER_MODEL="old", PROVIDER_BASE_URL=provider.base_url)
    provider.replies(fake.field_refused("stream_options"))
    with server.client(email) as person:
        assert [ask(person, way).status for way in (MESSAGE, STREAM)] == [200, 200]
    assert ["stream_options" in request.json for request in provider.requests] == [True, False, False]
    assert kept(server, email)["status"] == "complete"


def test_a_model_without_tools_answers_without_them(serve: Serve, provider: FakeProvider, email: str) -> None:
    server = serve(PROVIDER_NAME="ollama", PROVIDER_MODEL="toolless", PROVIDER_BASE_URL=provider.base_url)
    error = b'{"error": {"message": "registry.ollama.ai/library/small does not support tools", "type": "api_error"}}'
    provider.replies(lambda _: Response([error], 400))
    with server.client(email) as person:
        assert [ask(person, way).status for way in (MESSAGE, STREAM)] == [200, 200]
    assert ["tools" in request.json for request in provider.requests] == [True, False, False]


def test_a_prompt_that_is_too_long_is_cut_and_sent_again(
    path: str, person: httpx2.Client, provider: FakeProvider
) -> None:
    for words in ("One", "Two"):
        ask(person, path, words)
    provider.replies(fake.context_too_long(), text("Here I am"))
    assert ask(person, path, "Three") == Heard(200, "Here I am")
    long, short = ([message["content"] for message in request.messages[1:]] for request in provider.requests[-2:])
    assert long == ["One", "You said: One", "Two", "You said: Two", "Three"]
    assert short == ["Two", "You said: Two", "Three"]


def test_a_prompt_that_stays_too_long_is_told_in_a_sentence(
    path: str, person: httpx2.Client, server: Server, provider: FakeProvider, email: str
) -> None:
    ask(person, path, "One")
    provider.default = fake.context_too_long()
    heard = ask(person, path, "Two")
    assert (heard.status, len(provider.requests), kept(server, email)["status"]) == (502, 3, "failed")
    assert heard.error == "This conversation is too long for the model: send a shorter message."


def test_a_cut_prompt_keeps_the_question_and_the_best_passages() -> None:
    said = [PromptMessage(role, (Text(role),)) for role in ("user", "assistant") * 3]
    question = PromptMessage("user", (Text("Why?"),))
    passages = tuple(Passage(title, "", "text") for title in "abc")
    cut = ModelRequest("Be kind.", (*said, question), passages).halved()
    assert cut.messages == (*said[4:], question)
    assert cut.passages == passages[:1]
