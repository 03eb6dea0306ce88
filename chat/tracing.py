"""A turn as OpenTelemetry's conventions for generative AI have it.

Told from the events of a run alone, so that nothing in the agent's way knows of it: a span for the whole run, and in it
one for each model call and each tool call.
"""

import json
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any

from django.conf import settings

from ccagent.observability import tracing
from ccagent.observability.logs import request_id
from chat.agent.errors import ProviderError
from chat.agent.events import AgentEvent, Asked, Finished, TextDelta, ToolResult, Usage
from chat.agent.prompt import ModelRequest, words

_PROVIDERS = {"google-genai": "gcp.gemini", "mistralai": "mistral_ai", "xai": "x_ai"}
Events = AsyncGenerator[AgentEvent, None]


def traced(events: Events, request: ModelRequest, conversation: int) -> Events:
    """The same events; where tracing is off, the very same."""
    return _traced(events, _Run(request, conversation)) if tracing.tracer else events


async def _traced(events: Events, run: "_Run") -> Events:
    try:
        async with aclosing(events):
            async for event in events:
                run.see(event)
                yield event
    except BaseException as error:
        run.end(error)
        raise
    run.end()


class _Run:
    """The spans of one run."""

    def __init__(self, request: ModelRequest, conversation: int) -> None:
        self.request = request
        self.conversation = {"gen_ai.conversation.id": str(conversation)}
        self.asked = Asked("", "")
        about = {"gen_ai.agent.name": settings.APP_NAME, "ccagent.request_id": request_id.get()}
        self.agent = self._span("invoke_agent", settings.APP_NAME, about)
        self.call: Any = None
        self.call_began = self.call_ended = time.time_ns()
        self.texts: list[str] = []
        self.results: list[ToolResult] = []

    def _span(
        self, operation: str, what: str, attributes: dict[str, Any], parent: Any = None, began: int | None = None
    ) -> Any:
        from opentelemetry.trace import SpanKind, set_span_in_context

        assert tracing.tracer
        kind = SpanKind.CLIENT if operation == "chat" else SpanKind.INTERNAL
        context = set_span_in_context(parent) if parent else None
        told = {"gen_ai.operation.name": operation, **self.conversation, **attributes}
        known = {name: value for name, value in told.items() if value not in ("", None)}
        return tracing.tracer.start_span(f"{operation} {what}".strip(), context, kind, known, start_time=began)

    def see(self, event: AgentEvent) -> None:
        match event:
            case Asked():
                if event.kind:
                    self._end_call("", error=event.kind)
                self.asked, self.call_began = event, time.time_ns()
            case TextDelta():
                if not self.texts:
                    waited = (time.time_ns() - self.call_began) / 1e9
                    self._current().set_attribute("gen_ai.response.time_to_first_chunk", waited)
                self.texts.append(event.text)
            case Usage():
                self._count(event)
            case ToolResult():
                self.results.append(event)
                self._tool(event)
            case Finished():
                self._end_call(event.reason)

    def _current(self) -> Any:
        """The span of the model call that is running; it began with being asked, or after the last tool."""
        if self.results:  # of the call before
            self._end_call("tool_calls")
        if self.call is None:
            about = {
                "gen_ai.provider.name": _PROVIDERS.get(self.asked.provider, self.asked.provider),
                "gen_ai.request.model": self.asked.model,
                "gen_ai.request.stream": True,
                "gen_ai.request.temperature": self.request.temperature,
                "gen_ai.request.max_tokens": self.request.max_tokens,
                "gen_ai.output.type": "text",
            }
            self.call = self._span("chat", self.asked.model, about, self.agent, self.call_began)
        return self.call

    def _count(self, usage: Usage) -> None:
        counts = {
            "gen_ai.usage.input_tokens": usage.prompt_tokens,
            "gen_ai.usage.output_tokens": usage.completion_tokens,
        }
        if usage.cached_tokens:
            counts["gen_ai.usage.cache_read.input_tokens"] = usage.cached_tokens
        if usage.estimated:
            counts["ccagent.usage.estimated"] = True
        self._current().set_attributes(counts)
        self.call_ended = time.time_ns()

    def _tool(self, result: ToolResult) -> None:
        """Told when all of a step's calls have ended: they began together, when the model had asked for them."""
        call = result.call
        about = {"gen_ai.tool.name": call.name, "gen_ai.tool.call.id": call.id, "gen_ai.tool.type": "function"}
        span = self._span("execute_tool", call.name, about, self.agent, self.call_ended)
        if tracing.shows_content:
            span.set_attribute("gen_ai.tool.call.arguments", call.arguments)
            span.set_attribute("gen_ai.tool.call.result", result.content)
        if result.failed:
            _fail(span, "tool_error")
        span.end(self.call_ended + result.duration_ms * 1_000_000)
        self.call_began = time.time_ns()

    def _end_call(self, reason: str, error: str = "") -> None:
        # A call that failed before its first piece has no span yet.
        call = self._current() if error else self.call
        results, self.results = self.results, []
        if call is None:
            return
        if reason:
            call.set_attribute("gen_ai.response.finish_reasons", [reason])
        if tracing.shows_content:
            self._show(call, reason, results)
        if error:
            _fail(call, error)
        call.end(self.call_ended if reason else None)
        self.call, self.texts = None, []

    def _show(self, call: Any, reason: str, results: Iterable[ToolResult]) -> None:
        """What was asked in the first place, and what this call said; tools' results are in their own spans."""
        asked = [{"role": each.role, "parts": [_text(words(each.blocks))]} for each in self.request.messages]
        parts = [_text("".join(self.texts))] if self.texts else []
        parts += [
            {"type": "tool_call", "id": each.call.id, "name": each.call.name, "arguments": each.call.arguments}
            for each in results
        ]
        said = [{"role": "assistant", "parts": parts, "finish_reason": reason}]
        call.set_attribute("gen_ai.system_instructions", _json([_text(self.request.instructions)]))
        call.set_attribute("gen_ai.input.messages", _json(asked))
        call.set_attribute("gen_ai.output.messages", _json(said))

    def end(self, error: BaseException | None = None) -> None:
        """The run is over; one that somebody stopped, or whose process ends, is no error."""
        kind = ""
        if isinstance(error, ProviderError):
            kind = error.kind
        elif isinstance(error, Exception):
            kind = type(error).__name__
        self._end_call("", error=kind)
        if kind:
            _fail(self.agent, kind)
        self.agent.end()


def _fail(span: Any, kind: str) -> None:
    from opentelemetry.trace import StatusCode

    span.set_status(StatusCode.ERROR)
    span.set_attribute("error.type", kind)


def _text(content: str) -> dict[str, Any]:
    return {"type": "text", "content": content}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
