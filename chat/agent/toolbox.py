"""The tools of one turn, and how a call of one of them ends."""

import asyncio
import dataclasses
import logging
import time
import traceback
from collections.abc import Coroutine
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic_core import to_json

from ccagent.text import clean
from chat.agent.events import ToolCallRequest, ToolResult
from chat.agent.tools import Tool, ToolContext, ToolFailed

logger = logging.getLogger(__name__)

MAX_CALLS = 16
"""Most calls of one step that are made."""
_MAX_DETAIL = 8000
_FAILED = "The tool failed. Do without it, or tell the person that it does not work at the moment."


@dataclass(frozen=True)
class Limits:
    """``steps`` counts a turn's model calls, ``seconds`` a call's time, ``chars`` the characters of its result."""

    steps: int = 8
    seconds: float = 30.0
    chars: int = 20_000


@dataclass(frozen=True)
class Toolbox:
    """What a model may call in one turn, and who asks. A ``closed`` one offers nothing any more."""

    tools: tuple[Tool, ...] = ()
    user: ToolContext = field(default_factory=ToolContext)
    limits: Limits = field(default_factory=Limits)
    closed: bool = False

    @cached_property
    def schemas(self) -> list[dict[str, Any]]:
        return [tool.schema for tool in self.tools]

    def close(self) -> "Toolbox":
        return dataclasses.replace(self, closed=True)

    async def call_all(self, calls: list[ToolCallRequest], step: int) -> list[ToolResult]:
        """Makes the calls of one step side by side; the results are in the order of the calls."""
        made = await asyncio.gather(*(self.call(call, step) for call in calls[:MAX_CALLS]))
        too_many = f"Not called: a step may hold {MAX_CALLS} calls. Ask again for what you still need."
        return [*made, *(ToolResult(call, too_many, True, 0, step=step) for call in calls[MAX_CALLS:])]

    async def call(self, request: ToolCallRequest, step: int = 1) -> ToolResult:
        """Makes a call. A failure is data for the model; a bug's details are in the result's ``error`` only."""
        started = time.monotonic()
        error = ""
        try:
            content, failed = await self._content(request), False
        except ToolFailed as failure:
            content, failed, error = str(failure), True, failure.detail
        except Exception as bug:  # a tool is somebody else's code; a bug in it must not end the answer
            logger.warning("The tool %s failed: %s", request.name[:100], type(bug).__name__)
            content, failed, error = _FAILED, True, "".join(traceback.format_exception(bug))
        duration = int((time.monotonic() - started) * 1000)
        error = clean(error[-_MAX_DETAIL:])
        return ToolResult(request, self._cut(clean(content)), failed, duration, error=error, step=step)

    async def _content(self, request: ToolCallRequest) -> str:
        tool = next((tool for tool in self.tools if tool.name == request.name), None)
        if tool is None:
            names = ", ".join(tool.name for tool in self.tools)
            raise ToolFailed(f"There is no tool named {request.name[:100]}. The tools are: {names}.")
        return _as_text(await self._in_time(tool.run(request.arguments, self.user)))

    async def _in_time(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Not ``asyncio.timeout``, which waits for a tool that does not let itself be cancelled."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task}, timeout=self.limits.seconds)
        finally:
            ended = task.done()
            task.cancel()
            task.add_done_callback(_heard)
        if not ended:
            raise ToolFailed(
                f"The tool took longer than {self.limits.seconds:g} seconds and was given up.", "given up: out of time"
            )
        if task.cancelled():
            raise ToolFailed(_FAILED, "it was cancelled by itself")
        return task.result()

    def _cut(self, content: str) -> str:
        return shortened(content, self.limits.chars)


def shortened(content: str, chars: int) -> str:
    """The beginning of a text, and how much is missing."""
    if len(content) <= chars:
        return content
    return f"{content[:chars]}\n[cut: {len(content) - chars} more characters]"


def _heard(task: asyncio.Task[Any]) -> None:
    """Takes note of how a task ended, so that the event loop does not log it with its words."""
    if not task.cancelled():
        task.exception()


def _as_text(result: Any) -> str:
    """A text as it is; anything else in JSON, which a model reads better than Python's ways of writing."""
    if isinstance(result, str):
        return result
    if result is None:
        return "Done."
    return to_json(result, fallback=str, inf_nan_mode="constants", bytes_mode="base64").decode()
