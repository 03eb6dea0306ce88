"""Each vendor's strictness: nothing that is sent is refused, and what comes back is understood."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator

import pytest

from chat import tools as built_in
from chat.agent import attempts, tools
from chat.agent.errors import Refused
from chat.agent.events import AgentEvent, Finished, TextDelta, ToolResult, Usage
from chat.agent.prompt import ModelRequest, Passage, PromptMessage
from chat.agent.providers import OpenAIProvider
from chat.agent.toolbox import Toolbox
from chat.agent.vendors import Timeouts
from chat.content import File, Image, Text
from tests import fake_provider as fake
from tests.fake_provider import FakeProvider, Gate, call, text, tool_calls

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
TOOLBOX = Toolbox(tuple(tools.registry[name] for name in ("search_context", "current_time")))


@pytest.fixture(params=fake.VENDORS)
def vendor(request: pytest.FixtureRequest) -> Iterator[FakeProvider]:
    """A provider that refuses whatever this vendor refuses."""
    with FakeProvider(strict=request.param) as provider:
        yield provider


@pytest.fixture
async def model(vendor: FakeProvider) -> AsyncIterator[OpenAIProvider]:
    provider = OpenAIProvider(vendor.vendor.name, "fake", vendor.base_url, "secret", Timeouts(5, 5, 5), 0)
    yield provider
    await provider.close()


@pytest.fixture(autouse=True)
def _nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(built_in, "_passages", lambda *_: [])


def asking(*messages: PromptMessage) -> ModelRequest:
    return ModelRequest("Be kind.", messages, (Passage("Snails", "", "Snails are slow."),), TOOLBOX)


def user(*blocks: Text | Image | File) -> PromptMessage:
    return PromptMessage("user", blocks)


async def answer(model: OpenAIProvider, request: ModelRequest) -> list[AgentEvent]:
    return [event async for event in attempts.run([model], request, 5)]


def said(events: list[AgentEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_a_plain_answer(vendor: FakeProvider, model: OpenAIProvider) -> None:
    assert said(await answer(model, asking(user(Text("Hi"))))) == "You said: Hi"
    assert len(vendor.requests) == 1


async def test_a_conversation_of_three_turns_with_an_image_and_a_file(
    vendor: FakeProvider, model: OpenAIProvider
) -> None:
    talk = [user(Text("Look:"), Text("[Image a.png]")), PromptMessage("assistant", (Text("A snail."),))]
    talk += [user(Text("Read:"), File("notes.txt", "Slow.")), PromptMessage("assistant", (Text("It says: slow."),))]
    events = await answer(model, asking(*talk, user(Text("And this?"), Image("b.png", PNG), File("b.txt", "Fast."))))
    assert said(events).startswith("You said: And this?")
    assert len(vendor.requests) == 1


async def test_a_round_of_tool_calls(vendor: FakeProvider, model: OpenAIProvider) -> None:
    vendor.replies(tool_calls(call("search_context", query="snails"), call("current_time")), text("Nothing"))
    events = await answer(model, asking(user(Text("What of snails?"))))
    results = [(event.call.name, event.failed) for event in events if isinstance(event, ToolResult)]
    assert results == [("search_context", False), ("current_time", False)]
    assert (said(events), events[-1], len(vendor.requests)) == ("Nothing", Finished("stop"), 2)


async def test_several_rounds_after_each_other(vendor: FakeProvider, model: OpenAIProvider) -> None:
    vendor.replies(*[tool_calls(call("current_time"), say="Let me see. ")] * 2, text("Late"))
    assert said(await answer(model, asking(user(Text("What time is it?"))))) == "Let me see. Let me see. Late"
    assert len(vendor.requests) == 3


async def test_the_tokens_are_the_vendors_own(model: OpenAIProvider) -> None:
    [usage] = [event for event in await answer(model, asking(user(Text("Hi")))) if isinstance(event, Usage)]
    assert (usage.completion_tokens, usage.estimated) == (3, False)


async def test_a_model_without_tools_answers_without_them(vendor: FakeProvider, model: OpenAIProvider) -> None:
    vendor.replies(fake.field_refused("tools"))
    for _ in range(2):
        assert said(await answer(model, asking(user(Text("Hi"))))) == "You said: Hi"
    assert ["tools" in request.json for request in vendor.requests] == [True, False, False]


async def test_an_error_that_only_mentions_tools_takes_none_away(vendor: FakeProvider, model: OpenAIProvider) -> None:
    why = "Invalid image: my tools are not here."
    vendor.replies(fake.refused("invalid", why=why))
    with pytest.raises(Refused):
        await answer(model, asking(user(Text("Hi"))))
    assert len(vendor.requests) == 1


async def test_two_calls_that_learn_the_same_at_once_are_both_answered(
    vendor: FakeProvider, model: OpenAIProvider
) -> None:
    gate = Gate()
    vendor.replies(*[fake.late(gate, fake.field_refused("tools"))] * 2)
    calls = [asyncio.create_task(answer(model, asking(user(Text("Hi"))))) for _ in range(2)]
    await asyncio.to_thread(vendor.wait_for_requests, 2)
    gate.open()
    assert [said(events) for events in await asyncio.gather(*calls)] == ["You said: Hi"] * 2
