"""The agent's loop: the model answers or asks for tools, the tools answer, the model goes on."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncGenerator

from chat.agent import tools
from chat.agent.events import AgentEvent, Finished, TextDelta, ToolCallRequest, ToolResult, Usage
from chat.agent.prompt import ModelRequest, PromptMessage, estimated_usage
from chat.agent.vendors import Provider
from chat.content import Block, Text

MAX_STEPS = 8


async def run(provider: Provider, request: ModelRequest) -> AsyncGenerator[AgentEvent, None]:
    """One answer: text as it comes, each tool call with its result, each call's usage, and ``Finished`` at the end.

    The last step is asked without tools, so that there is always an answer. Raises ``ProviderError``.
    """
    for step in range(MAX_STEPS):
        if step == MAX_STEPS - 1:
            request = dataclasses.replace(request, tools=())
        texts: list[str] = []
        calls: list[ToolCallRequest] = []
        usage: Usage | None = None
        reason = ""
        async for event in provider.stream(request):
            match event:
                case ToolCallRequest():
                    calls.append(event)
                case Finished():
                    reason = event.reason
                case Usage():
                    usage = event
                case TextDelta():
                    texts.append(event.text)
                    yield event
        yield usage or estimated_usage(request, "".join(texts))
        # A model that calls tools it was not offered any more gets no further step.
        if not calls or not request.tools:
            yield Finished(reason)
            return
        results = await asyncio.gather(*(_call(call) for call in calls))
        for result in results:
            yield result
        request = dataclasses.replace(
            request, messages=(*request.messages, *_step_messages("".join(texts), calls, results))
        )


async def _call(request: ToolCallRequest) -> ToolResult:
    started = time.monotonic()
    content, failed = await tools.call(request.name, request.arguments)
    return ToolResult(request, content, failed, int((time.monotonic() - started) * 1000))


def _step_messages(text: str, calls: list[ToolCallRequest], results: list[ToolResult]) -> list[PromptMessage]:
    """What a step adds to the prompt: the model's own message with its calls, then a result for each."""
    said: tuple[Block, ...] = (Text(text),) if text else ()
    return [
        PromptMessage("assistant", said, tool_calls=tuple(calls)),
        *(PromptMessage("tool", (Text(result.content),), call_id=result.call.id) for result in results),
    ]
