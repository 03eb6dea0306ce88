"""chat/agent/loop.py: the model asks for tools, gets their results, and answers."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import httpx2
import psycopg
import pytest
from psycopg.rows import dict_row

from chat.agent import loop, tools
from chat.agent.errors import PromptTooLong
from chat.agent.events import AgentEvent, Finished, TextDelta, ToolResult, Usage
from chat.agent.prompt import ModelRequest, PromptMessage
from chat.agent.providers import OpenAIProvider
from chat.agent.toolbox import MAX_CALLS, Limits, Toolbox
from chat.agent.vendors import Timeouts
from chat.content import Text
from tests import fake_provider as fake
from tests.conftest import Server, chunks
from tests.fake_provider import Call, FakeProvider, call, text, tool_calls

JUNGLE = "George is the king of the jungle. He likes hats and eats snails."


def add(first: int, second: int) -> int:
    return first + second


async def wait(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return f"waited {seconds}"


def fail() -> str:
    raise RuntimeError


def nothing() -> None:
    """Has no arguments and no result."""


def long() -> str:
    return "x" * 5000


@dataclass
class Point:
    x: int
    y: float = 1.5


def odd(
    points: list[Point], either: int | str = 1, color: Literal["red", 1] = "red", more: dict[str, int] | None = None
) -> str:
    """Has arguments that some vendors' formats cannot say.

    points: where
    """
    return f"{points} {either} {color} {more}"


@pytest.fixture
def own_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tools of this file alone."""
    monkeypatch.setattr(tools, "registry", {})
    monkeypatch.setattr(tools, "_places", {})
    for function in (add, wait, fail, nothing, long, odd):
        tools.tool(function)


async def run(provider: FakeProvider, name: str = "fake", **limits: Any) -> list[AgentEvent]:
    """The events, without tokens that are only estimated."""
    model = OpenAIProvider(name, "small", provider.base_url, "secret", Timeouts(5, 5, 5), 0)
    question = PromptMessage("user", (Text("How much?"),))
    toolbox = Toolbox(tuple(tools.registry.values()), limits=Limits(**limits))
    request = ModelRequest("Be kind.", (question,), toolbox=toolbox)
    try:
        return [event async for event in loop.run(model, request) if not getattr(event, "estimated", False)]
    finally:
        await model.close()


def results(events: list[AgentEvent]) -> list[tuple[str, bool]]:
    return [(event.content, event.failed) for event in events if isinstance(event, ToolResult)]


async def test_an_answer_without_tools_is_text_and_one_end(provider: FakeProvider) -> None:
    provider.replies(text("All good"))
    *said, end = await run(provider)
    assert "".join(event.text for event in said if isinstance(event, TextDelta)) == "All good"
    assert end == Finished("stop")


@pytest.mark.usefixtures("own_tools")
async def test_a_call_gets_its_result_and_the_model_goes_on(provider: FakeProvider) -> None:
    provider.replies(tool_calls(call("add", first=2, second=3)), text("Five"))
    events = await run(provider)
    assert results(events) == [("5", False)]
    assert events[-2:] == [TextDelta("Five"), Finished("stop")]


@pytest.mark.usefixtures("own_tools")
async def test_the_result_goes_back_beside_its_call(provider: FakeProvider) -> None:
    provider.replies(tool_calls(Call("add", {"first": 2, "second": 3}, "c1"), say="Let me see. "))
    await run(provider)
    asked, answered = provider.requests[1].messages[-2:]
    assert (asked["content"], asked["tool_calls"][0]["id"]) == ("Let me see. ", "c1")
    assert answered == {"role": "tool", "tool_call_id": "c1", "content": "5"}


@pytest.mark.usefixtures("own_tools")
async def test_text_before_a_call_is_part_of_the_answer(provider: FakeProvider) -> None:
    provider.replies(tool_calls(call("add", first=2, second=3), say="Let me see. "), text("Five"))
    said = [event.text for event in await run(provider) if isinstance(event, TextDelta)]
    assert "".join(said) == "Let me see. Five"


@pytest.mark.usefixtures("own_tools")
async def test_several_calls_run_side_by_side_and_keep_their_order(provider: FakeProvider) -> None:
    provider.replies(tool_calls(*(call("wait", seconds=seconds) for seconds in (0.5, 0.4, 0.3, 0.2))))
    started = time.monotonic()
    events = await run(provider)
    assert time.monotonic() - started < 1.2
    assert [content for content, _ in results(events)] == [f"waited {seconds}" for seconds in (0.5, 0.4, 0.3, 0.2)]


@pytest.mark.usefixtures("own_tools")
async def test_the_steps_are_bounded(provider: FakeProvider) -> None:
    provider.default = tool_calls(call("add", first=1, second=1))
    events = await run(provider)
    assert len(provider.requests) == 8
    assert [event for event in events if isinstance(event, Finished)] == events[-1:]


@pytest.mark.usefixtures("own_tools")
async def test_the_number_of_steps_is_the_operators(provider: FakeProvider) -> None:
    provider.default = tool_calls(call("add", first=1, second=1), say="Once more. ")
    assert len(results(await run(provider, steps=3))) == 2
    assert len(provider.requests) == 3


@pytest.mark.usefixtures("own_tools")
async def test_texts_of_two_steps_are_kept_apart(provider: FakeProvider) -> None:
    provider.replies(tool_calls(call("nothing"), say="Let me see:"), tool_calls(call("nothing")), text("Five"))
    said = [event.text for event in await run(provider) if isinstance(event, TextDelta)]
    assert "".join(said) == "Let me see:\n\nFive"
    assert provider.requests[1].messages[-2]["content"] == "Let me see:"


@pytest.mark.usefixtures("own_tools")
async def test_results_that_are_too_long_for_the_model_are_cut_and_sent_again(provider: FakeProvider) -> None:
    provider.replies(tool_calls(call("long")), fake.context_too_long(), text("Five"))
    assert (await run(provider))[-2:] == [TextDelta("Five"), Finished("stop")]
    whole, cut = (request.messages[-1]["content"] for request in provider.requests[1:])
    assert len(whole) == 5000
    assert cut == "x" * 2000 + "\n[cut: 3000 more characters]"


@pytest.mark.usefixtures("own_tools")
async def test_a_prompt_that_is_too_long_whatever_is_cut_is_an_error(provider: FakeProvider) -> None:
    provider.replies(tool_calls(call("long")), *[fake.context_too_long()] * 2)
    with pytest.raises(PromptTooLong):
        await run(provider)


@pytest.mark.usefixtures("own_tools")
async def test_an_endless_number_of_calls_is_bounded(provider: FakeProvider) -> None:
    provider.replies(tool_calls(*[call("add", first=1, second=1)] * 40), text("Two"))
    events = await run(provider)
    assert [failed for _, failed in results(events)].count(False) == MAX_CALLS
    assert events[-1] == Finished("stop")


@pytest.mark.usefixtures("own_tools")
async def test_the_last_step_is_asked_without_tools(provider: FakeProvider) -> None:
    provider.replies(*[tool_calls(call("add", first=1, second=1))] * 7, text("Two"))
    events = await run(provider)
    assert ["tools" in request.json for request in provider.requests] == [True] * 7 + [False]
    assert events[-2:] == [TextDelta("Two"), Finished("stop")]


@pytest.mark.usefixtures("own_tools")
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (call("fly"), "There is no tool named fly."),
        (call("fail"), "The tool failed."),
        (call("add", first="many"), "The arguments are wrong: first: "),
        (Call("add", '{"first": 1, "seco'), "The arguments are wrong: arguments: "),
    ],
)
async def test_a_failure_is_told_to_the_model(wrong: Call, told: str, provider: FakeProvider) -> None:
    provider.replies(tool_calls(wrong), text("Sorry"))
    events = await run(provider)
    assert [failed for _, failed in results(events)] == [True]
    assert provider.requests[1].messages[-1]["content"].startswith(told)


@pytest.mark.usefixtures("own_tools")
async def test_the_usage_of_every_step_is_told(provider: FakeProvider) -> None:
    provider.replies(tool_calls(call("add", first=1, second=1)), text("Two"))
    usages = [event for event in await run(provider, "openai") if isinstance(event, Usage)]
    assert len(usages) == 2


@pytest.fixture(params=fake.VENDORS)
def strict(request: pytest.FixtureRequest) -> Iterator[FakeProvider]:
    """A provider that refuses whatever this vendor refuses."""
    with FakeProvider(strict=request.param) as provider:
        yield provider


@pytest.mark.usefixtures("own_tools")
async def test_each_vendor_understands_the_way_back(strict: FakeProvider) -> None:
    strict.replies(tool_calls(call("add", first=2, second=3), call("add", first=4, second=5)), text("Done"))
    events = await run(strict, strict.vendor.name)
    assert results(events) == [("5", False), ("9", False)]
    assert events[-1] == Finished("stop")


@pytest.mark.usefixtures("own_tools")
async def test_each_vendor_takes_calls_that_are_none(strict: FakeProvider) -> None:
    wrong = [Call("functions.add", "{}"), Call("add", '{"first": '), Call("nothing", ""), Call("odd", "[1]")]
    strict.replies(*[tool_calls(each) for each in wrong], text("Done"))
    assert (await run(strict, strict.vendor.name))[-1] == Finished("stop")
    assert [request.closed_early for request in strict.requests] == [False] * 5


@pytest.mark.usefixtures("own_tools")
async def test_each_vendor_is_asked_to_the_last_step(strict: FakeProvider) -> None:
    strict.replies(*[tool_calls(call("add", first=1, second=1))] * 7, text("Two"))
    assert TextDelta("Two") in await run(strict, strict.vendor.name)
    last = strict.requests[-1].json
    assert last.get("tool_choice") == ("none" if "tools" in last else None)
    assert ("tools" in last) == (strict.vendor.name == "anthropic")


# Through the whole agent.


def stored_calls(server: Server, email: str) -> list[dict[str, Any]]:
    """The tool calls of a person's answers, as the server's database has them."""
    query = """
        SELECT name, arguments, result, failed FROM chat_toolcall JOIN chat_message message ON message.id = message_id
        JOIN chat_conversation conversation ON conversation.id = conversation_id WHERE email = %s
    """
    with psycopg.connect(server.database_url, row_factory=dict_row) as connection:
        return connection.execute(query, [email]).fetchall()


def ask(person: httpx2.Client, words: str) -> str:
    answer = person.post("/api/chat/message", json={"message": words})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["content"][0]["text"])


def test_the_model_may_search_the_context(person: httpx2.Client, provider: FakeProvider) -> None:
    person.post("/api/context/text", json={"text": JUNGLE})
    provider.replies(tool_calls(call("search_context", query="king of the jungle")), text("George"))
    assert ask(person, "Who?") == "George"
    assert "George is the king" in provider.requests[1].messages[-1]["content"]


def test_the_model_may_ask_for_the_time(person: httpx2.Client, provider: FakeProvider) -> None:
    provider.replies(tool_calls(call("current_time", time_zone="Asia/Tokyo")), text("Late"))
    assert ask(person, "What time is it?") == "Late"
    assert provider.requests[1].messages[-1]["content"].endswith(" JST")


def test_calls_are_stored_with_their_results(
    server: Server, person: httpx2.Client, email: str, provider: FakeProvider
) -> None:
    provider.replies(tool_calls(call("current_time", time_zone="Mars"), call("fly")), text("Well"))
    ask(person, "What time is it?")
    time_call, fly = stored_calls(server, email)
    assert (time_call["name"], json.loads(time_call["arguments"])) == ("current_time", {"time_zone": "Mars"})
    assert time_call["result"].startswith("There is no time zone Mars")
    assert (fly["name"], fly["failed"]) == ("fly", True)


def test_a_stream_may_use_tools_too(person: httpx2.Client, provider: FakeProvider) -> None:
    provider.replies(tool_calls(call("current_time"), say="Let me see. "), text("Late"))
    with person.stream("POST", "/api/chat/message/stream", json={"message": "What time is it?"}) as response:
        assert "".join(str(event["chunk"]) for event in chunks(response)) == "Let me see. Late"


def test_a_call_of_odd_names_does_not_spoil_the_answer(
    server: Server, person: httpx2.Client, email: str, provider: FakeProvider
) -> None:
    provider.replies(tool_calls(Call("f\0" * 200, '"\0"', "i\0" * 200)), text("Well"))
    assert ask(person, "Hi") == "Well"
    assert [len(stored["name"]) for stored in stored_calls(server, email)] == [200]


def test_an_answer_of_tools_alone_is_an_error_and_no_empty_bubble(
    person: httpx2.Client, provider: FakeProvider
) -> None:
    provider.default = tool_calls(call("current_time"))
    assert person.post("/api/chat/message", json={"message": "Hi"}).status_code == 502
    assert len(person.get("/api/chat/history").json()["data"]) == 1
