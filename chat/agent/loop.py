"""The agent's loop: the model answers or asks for tools, the tools answer, the model goes on."""

import dataclasses
from collections.abc import AsyncGenerator, AsyncIterator

from chat.agent.errors import PromptTooLong
from chat.agent.events import AgentEvent, Finished, ModelEvent, TextDelta, ToolCallRequest, ToolResult, Usage
from chat.agent.prompt import ModelRequest, PromptMessage, estimated_usage, words
from chat.agent.toolbox import shortened
from chat.agent.vendors import Provider
from chat.content import Block, Text

_SHORT_RESULT = 2000
"""Characters that are left of each result where all of them together are too long for the model."""


async def run(provider: Provider, request: ModelRequest) -> AsyncGenerator[AgentEvent, None]:
    """One answer: text as it comes, each tool call with its result, each call's usage, and ``Finished`` at the end.

    The last step is asked without tools, so that there is always an answer. Raises ``ProviderError``.
    """
    toolbox = request.toolbox
    spoken = ""
    for step in range(1, toolbox.limits.steps + 1):
        if step == toolbox.limits.steps:
            request = dataclasses.replace(request, toolbox=toolbox.close())
        texts: list[str] = []
        calls: list[ToolCallRequest] = []
        usage: Usage | None = None
        reason = ""
        async for event in _stream(provider, request):
            match event:
                case ToolCallRequest():
                    calls.append(event)
                case Finished():
                    reason = event.reason
                case Usage():
                    usage = event
                case TextDelta():
                    yield TextDelta(event.text if texts else _gap(spoken, event.text) + event.text)
                    texts.append(event.text)
        yield usage or estimated_usage(request, "".join(texts))
        # A model that calls tools it was not offered any more gets no further step.
        if not calls or not toolbox.tools or request.toolbox.closed:
            yield Finished(reason)
            return
        results = await toolbox.call_all(calls, step)
        for result in results:
            yield result
        spoken = texts[-1] if texts else spoken
        request = dataclasses.replace(
            request, messages=(*request.messages, *_step_messages("".join(texts), calls, results))
        )


async def _stream(provider: Provider, request: ModelRequest) -> AsyncIterator[ModelEvent]:
    """One model call; where results of tools make the prompt too long, it is made once more with less of each."""
    begun = False
    try:
        async for event in provider.stream(request):
            begun = True
            yield event
    except PromptTooLong:
        shorter = dataclasses.replace(request, messages=tuple(map(_with_short_result, request.messages)))
        if begun or shorter.messages == request.messages:
            raise
        async for event in provider.stream(shorter):
            yield event


def _with_short_result(message: PromptMessage) -> PromptMessage:
    if message.role != "tool":
        return message
    return dataclasses.replace(message, blocks=(Text(shortened(words(message.blocks), _SHORT_RESULT)),))


def _gap(before: str, after: str) -> str:
    """What keeps the texts of two steps apart: a model does not know that they become one."""
    return "" if not before or before[-1:].isspace() or after[:1].isspace() else "\n\n"


def _step_messages(text: str, calls: list[ToolCallRequest], results: list[ToolResult]) -> list[PromptMessage]:
    """What a step adds to the prompt: the model's own message with its calls, then a result for each."""
    said: tuple[Block, ...] = (Text(text),) if text.strip() else ()
    return [
        PromptMessage("assistant", said, tool_calls=tuple(calls)),
        *(PromptMessage("tool", (Text(result.content or "(empty)"),), call_id=result.call.id) for result in results),
    ]
