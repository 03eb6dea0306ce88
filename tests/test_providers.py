"""chat/agent/providers.py: which provider the settings name, and what becomes of a provider's bad days."""

import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx2
import openai
import pytest
from django.contrib.auth.models import User
from django.core import checks
from django.test import Client
from pytest_django import Settings

from ccagent.environment import Environment
from chat.agent import errors
from chat.agent.configuration import configured
from chat.agent.events import Finished, ModelEvent, TextDelta
from chat.agent.offline import OfflineProvider
from chat.agent.prompt import ModelRequest, PromptMessage
from chat.agent.providers import OpenAIProvider, translate
from chat.agent.vendors import VENDORS, Timeouts
from chat.content import Text
from tests import fake_provider as fake
from tests.conftest import Serve
from tests.fake_provider import FakeProvider, Reply

ENDPOINTS = {
    "google-genai": "https://generativelanguage.googleapis.com/v1beta/openai/",
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com/v1/",
    "mistralai": "https://api.mistral.ai/v1",
    "groq": "https://api.groq.com/openai/v1",
    "cohere": "https://api.cohere.ai/compatibility/v1",
    "cerebras": "https://api.cerebras.ai/v1",
    "xai": "https://api.x.ai/v1",
}
QUESTION = ModelRequest("Be kind.", (PromptMessage("user", (Text("Who are you?"),)),))
TIMEOUTS = Timeouts(connect=10, first_byte=10, stall=10)
HURRIED = Timeouts(connect=0.3, first_byte=0.6, stall=0.3)

# Settings that name no usable provider, and the variable that each sentence must name.
MISTAKES: dict[str, dict[str, Any]] = {
    "PROVIDER_BASE_URL": {"provider_name": "nobody", "provider_api_key": "k", "provider_model": "m"},
    "PROVIDER_API_KEY": {"provider_name": "openai", "provider_model": "m"},
    "PROVIDER_MODEL": {"provider_name": "openai", "provider_api_key": "k"},
}


def environment(**variables: Any) -> Environment:
    return Environment(_env_file=None, **variables)


AskOf = Callable[..., OpenAIProvider]


@pytest.fixture
async def ask_of() -> AsyncIterator[AskOf]:
    """Makes clients of a provider, given by its address."""
    made: list[OpenAIProvider] = []

    def make(base_url: str, name: str = "fake", timeouts: Timeouts = TIMEOUTS, retries: int = 0) -> OpenAIProvider:
        made.append(OpenAIProvider(name, "small", base_url, "secret", timeouts, retries))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def answer(provider: OpenAIProvider) -> list[ModelEvent]:
    return [event async for event in provider.stream(QUESTION)]


async def said(provider: OpenAIProvider) -> str:
    return "".join(event.text for event in await answer(provider) if isinstance(event, TextDelta))


# What the settings name.


def test_the_eight_providers_have_their_endpoints() -> None:
    assert {name: vendor.base_url for name, vendor in VENDORS.items()} == ENDPOINTS


@pytest.mark.parametrize("name", ENDPOINTS)
def test_each_of_them_is_used_by_its_name(name: str) -> None:
    made = configured(environment(provider_name=name, provider_api_key="k", provider_model="m"))()
    assert (made.name, made.model) == (name, "m")


def test_the_default_with_a_key_is_gemini() -> None:
    made = configured(environment(provider_api_key="k"))()
    assert (made.name, made.model) == ("google-genai", "gemini-2.5-flash")


def test_without_name_and_key_the_offline_provider_answers() -> None:
    assert isinstance(configured(environment())(), OfflineProvider)


def test_any_other_name_goes_with_a_base_url_and_needs_no_key() -> None:
    made = configured(environment(provider_name="ollama", provider_base_url="http://box:1/v1", provider_model="m"))()
    assert (made.name, made.model) == ("ollama", "m")


def test_a_known_name_may_have_another_address(provider: FakeProvider) -> None:
    env = environment(provider_name="groq", provider_base_url=provider.base_url, provider_model="m")
    assert configured(env)().name == "groq"


# Where they name none.


@pytest.mark.parametrize("variable", MISTAKES)
def test_a_mistake_in_the_settings_is_one_sentence_that_names_the_variable(variable: str) -> None:
    with pytest.raises(errors.NotConfigured) as caught:
        configured(environment(**MISTAKES[variable]))
    assert variable in caught.value.sentence
    assert caught.value.sentence.endswith(".")


@pytest.mark.parametrize("variable", MISTAKES)
def test_a_mistake_is_a_system_check(variable: str, settings: Settings) -> None:
    settings.ENV = environment(**MISTAKES[variable])
    [problem] = [message for message in checks.run_checks() if message.id == "chat.W001"]
    assert variable in problem.msg


@pytest.mark.django_db
@pytest.mark.parametrize("variable", MISTAKES)
def test_a_mistake_is_told_in_the_admin(variable: str, settings: Settings, client: Client) -> None:
    settings.ENV = environment(**MISTAKES[variable])
    client.force_login(User.objects.create_superuser("operator"))
    assert f"{variable} " in client.get("/admin/", secure=True).content.decode()


@pytest.mark.django_db
def test_a_stranger_at_the_admins_door_is_not_told(settings: Settings, client: Client) -> None:
    settings.ENV = environment(**MISTAKES["PROVIDER_API_KEY"])
    assert "PROVIDER_API_KEY" not in client.get("/admin/login/", secure=True).content.decode()


@pytest.mark.parametrize("path", ["/api/chat/message", "/api/chat/message/stream"])
def test_a_mistake_is_the_apis_error_and_no_crash(path: str, serve: Serve, provider: FakeProvider, email: str) -> None:
    server = serve(PROVIDER_NAME="fake", PROVIDER_BASE_URL=provider.base_url)
    with server.client(email) as person:
        response = person.post(path, json={"message": "Hi"})
        assert (response.status_code, response.json()["success"]) == (503, False)
        assert response.json()["error"].startswith("PROVIDER_MODEL is missing")


# Every error of the library has a counterpart.

COUNTERPARTS: dict[type[Exception], tuple[int, type[errors.ProviderError]]] = {
    openai.APIStatusError: (418, errors.Refused),
    openai.BadRequestError: (400, errors.Refused),
    openai.AuthenticationError: (401, errors.KeyRefused),
    openai.OAuthError: (401, errors.KeyRefused),
    openai.PermissionDeniedError: (403, errors.KeyRefused),
    openai.NotFoundError: (404, errors.ModelNotFound),
    openai.ConflictError: (409, errors.Refused),
    openai.UnprocessableEntityError: (422, errors.Refused),
    openai.RateLimitError: (429, errors.Busy),
    openai.InternalServerError: (500, errors.ProviderError),
    openai.APIConnectionError: (0, errors.TimedOut),
    openai.APITimeoutError: (0, errors.TimedOut),
    openai.OpenAIError: (0, errors.BrokenAnswer),
    openai.APIError: (0, errors.BrokenAnswer),
    openai.APIResponseValidationError: (0, errors.BrokenAnswer),
    openai.ContentFilterFinishReasonError: (0, errors.BrokenAnswer),
    openai.LengthFinishReasonError: (0, errors.BrokenAnswer),
    openai.WebSocketConnectionClosedError: (0, errors.BrokenAnswer),
    openai.WebSocketQueueFullError: (0, errors.BrokenAnswer),
    openai.InvalidWebhookSignatureError: (0, errors.BrokenAnswer),
}


def test_the_table_of_counterparts_holds_every_public_error_of_the_library() -> None:
    public = [getattr(openai, name) for name in openai.__all__]
    assert {each for each in public if isinstance(each, type) and issubclass(each, Exception)} == set(COUNTERPARTS)


@pytest.mark.parametrize("library_error", COUNTERPARTS)
def test_each_error_of_the_library_has_a_counterpart(library_error: type[Exception]) -> None:
    status, counterpart = COUNTERPARTS[library_error]
    error = library_error.__new__(library_error)
    if status:
        response = httpx2.Response(status, request=httpx2.Request("POST", "http://provider"))
        openai.APIStatusError.__init__(error, "no", response=response, body=None)  # type: ignore[arg-type]
    assert type(translate(error, "small")) is counterpart


# Bad days.

BAD_DAYS: dict[str, tuple[Reply, type[errors.ProviderError]]] = {
    "401": (fake.status(401), errors.KeyRefused),
    "403": (fake.status(403), errors.KeyRefused),
    "404": (fake.status(404), errors.ModelNotFound),
    "429": (fake.status(429), errors.Busy),
    "500": (fake.status(500), errors.ProviderError),
    "502": (fake.status(502), errors.ProviderError),
    "503": (fake.status(503), errors.Busy),
    "529": (fake.status(529), errors.Busy),
    "400": (fake.status(400), errors.Refused),
    "no byte": (fake.silence(), errors.TimedOut),
    "connection dropped": (fake.dropped(), errors.TimedOut),
    "silence in the middle": (fake.stall("Hello "), errors.TimedOut),
    "connection cut": (fake.cut("Hello "), errors.BrokenAnswer),
    "no finish_reason": (fake.no_finish("Hello"), errors.BrokenAnswer),
    "a page": (fake.html(), errors.BrokenAnswer),
    "nothing": (fake.nothing(), errors.BrokenAnswer),
    "an error with 200": (fake.json_error(), errors.BrokenAnswer),
    "an error as an event": (fake.error_event("Hello "), errors.BrokenAnswer),
    "not UTF-8": (fake.bad_utf8("Hello "), errors.BrokenAnswer),
    "not JSON": (fake.bad_json("Hello "), errors.BrokenAnswer),
    "delta: null": (fake.null_delta("Hello "), errors.BrokenAnswer),
    "choices: x": (fake.odd_choices("Hello "), errors.BrokenAnswer),
    "a line of 8 MB": (fake.huge_line(8), errors.BrokenAnswer),
}


@pytest.mark.parametrize("kind", BAD_DAYS)
async def test_each_kind_of_bad_day_is_an_error_of_ours(kind: str, provider: FakeProvider, ask_of: AskOf) -> None:
    reply, expected = BAD_DAYS[kind]
    provider.replies(reply)
    with pytest.raises(errors.ProviderError) as caught:
        await answer(ask_of(provider.base_url, timeouts=HURRIED if expected is errors.TimedOut else TIMEOUTS))
    assert type(caught.value) is expected


VENDORS_WORDS = {
    "key": errors.KeyRefused,
    "model": errors.ModelNotFound,
    "context": errors.PromptTooLong,
    "rate": errors.Busy,
    "overloaded": errors.Busy,
}


@pytest.mark.parametrize("vendor", fake.VENDORS)
@pytest.mark.parametrize("kind", VENDORS_WORDS)
async def test_each_vendors_words_are_understood(kind: str, vendor: str, provider: FakeProvider, ask_of: AskOf) -> None:
    provider.replies(fake.faults.refused(kind, vendor=vendor))
    with pytest.raises(VENDORS_WORDS[kind]):
        await answer(ask_of(provider.base_url))


async def test_the_text_before_the_break_arrives(provider: FakeProvider, ask_of: AskOf) -> None:
    provider.replies(fake.cut("Hello "))
    events = ask_of(provider.base_url).stream(QUESTION)
    assert await anext(events) == TextDelta("Hello ")
    with pytest.raises(errors.BrokenAnswer):
        await anext(events)


async def test_the_sentence_names_the_model_that_was_not_found(provider: FakeProvider, ask_of: AskOf) -> None:
    provider.replies(fake.model_not_found())
    with pytest.raises(errors.ModelNotFound, match="no model named small"):
        await answer(ask_of(provider.base_url))


async def test_the_providers_own_words_are_for_operators_only(provider: FakeProvider, ask_of: AskOf) -> None:
    provider.replies(fake.key_refused())
    with pytest.raises(errors.KeyRefused) as caught:
        await answer(ask_of(provider.base_url))
    assert "Incorrect API key provided" in caught.value.detail
    assert "Incorrect" not in caught.value.sentence


async def test_a_busy_provider_says_when_to_come_back(provider: FakeProvider, ask_of: AskOf) -> None:
    provider.replies(fake.status(429, retry_after=7))
    with pytest.raises(errors.Busy) as caught:
        await answer(ask_of(provider.base_url))
    assert caught.value.retry_after == 7


async def test_nobody_at_the_address(ask_of: AskOf) -> None:
    with fake.closed_port() as base_url, pytest.raises(errors.TimedOut, match="cannot be reached"):
        await answer(ask_of(base_url))


# Tries and waits.


async def test_a_failure_before_the_first_token_is_tried_again(provider: FakeProvider, ask_of: AskOf) -> None:
    provider.replies(fake.status(500), fake.text("Hello"))
    assert await said(ask_of(provider.base_url, retries=1)) == "Hello"


async def test_the_tries_are_as_many_as_the_settings_say(provider: FakeProvider, ask_of: AskOf) -> None:
    provider.default = fake.status(500)
    with pytest.raises(errors.ProviderError):
        await answer(ask_of(provider.base_url, retries=1))
    assert len(provider.requests) == 2


async def test_after_the_first_token_nothing_is_tried_again(provider: FakeProvider, ask_of: AskOf) -> None:
    provider.replies(fake.cut("Hello "))
    with pytest.raises(errors.BrokenAnswer):
        await answer(ask_of(provider.base_url, retries=2))
    assert len(provider.requests) == 1


async def test_the_wait_for_the_first_token_includes_every_try(provider: FakeProvider, ask_of: AskOf) -> None:
    provider.replies(fake.status(500))
    provider.default = fake.silence()
    with pytest.raises(errors.TimedOut):
        await answer(ask_of(provider.base_url, timeouts=dataclasses.replace(TIMEOUTS, first_byte=1), retries=10))
    assert len(provider.requests) == 2


async def test_a_try_that_would_come_too_late_is_not_made(provider: FakeProvider, ask_of: AskOf) -> None:
    provider.default = fake.status(500)
    with pytest.raises(errors.ProviderError, match="failed"):
        await answer(ask_of(provider.base_url, timeouts=dataclasses.replace(TIMEOUTS, first_byte=0.2), retries=10))
    assert len(provider.requests) == 1


async def test_a_slow_answer_that_goes_on_is_not_cut_by_the_wait_for_its_first_token(
    provider: FakeProvider, ask_of: AskOf
) -> None:
    provider.replies(fake.text("one two three four", pause=0.1))
    assert (
        await said(ask_of(provider.base_url, timeouts=dataclasses.replace(TIMEOUTS, first_byte=0.2)))
        == "one two three four"
    )


async def test_a_connection_that_is_never_made_is_given_up_in_time(ask_of: AskOf) -> None:
    with fake.full_port() as base_url, pytest.raises(errors.TimedOut):
        await answer(ask_of(base_url, timeouts=HURRIED))


# Fields that not every provider takes.


@pytest.mark.parametrize("vendor", fake.VENDORS)
async def test_a_field_that_is_refused_is_left_out_and_remembered(
    vendor: str, provider: FakeProvider, ask_of: AskOf
) -> None:
    provider.replies(fake.field_refused("stream_options", vendor=vendor))
    openai_like = ask_of(provider.base_url, "openai")
    assert [await said(openai_like) for _ in range(2)] == ["You said: Who are you?"] * 2
    assert ["stream_options" in request.json for request in provider.requests] == [True, False, False]


async def test_another_refusal_is_not_tried_again(provider: FakeProvider, ask_of: AskOf) -> None:
    provider.replies(fake.field_refused("messages"))
    with pytest.raises(errors.Refused):
        await answer(ask_of(provider.base_url, "openai"))
    assert len(provider.requests) == 1


@pytest.fixture(params=fake.VENDORS)
def strict(request: pytest.FixtureRequest) -> Iterator[FakeProvider]:
    """A provider that refuses whatever this vendor refuses."""
    with FakeProvider(strict=request.param) as provider:
        yield provider


async def test_each_vendor_takes_what_is_sent_to_it_at_the_first_try(strict: FakeProvider, ask_of: AskOf) -> None:
    assert await said(ask_of(strict.base_url, strict.vendor.name)) == "You said: Who are you?"
    assert len(strict.requests) == 1


async def test_only_what_is_needed_is_sent_to_somebody_unknown(provider: FakeProvider, ask_of: AskOf) -> None:
    await answer(ask_of(provider.base_url))
    assert set(provider.requests[0].json) == {"model", "messages", "stream"}


async def test_a_redirect_is_not_followed(provider: FakeProvider, ask_of: AskOf) -> None:
    with FakeProvider() as elsewhere:
        provider.replies(fake.redirect(f"{elsewhere.base_url}/chat/completions"))
        with pytest.raises(errors.ProviderError):
            await answer(ask_of(provider.base_url))
        assert not elsewhere.requests


async def test_reasoning_is_not_the_answer(provider: FakeProvider, ask_of: AskOf) -> None:
    provider.replies(fake.reasoning("Let me see", "Hello"))
    assert await answer(ask_of(provider.base_url)) == [TextDelta("Hello"), Finished("stop")]
