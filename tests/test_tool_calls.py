"""chat/agent/toolbox.py: every way in which a call of a tool may end."""

import asyncio
import datetime
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from chat.agent import threads, tools
from chat.agent.events import ToolCallRequest, ToolResult
from chat.agent.toolbox import MAX_CALLS, Limits, Toolbox
from chat.agent.tools import ToolContext, ToolFailed, tool
from chat.models import Conversation
from tests.conftest import ROOT


@dataclass
class Place:
    name: str
    since: datetime.date


def add(first: int, second: int = 1) -> int:
    """Adds two numbers."""
    return first + second


async def shout(words: str) -> str:
    await asyncio.sleep(0)
    return words.upper()


def fail() -> str:
    raise RuntimeError("the secret inside")


def refuse() -> None:
    raise ToolFailed("There is no such town.", "looked in towns.db")


def stop_iteration() -> None:
    next(iter(()))


def leave() -> None:
    raise SystemExit(3)


async def cancel() -> None:
    raise asyncio.CancelledError


def repeat(times: int) -> str:
    return "x" * times


async def wait(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"


async def stubborn() -> str:
    while True:
        try:
            await asyncio.sleep(0.3)
        except asyncio.CancelledError:
            continue
        return "too late"


def sleep(seconds: float) -> str:
    time.sleep(seconds)
    return threading.current_thread().name


def awkward() -> str:
    return "a\0b\ud800c"


def nothing() -> None: ...


def place() -> list[Place]:
    return [Place("Ulm", datetime.date(850, 1, 1))]


def odd() -> Any:
    return {"nan": float("nan"), "what": object}


def itself() -> Any:
    endless: list[Any] = []
    endless.append(endless)
    return endless


def count_conversations() -> int:
    return Conversation.objects.count()


def lazily() -> Any:
    return shout("later")


FUNCTIONS: list[Callable[..., Any]] = [
    add,
    shout,
    fail,
    refuse,
    stop_iteration,
    leave,
    cancel,
    repeat,
    wait,
    stubborn,
    sleep,
    awkward,
    nothing,
]
FUNCTIONS += [place, odd, itself, lazily, count_conversations]


@pytest.fixture(autouse=True)
def _tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tools of this file alone."""
    monkeypatch.setattr(tools, "registry", {})
    monkeypatch.setattr(tools, "_places", {})
    for function in FUNCTIONS:
        tool(function)


async def call(name: str, arguments: str = "{}", **limits: Any) -> ToolResult:
    box = Toolbox(tuple(tools.registry.values()), ToolContext(), Limits(**limits))
    return await box.call(ToolCallRequest("1", name, arguments))


async def content(name: str, **arguments: Any) -> str:
    made = await call(name, json.dumps(arguments))
    assert not made.failed, made
    return made.content


# Results.


async def test_a_sync_function_is_called() -> None:
    assert await content("add", first=2, second=3) == "5"


async def test_an_async_function_is_called() -> None:
    assert await content("shout", words="hi") == "HI"


async def test_a_sync_function_that_gives_a_coroutine_is_awaited() -> None:
    assert await content("lazily") == "LATER"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nothing", "Done."),
        ("place", '[{"name":"Ulm","since":"0850-01-01"}]'),
        ("odd", '{"nan":NaN,"what":"<class \'object\'>"}'),
        ("awkward", "a\ufffdb\ufffdc"),
    ],
)
async def test_results_become_text(name: str, text: str) -> None:
    assert await content(name) == text


async def test_a_sync_function_does_not_hold_up_the_others() -> None:
    assert await content("sleep", seconds=0) != threading.current_thread().name


async def test_calls_run_side_by_side() -> None:
    started = time.monotonic()
    await asyncio.gather(*(content("wait", seconds=0.2) for _ in range(10)))
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("arguments", ["", "{}"])
async def test_no_arguments_may_come_in_two_ways(arguments: str) -> None:
    assert not (await call("nothing", arguments)).failed


async def test_a_long_result_is_cut_and_says_so() -> None:
    made = await call("repeat", '{"times": 15}', chars=10)
    assert (made.content, made.failed) == ("x" * 10 + "\n[cut: 5 more characters]", False)


async def test_a_result_at_the_bound_is_whole() -> None:
    assert (await call("repeat", '{"times": 10}', chars=10)).content == "x" * 10


# What goes wrong is a result that the model can act on.


async def test_an_unknown_tool() -> None:
    made = await call("fly")
    assert made.failed
    assert made.content.startswith("There is no tool named fly. The tools are: add, shout")


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
    made = await call("add", arguments)
    assert made.failed
    assert made.content.startswith(f"The arguments are wrong: {named}: ")


async def test_a_bug_reaches_only_the_operator(caplog: pytest.LogCaptureFixture) -> None:
    made = await call("fail")
    assert (made.content.split(".")[0], made.failed) == ("The tool failed", True)
    assert "RuntimeError: the secret inside" in made.error
    assert "The tool fail failed: RuntimeError" in caplog.text
    assert "secret" not in caplog.text + made.content


async def test_a_tool_may_say_what_the_model_is_to_know() -> None:
    made = await call("refuse")
    assert (made.content, made.failed, made.error) == ("There is no such town.", True, "looked in towns.db")


@pytest.mark.parametrize("name", ["stop_iteration", "leave", "cancel", "itself"])
async def test_what_would_end_more_than_the_call_is_a_failure_too(name: str) -> None:
    made = await call(name)
    assert made.failed
    assert made.content.startswith("The tool failed.")


@pytest.mark.parametrize(
    ("name", "arguments"), [("wait", '{"seconds": 60}'), ("sleep", '{"seconds": 0.5}'), ("stubborn", "{}")]
)
async def test_a_tool_that_takes_too_long_is_given_up(name: str, arguments: str) -> None:
    started = time.monotonic()
    made = await call(name, arguments, seconds=0.05)
    assert time.monotonic() - started < 0.3
    assert made.failed
    assert made.content == "The tool took longer than 0.05 seconds and was given up."


async def test_a_cancelled_run_is_no_result() -> None:
    running = asyncio.ensure_future(call("wait", '{"seconds": 60}'))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_tools_that_hang_take_a_bounded_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "free", threading.BoundedSemaphore(2))
    before = set(threading.enumerate())
    made = await asyncio.gather(*(call("sleep", '{"seconds": 0.5}', seconds=0.1) for _ in range(6)))
    assert all(result.failed for result in made)
    assert len(set(threading.enumerate()) - before) == 2


async def test_a_call_waits_for_a_free_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "free", threading.BoundedSemaphore(1))
    made = await asyncio.gather(*(call("sleep", '{"seconds": 0.05}') for _ in range(3)))
    assert [result.failed for result in made] == [False] * 3


async def test_a_tool_that_hangs_does_not_keep_the_process_from_ending() -> None:
    program = """
import asyncio, time
from chat.agent.threads import in_thread
async def main():
    try:
        await asyncio.wait_for(in_thread(time.sleep, 60), 0.1)
    except TimeoutError:
        print("given up")
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=ROOT, stdout=subprocess.PIPE)
    said, _ = await asyncio.wait_for(process.communicate(), 30)
    assert said == b"given up\n"


@pytest.mark.django_db(transaction=True)
async def test_plain_tools_give_their_database_connections_back() -> None:
    made = await asyncio.gather(*(call("count_conversations") for _ in range(40)))
    assert {result.content for result in made} == {"0"}


# Several at once.


async def results(count: int) -> list[ToolResult]:
    box = Toolbox(tuple(tools.registry.values()))
    calls = [ToolCallRequest(str(number), "repeat", json.dumps({"times": number})) for number in range(count)]
    return await box.call_all(calls, 3)


async def test_results_are_in_the_order_of_the_calls() -> None:
    made = await results(5)
    assert [(result.call.id, len(result.content), result.step) for result in made] == [(str(n), n, 3) for n in range(5)]


async def test_a_step_makes_a_bounded_number_of_calls() -> None:
    made = await results(MAX_CALLS + 2)
    assert [result.failed for result in made] == [False] * MAX_CALLS + [True] * 2
    assert made[-1].content.startswith("Not called")
