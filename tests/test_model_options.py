"""Temperature and the greatest length of an answer: sent as each vendor takes them, and left out where it refuses."""

import dataclasses
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from chat.agent.events import TextDelta
from chat.agent.prompt import ModelRequest, PromptMessage
from chat.agent.providers import OpenAIProvider
from chat.agent.vendors import Timeouts
from chat.content import Text
from tests import fake_provider as fake
from tests.fake_provider import FakeProvider

REQUEST = ModelRequest("Be kind.", (PromptMessage("user", (Text("Hi"),)),), temperature=0.7, max_tokens=100)
LENGTHS = ("max_tokens", "max_completion_tokens")
Model = Callable[..., OpenAIProvider]


@pytest.fixture
def strict(request: pytest.FixtureRequest) -> Iterator[FakeProvider]:
    """A provider that refuses whatever a vendor refuses."""
    with FakeProvider(strict=request.param) as provider:
        yield provider


@pytest.fixture
async def model() -> AsyncIterator[Model]:
    made: list[OpenAIProvider] = []

    def make(provider: FakeProvider, model: str = "small", name: str = "") -> OpenAIProvider:
        name = name or provider.vendor.name
        made.append(OpenAIProvider(name, model, provider.base_url, "secret", Timeouts(5, 5, 5), 0))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def answered(model: OpenAIProvider, request: ModelRequest = REQUEST, **wishes: Any) -> None:
    events = [event async for event in model.stream(dataclasses.replace(request, **wishes))]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "You said: Hi"


def options(provider: FakeProvider) -> list[dict[str, Any]]:
    """The wishes in each request that came."""
    names = ("temperature", *LENGTHS)
    return [{name: request.json[name] for name in names if name in request.json} for request in provider.requests]


FIRST = dict.fromkeys(fake.VENDORS, "max_tokens")
FIRST |= dict.fromkeys(("openai", "groq", "cerebras", "xai"), "max_completion_tokens")


@pytest.mark.parametrize("strict", fake.VENDORS, indirect=True)
async def test_each_vendor_takes_them_at_the_first_try(strict: FakeProvider, model: Model) -> None:
    await answered(model(strict))
    assert options(strict) == [{"temperature": 0.7, FIRST[strict.vendor.name]: 100}]


@pytest.mark.parametrize("strict", fake.VENDORS, indirect=True)
async def test_what_is_not_wished_for_is_not_sent(strict: FakeProvider, model: Model) -> None:
    await answered(model(strict), temperature=None, max_tokens=None)
    assert options(strict) == [{}]


@pytest.mark.parametrize("strict", ["cohere"], indirect=True)
async def test_a_temperature_of_nought_is_one(strict: FakeProvider, model: Model) -> None:
    await answered(model(strict), temperature=0.0)
    assert options(strict)[0]["temperature"] == 0


@pytest.mark.parametrize("strict", ["openai"], indirect=True)
async def test_a_reasoning_model_goes_without_temperature_from_then_on(strict: FakeProvider, model: Model) -> None:
    reasoning = model(strict, "o3")
    for _ in range(2):
        await answered(reasoning)
    without = {"max_completion_tokens": 100}
    assert options(strict) == [{"temperature": 0.7, **without}, without, without]


@pytest.mark.parametrize("strict", ["openai"], indirect=True)
async def test_what_one_model_refuses_another_is_still_sent(strict: FakeProvider, model: Model) -> None:
    for name in ("o3", "gpt-4.1"):
        await answered(model(strict, name))
    assert options(strict)[-1] == {"temperature": 0.7, "max_completion_tokens": 100}


@pytest.mark.parametrize(("strict", "name"), [("openai", "my-gateway"), ("mistralai", "openai")], indirect=["strict"])
async def test_a_length_that_is_refused_by_one_name_is_sent_by_the_other(
    strict: FakeProvider, name: str, model: Model
) -> None:
    # Of another name than the vendor behind it, as a gateway is.
    gateway = model(strict, "o3", name)
    for _ in range(2):
        await answered(gateway, temperature=None)
    sent = [next(iter(each)) for each in options(strict)]
    assert [name for name, _ in itertools.groupby(sent)] == [sent[0], sent[-1]]
    assert {sent[0], sent[-1]} == set(LENGTHS)


async def test_a_length_that_is_refused_by_both_names_is_not_sent(model: Model) -> None:
    with FakeProvider() as provider:
        provider.replies(*map(fake.field_refused, LENGTHS))
        small = model(provider, name="my-gateway")
        for _ in range(2):
            await answered(small)
        assert [len(sent) for sent in options(provider)] == [2, 2, 1, 1]


@pytest.mark.parametrize("strict", ["anthropic"], indirect=True)
async def test_a_temperature_out_of_range_does_not_cost_one_that_is_in_it(strict: FakeProvider, model: Model) -> None:
    small = model(strict)
    for temperature in (1.5, 1.5, 0.5):
        await answered(small, temperature=temperature)
    assert [sent.get("temperature") for sent in options(strict)] == [1.5, None, None, 0.5]


@pytest.mark.parametrize("strict", ["anthropic"], indirect=True)
async def test_the_newest_models_go_without_temperature(strict: FakeProvider, model: Model) -> None:
    newest = model(strict, "claude-opus-4-7")
    for _ in range(2):
        await answered(newest)
    assert ["temperature" in sent for sent in options(strict)] == [True, False, False]


# What some servers say, and whether the length is sent with the next prompt again.
TOO_MUCH = {
    "'max_tokens' is too large: 100. This model's maximum context length is 99 tokens.": True,
    "input length and `max_tokens` exceed context limit: 199950 + 100 > 200000": True,
    "maxOutputTokens must be less than 100.": False,
}


@pytest.mark.parametrize("why", TOO_MUCH)
async def test_a_length_too_great_for_one_prompt_is_sent_with_the_next(why: str, model: Model) -> None:
    with FakeProvider() as provider:
        provider.replies(fake.refused("invalid", why=why))
        small = model(provider, name="my-gateway")
        for _ in range(2):
            await answered(small)
        assert ["max_tokens" in sent for sent in options(provider)] == [True, False, TOO_MUCH[why]]


@pytest.mark.parametrize("vendor", fake.VENDORS)
@pytest.mark.parametrize("name", ["temperature", "max_tokens"])
async def test_each_vendors_refusal_is_understood(name: str, vendor: str, model: Model) -> None:
    with FakeProvider() as provider:
        provider.replies(fake.field_refused(name, vendor=vendor))
        await answered(model(provider, name="my-gateway"))
        assert (name in options(provider)[0], name in options(provider)[-1]) == (True, False)
