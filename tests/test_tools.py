"""chat/agent/tools.py: typed functions as tools, and every way of calling them wrong."""

import asyncio
import json
import threading
import time
from typing import Any, Literal

import pytest

from chat.agent import tools
from chat.agent.tools import MAX_RESULT_CHARS, call, registered, schemas, tool


def add(first: int, second: int = 1) -> int:
    """Adds two numbers."""
    return first + second


async def shout(words: str, how: Literal["loud", "louder"] = "loud") -> str:
    """Says it loudly.

    Use it sparingly.
    """
    await asyncio.sleep(0)
    return words.upper() + ("!" if how == "louder" else "")


def fail() -> str:
    raise RuntimeError("the secret inside")


def repeat(times: int) -> str:
    return "x" * times


async def wait(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"


def thread_name() -> str:
    return threading.current_thread().name


def awkward() -> str:
    return "a\0b\ud800c"


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tools of this file alone."""
    monkeypatch.setattr(tools, "_registry", {})
    for function in (add, shout, fail, repeat, wait, thread_name, awkward):
        tool(function)


def parameters(name: str) -> dict[str, Any]:
    properties: dict[str, Any] = schemas([name])[0]["function"]["parameters"]
    return properties


# The registry.


def test_a_function_is_registered_under_its_name() -> None:
    assert registered()[:2] == ("add", "shout")


def test_a_registered_function_stays_what_it_was() -> None:
    assert tool(add) is add
    assert add(1) == 2


def test_the_docstring_tells_the_model_what_it_is_for() -> None:
    assert schemas(["shout"])[0]["function"]["description"] == "Says it loudly.\n\nUse it sparingly."


def test_the_schema_has_the_types_and_what_is_required() -> None:
    schema = parameters("add")
    assert {name: part["type"] for name, part in schema["properties"].items()} == {
        "first": "integer",
        "second": "integer",
    }
    assert schema["required"] == ["first"]


def test_the_schema_has_the_choices() -> None:
    assert parameters("shout")["properties"]["how"]["enum"] == ["loud", "louder"]


def test_the_schema_is_plain_json_in_the_endpoints_shape() -> None:
    [schema] = json.loads(json.dumps(schemas(["fail"])))
    assert schema["type"] == "function"
    assert schema["function"]["parameters"]["type"] == "object"


def test_the_tools_that_come_with_the_agent_are_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert registered() == ("search_context", "current_time", "remember", "forget")


# Calls.


async def test_a_sync_function_is_called() -> None:
    assert await call("add", '{"first": 2, "second": 3}') == ("5", False)


async def test_an_async_function_is_called() -> None:
    assert await call("shout", '{"words": "hi", "how": "louder"}') == ("HI!", False)


async def test_a_sync_function_does_not_hold_up_the_others() -> None:
    name, failed = await call("thread_name", "{}")
    assert not failed
    assert name != threading.current_thread().name


@pytest.mark.parametrize("arguments", ["", "{}"])
async def test_no_arguments_may_come_in_two_ways(arguments: str) -> None:
    assert (await call("thread_name", arguments))[1] is False


async def test_calls_run_side_by_side() -> None:
    started = time.monotonic()
    await asyncio.gather(*(call("wait", '{"seconds": 0.2}') for _ in range(10)))
    assert time.monotonic() - started < 1


# What goes wrong is a result that the model can act on.


async def test_an_unknown_tool() -> None:
    content, failed = await call("fly", "{}")
    assert failed
    assert content.startswith("There is no tool named fly. The tools are: add, shout")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("{}", "first"),
        ('{"first": "many"}', "first"),
        ('{"first": null}', "first"),
        ('{"first": 1, "third": 3}', "third"),
        ("[1, 2]", "arguments"),
        ('{"first": 1', "arguments"),
        ("null", "arguments"),
        ('"1"', "arguments"),
    ],
)
async def test_wrong_arguments(arguments: str, named: str) -> None:
    content, failed = await call("add", arguments)
    assert failed
    assert content.startswith(f"The arguments are wrong: {named}: ")


async def test_a_bug_is_told_without_its_details(caplog: pytest.LogCaptureFixture) -> None:
    assert await call("fail", "{}") == ("The tool failed.", True)
    assert "the secret inside" in caplog.text


async def test_a_tool_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "TOOL_SECONDS", 0.05)
    content, failed = await call("wait", '{"seconds": 60}')
    assert failed
    assert "longer than" in content


async def test_a_cancelled_run_is_no_result() -> None:
    running = asyncio.ensure_future(call("wait", '{"seconds": 60}'))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_long_result_is_cut_and_says_so() -> None:
    content, failed = await call("repeat", json.dumps({"times": MAX_RESULT_CHARS + 5}))
    assert not failed
    assert content == "x" * MAX_RESULT_CHARS + "\n[cut: 5 more characters]"


async def test_a_result_at_the_bound_is_whole() -> None:
    assert await call("repeat", json.dumps({"times": MAX_RESULT_CHARS})) == ("x" * MAX_RESULT_CHARS, False)


async def test_what_postgres_cannot_hold_is_replaced() -> None:
    assert await call("awkward", "{}") == ("a\ufffdb\ufffdc", False)


# Those that come with the agent.


@pytest.fixture
def own_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()


@pytest.mark.usefixtures("own_tools")
async def test_the_time_is_told_in_a_zone() -> None:
    content, failed = await call("current_time", '{"time_zone": "Africa/Johannesburg"}')
    assert not failed
    assert content.endswith(" SAST")


@pytest.mark.usefixtures("own_tools")
async def test_the_time_is_in_utc_unless_asked_otherwise() -> None:
    assert (await call("current_time", "{}"))[0].endswith(" UTC")


@pytest.mark.usefixtures("own_tools")
@pytest.mark.parametrize("zone", ["Nowhere", "../../etc/passwd", "/etc/passwd", "", "a\0b", "Europe", "x" * 5000])
async def test_a_zone_that_is_none_is_explained(zone: str) -> None:
    content, _ = await call("current_time", json.dumps({"time_zone": zone}))
    assert "There is no time zone" in content
