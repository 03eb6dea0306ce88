"""FALLBACK_MODELS: other models answer where the first does not."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from ccagent.environment import Environment, EnvironmentProblem, read_environment
from chat.agent import attempts, configuration, errors
from chat.agent.events import Asked, TextDelta
from chat.agent.prompt import ModelRequest, PromptMessage
from chat.agent.providers import OpenAIProvider
from chat.agent.vendors import Timeouts
from chat.content import Text
from tests import fake_provider as fake
from tests.conftest import Serve, Server
from tests.fake_provider import FakeProvider, Reply, call, text, tool_calls
from tests.test_bad_days import MESSAGE, STREAM, Heard, ask, kept

HI = ModelRequest("Be kind.", (PromptMessage("user", (Text("Hi"),)),))


@pytest.fixture(params=[MESSAGE, STREAM], ids=["plain", "stream"])
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def _other() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.fixture
def other(_other: FakeProvider) -> FakeProvider:
    """A second provider."""
    _other.reset()
    return _other


@pytest.fixture
def careful(serve: Serve, provider: FakeProvider, other: FakeProvider) -> Server:
    """A server that asks three models, the third of them elsewhere."""
    return serve(
        PROVIDER_NAME="fake",
        PROVIDER_MODEL="big",
        PROVIDER_BASE_URL=provider.base_url,
        PROVIDER_API_KEY="first-key",
        PROVIDER_FIRST_BYTE_SECONDS="3",
        PROVIDER_RETRIES="0",
        FALLBACK_MODELS="small, my-box:tiny:1b",
        FALLBACK_BASE_URL_MY_BOX=other.base_url,
        FALLBACK_API_KEY_MY_BOX="other-key",
    )


@pytest.fixture
def visitor(careful: Server, email: str) -> Iterator[httpx2.Client]:
    with careful.client(email) as client:
        yield client


def models(provider: FakeProvider) -> list[str]:
    return [request.json["model"] for request in provider.requests]


NOT_SHARED: dict[str, Reply] = {
    "busy": fake.status(429, retry_after=60),
    "500": fake.status(500),
    "overloaded": fake.status(529),
    "no first byte": fake.silence(),
    "connection dropped": fake.dropped(),
    "key refused": fake.key_refused(),
    "model not found": fake.model_not_found(),
    "too long": fake.context_too_long(),
    "redirect": fake.redirect("http://127.0.0.1:9/v1"),
    "HTML": fake.html(),
    "nothing": fake.nothing(),
    "an error event": fake.error_event(),
    "no text": fake.wordless(),
    "cut": fake.cut(),
}


@pytest.mark.parametrize("kind", NOT_SHARED)
def test_the_next_model_answers_and_is_recorded(
    kind: str, path: str, visitor: httpx2.Client, careful: Server, provider: FakeProvider, email: str
) -> None:
    # By model, because a prompt that is too long may be tried once more, cut.
    provider.default = lambda request: (NOT_SHARED[kind] if request.json["model"] == "big" else text("Here I am"))(
        request
    )
    assert ask(visitor, path) == Heard(200, "Here I am")
    found = kept(careful, email)
    assert (found["status"], found["provider"], found["model"]) == ("complete", "fake", "small")


def test_a_model_of_another_provider_is_asked_with_its_own_key(
    path: str, visitor: httpx2.Client, careful: Server, provider: FakeProvider, other: FakeProvider, email: str
) -> None:
    provider.replies(fake.status(500), fake.status(500))
    assert ask(visitor, path).text == "You said: Hi"
    assert (models(provider), models(other)) == (["big", "small"], ["tiny:1b"])
    assert other.requests[0].headers["authorization"] == "Bearer other-key"
    assert kept(careful, email)["provider"] == "my-box"


def test_the_operator_reads_why_the_first_was_left(
    path: str, visitor: httpx2.Client, careful: Server, provider: FakeProvider, email: str
) -> None:
    provider.replies(fake.key_refused())
    ask(visitor, path)
    assert "fake (big): The model provider refused the API key" in kept(careful, email)["error"]
    assert "Incorrect API key provided" in kept(careful, email)["error"]


def test_where_none_answers_the_last_one_s_failure_is_told(
    path: str, visitor: httpx2.Client, careful: Server, provider: FakeProvider, other: FakeProvider, email: str
) -> None:
    provider.replies(fake.key_refused(), fake.model_not_found())
    other.replies(fake.status(429, retry_after=7))
    heard = ask(visitor, path)
    assert (heard.status, heard.retry_after, kept(careful, email)["status"]) == (503, 7, "failed")
    for words in ("Incorrect API key", "HTTP 404", "HTTP 429"):
        assert words in kept(careful, email)["error"]


def test_a_request_that_is_refused_goes_to_nobody_else(
    path: str, visitor: httpx2.Client, provider: FakeProvider
) -> None:
    provider.replies(fake.status(400))
    assert ask(visitor, path).status == 502
    assert models(provider) == ["big"]


def test_after_the_first_token_nobody_else_is_asked(
    path: str, visitor: httpx2.Client, careful: Server, provider: FakeProvider, email: str
) -> None:
    provider.replies(fake.cut("Half"))
    ask(visitor, path)
    assert models(provider) == ["big"]
    assert (kept(careful, email)["status"], kept(careful, email)["model"]) == ("interrupted", "big")


def test_all_of_them_share_the_wait_for_the_first_token(
    path: str, visitor: httpx2.Client, provider: FakeProvider, other: FakeProvider
) -> None:
    provider.default = other.default = fake.silence()
    started = time.monotonic()
    assert ask(visitor, path).status == 504
    assert (models(provider), models(other)) == (["big", "small"], ["tiny:1b"])
    assert 2 < time.monotonic() - started < 8


def test_a_model_that_fails_after_its_tools_leaves_the_whole_answer_to_the_next(
    path: str, visitor: httpx2.Client, careful: Server, provider: FakeProvider, email: str
) -> None:
    provider.replies(tool_calls(call("current_time")), fake.status(500), text("Here I am"))
    assert ask(visitor, path) == Heard(200, "Here I am")
    assert [message["role"] for message in provider.requests[2].messages] == ["system", "user"]
    # The call was made, so the operator sees it; the next model hears nothing of it.
    with psycopg.connect(careful.database_url) as connection:
        calls = "SELECT count(*) FROM chat_toolcall WHERE message_id = %s"
        assert connection.execute(calls, [kept(careful, email)["id"]]).fetchone() == (1,)


async def test_a_longer_prompt_than_the_first_takes_reaches_the_next_whole(provider: FakeProvider) -> None:
    earlier = [PromptMessage("user", (Text("One"),)), PromptMessage("assistant", (Text("Two"),))]
    request = ModelRequest("Be kind.", (*earlier, *HI.messages))
    chain = [OpenAIProvider("fake", name, provider.base_url, "", Timeouts(5, 5, 5), 0) for name in ("a", "b")]
    provider.replies(fake.context_too_long(), fake.context_too_long())
    events = [event async for event in attempts.run(chain, request, 5)]
    assert [(event.model, bool(event.failures)) for event in events if isinstance(event, Asked)] == [
        ("a", False),
        ("a", True),
        ("b", True),
    ]
    assert [len(request.messages) for request in provider.requests] == [4, 2, 4]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "You said: Hi"


# What the settings name.


def environment(**variables: Any) -> Environment:
    main = {"provider_name": "groq", "provider_api_key": "k", "provider_model": "m"}
    return Environment(_env_file=None, **main | variables)


def named(env: Environment) -> list[tuple[str, str]]:
    """Provider and model of every fallback."""
    makers, problems = configuration.fallbacks(env)
    assert not problems
    return [(made.name, made.model) for made in (make() for make in makers)]


def test_a_model_by_itself_is_one_of_the_same_provider() -> None:
    assert named(environment(fallback_models="small,groq:smaller")) == [("groq", "small"), ("groq", "smaller")]


def test_a_provider_has_its_key_in_a_variable_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FALLBACK_API_KEY_GOOGLE_GENAI", "g")
    assert named(environment(fallback_models="google-genai:flash")) == [("google-genai", "flash")]


def test_the_variables_of_a_provider_may_stand_in_the_dotenv_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DEV_MODE", "true")
    (tmp_path / ".env").write_text("FALLBACK_MODELS=openai:big\nFALLBACK_API_KEY_OPENAI=o\n")
    assert named(read_environment(tmp_path / ".env")) == [("openai", "big")]


@pytest.mark.parametrize(
    ("entry", "variables", "said"),
    [
        ("openai:big", {}, "FALLBACK_API_KEY_OPENAI is missing"),
        ("nobody:big", {}, "set FALLBACK_BASE_URL_NOBODY"),
        ("openai:big", {"FALLBACK_API_KEY_OPENAI": "two words"}, "FALLBACK_API_KEY_OPENAI is malformed: it holds"),
        ("my-box:big", {"FALLBACK_BASE_URL_MY_BOX": "box"}, "FALLBACK_BASE_URL_MY_BOX is malformed: it must start"),
    ],
)
def test_a_mistake_is_a_sentence_and_spoils_nothing_else(
    entry: str, variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    makers, [problem] = configuration.fallbacks(environment(fallback_models=f"{entry},small"))
    assert said in problem.sentence
    assert problem.sentence.endswith(".")
    assert len(makers) == 1


@pytest.mark.parametrize("value", [":big", "openai:", "two words", "x" * 101 + ":m", "x" * 201])
def test_a_malformed_list_stops_the_start_with_a_sentence(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FALLBACK_MODELS", value)
    with pytest.raises(EnvironmentProblem, match="FALLBACK_MODELS is malformed: it must look like"):
        read_environment(Path("none"))


def test_a_mistake_is_told_at_the_start_and_the_first_model_answers(
    serve: Serve, provider: FakeProvider, email: str
) -> None:
    model = {"PROVIDER_NAME": "fake", "PROVIDER_MODEL": "big", "PROVIDER_BASE_URL": provider.base_url}
    server = serve(**model, FALLBACK_MODELS="openai:other")
    assert "FALLBACK_API_KEY_OPENAI is missing" in server.output
    with server.client(email) as person:
        assert ask(person, MESSAGE).status == 200


async def test_a_single_model_is_asked_as_if_there_were_no_others(provider: FakeProvider) -> None:
    provider.replies(fake.status(400))
    with pytest.raises(errors.Refused):
        async for _ in attempts.run([OpenAIProvider("a", "b", provider.base_url, "", Timeouts(5, 5, 5), 0)], HI, 5):
            pass
    assert len(provider.requests) == 1
