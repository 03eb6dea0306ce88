"""Good answers, and what every answer is made of."""

import asyncio
import json
import queue
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from .request import Request
from .vendors import CallStyle, thought_signature
from .wire import DONE, Completion


class Ending(Enum):
    HANG = "say no more, but keep the connection"
    CUT = "drop the connection"


class Gate:
    """Holds an answer back so that a test can let it out piece by piece."""

    def __init__(self) -> None:
        self._permits: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._is_open = False

    def step(self, count: int = 1) -> None:
        """Lets that many more pieces pass."""
        for _ in range(count):
            self._permits.put(None)

    def open(self) -> None:
        """Lets everything pass from now on."""
        self._is_open = True

    async def passed(self) -> None:
        # Polled, because the test that steps and the server that waits live in different threads.
        while self._permits.empty() and not self._is_open:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
        if not self._is_open:
            self._permits.get_nowait()


Part = bytes | float | Gate | Ending
"""Bytes are sent as one chunk (empty ones send the headers alone), a number is that many seconds of silence."""


@dataclass(frozen=True)
class Response:
    """What goes out for one request. A 200 is an event stream if one was asked for, everything else JSON."""

    parts: Iterable[Part]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Reply = Callable[[Request], Response]
"""A reply is written before its request comes, and answers differ for streams, models and vendors."""


@dataclass(frozen=True)
class Answer:
    """What a model says: as deltas for a stream, as a message otherwise.

    `pause` lies between the deltas; a `gate` stands before each delta and before the end.
    """

    deltas: Sequence[Mapping[str, Any]]
    message: Mapping[str, Any]
    finish: str | None = "stop"
    done: bool = True
    pause: float = 0.0
    gate: Gate | None = None

    def start(self, completion: Completion) -> Iterator[Part]:
        """The stream up to its last text."""
        yield completion.chunk({"role": "assistant", "content": ""})
        for number, delta in enumerate(self.deltas):
            if self.gate:
                yield self.gate
            if number and self.pause:
                yield self.pause
            yield completion.chunk(delta)

    def stream(self, completion: Completion) -> Iterator[Part]:
        yield from self.start(completion)
        if self.gate:
            yield self.gate
        if self.finish:
            yield from completion.ending(self.finish, len(self.deltas))
        if self.done:
            yield DONE

    def plain(self, completion: Completion) -> Iterator[Part]:
        if self.gate:
            yield from [self.gate] * (len(self.deltas) + 1)
        if self.pause:
            yield self.pause * (len(self.deltas) - 1)
        yield completion.whole(self.message, self.finish, len(self.deltas))

    def __call__(self, request: Request) -> Response:
        completion = Completion(request)
        return Response(self.stream(completion) if request.is_stream else self.plain(completion))


def tokens_of(content: str) -> list[str]:
    """Words with the blanks that follow them; joined they are the content again."""
    return re.split(r"(?<=\s)(?=\S)", content) if content else []


def spoken(content: str | Sequence[str]) -> tuple[list[Mapping[str, Any]], Mapping[str, Any]]:
    tokens = tokens_of(content) if isinstance(content, str) else list(content)
    deltas: list[Mapping[str, Any]] = [{"content": token} for token in tokens]
    return deltas, {"role": "assistant", "content": "".join(tokens), "refusal": None}


def text(
    content: str | Sequence[str],
    *,
    pause: float = 0.0,
    gate: Gate | None = None,
    finish: str | None = "stop",
    done: bool = True,
) -> Reply:
    """An answer of text, a token per word unless given as tokens; `pause` seconds between two tokens."""
    deltas, message = spoken(content)
    return Answer(deltas, message, finish, done, pause, gate)


def echo(request: Request) -> Response:
    """The default: tells each question's answer from every other's."""
    return text(f"You said: {request.question}")(request)


def reasoning(thought: str, content: str, *, field: str = "reasoning_content") -> Reply:
    """Text that the model thought, in a field of its own, before the text that it says."""
    deltas, message = spoken(content)
    thoughts = [{field: token} for token in tokens_of(thought)]
    return Answer([*thoughts, *deltas], {**message, field: thought})


@dataclass(frozen=True)
class Call:
    """A tool call; `arguments` as text when they are not to be valid JSON; without an id the vendor's form of one."""

    name: str
    arguments: Mapping[str, Any] | str
    id: str | None = None

    def entry(self, request: Request, number: int) -> dict[str, Any]:
        call_id = self.id or request.vendor.call_id(number)
        arguments = self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)
        entry = {"id": call_id, "type": "function", "function": {"name": self.name, "arguments": arguments}}
        # Gemini signs only the first of several calls made at once.
        if request.vendor.signs_calls and number == 0:
            entry["extra_content"] = {"google": {"thought_signature": thought_signature(call_id)}}
        return entry


def call(name: str, /, **arguments: object) -> Call:
    return Call(name, arguments)


def tool_calls(*calls: Call, say: str = "", style: CallStyle | None = None, gate: Gate | None = None) -> Reply:
    """One or more calls at once, after some text.

    The style is the vendor's unless given: arguments in pieces (OpenAI), each call whole in one chunk, whole and
    without `index`, or in pieces that all say index 0 (both Gemini).
    """

    def reply(request: Request) -> Response:
        entries = [call.entry(request, number) for number, call in enumerate(calls)]
        said, message = spoken(say)
        deltas = [*said, *call_deltas(entries, style or request.vendor.call_style)]
        finish = "stop" if request.vendor.signs_calls else "tool_calls"
        whole = {**message, "content": say or None, "tool_calls": entries}
        return Answer(deltas, whole, finish, gate=gate)(request)

    return reply


def call_deltas(entries: Sequence[dict[str, Any]], style: CallStyle) -> Iterator[Mapping[str, Any]]:
    for number, entry in enumerate(entries):
        index = {} if style == "unindexed" else {"index": 0 if style == "same index" else number}
        if style in ("whole", "unindexed"):
            yield {"tool_calls": [{**index, **entry}]}
            continue
        arguments = entry["function"]["arguments"]
        yield {"tool_calls": [{**index, **entry, "function": {**entry["function"], "arguments": ""}}]}
        for start in range(0, len(arguments), 5):
            yield {"tool_calls": [{**index, "function": {"arguments": arguments[start : start + 5]}}]}
