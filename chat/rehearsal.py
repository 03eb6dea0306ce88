"""A question asked once more, with the prompt in force today; nothing of it comes into the conversation."""

import asyncio
import dataclasses
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.conf import settings

from ccagent.database import in_database
from chat.agent import attempts, configuration
from chat.agent.errors import BrokenAnswer, ProviderError, TimedOut
from chat.agent.events import AgentEvent, Asked, Finished, ModelCall, TextDelta, ToolResult, Usage
from chat.agent.prompt import estimated_usage
from chat.content import Block, Image
from chat.models import Message
from chat.money import prices, spending
from chat.preparation import Prepared, meant, prepare
from context import embeddings

HARMLESS = {"search_context", "current_time", "fetch_page"}
"""Tools that only read: another one might send or change something a second time."""
MAX_SECONDS = 120.0


@dataclass
class Rehearsal:
    """The second answer and what is known of it; ``error`` is in plain words, and for operators.

    ``left_out`` names tools that a turn would have had. ``cost`` is None where no price is known.
    """

    text: str = ""
    calls: list[ToolResult] = field(default_factory=list)
    passages: list[dict[str, Any]] = field(default_factory=list)
    prompt: int = 0
    provider: str = ""
    model: str = ""
    finish_reason: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: Decimal | None = None
    first_token_ms: int | None = None
    total_ms: int = 0
    left_out: list[str] = field(default_factory=list)
    error: str = ""


async def rehearse(question: Message) -> Rehearsal:
    """Asks as a turn does, on the conversation up to this question. No thread and no connection wait for the model."""
    rehearsal = Rehearsal()
    if await in_database(spending.used_up, question.conversation.email):
        rehearsal.error = "The budget of this month is used up."
        return rehearsal
    blocks = await in_database(_blocks, question)
    asked = await in_database(meant, question, blocks)
    vector = await embeddings.aembed_question(asked) if asked else None
    prepared = _without_harm(await in_database(prepare, question, blocks, vector), rehearsal)
    rehearsal.prompt, rehearsal.passages = prepared.prompt, prepared.passages
    model_calls: list[ModelCall] = []
    began = time.monotonic()
    try:
        async with asyncio.timeout(min(MAX_SECONDS, settings.ENV.provider_total_seconds)):
            await _run(prepared, rehearsal, model_calls, began)
    except TimeoutError:
        rehearsal.error = TimedOut.sentence
    except ProviderError as error:
        rehearsal.error = f"{error.sentence} {error.detail}".strip()
    finally:
        rehearsal.total_ms = _since(began)
        rehearsal.cost = await asyncio.shield(in_database(_charge, question, model_calls))
    return rehearsal


def _blocks(question: Message) -> list[Block]:
    """The question's content with the data of its images."""
    blocks = question.content
    if question.has_images:
        for image in question.attachments.all():
            blocks[image.position] = Image(image.name, image.base64)
    return blocks


def _without_harm(prepared: Prepared, rehearsal: Rehearsal) -> Prepared:
    toolbox = prepared.request.toolbox
    rehearsal.left_out = [tool.name for tool in toolbox.tools if tool.name not in HARMLESS]
    kept = dataclasses.replace(toolbox, tools=tuple(tool for tool in toolbox.tools if tool.name in HARMLESS))
    return dataclasses.replace(prepared, request=dataclasses.replace(prepared.request, toolbox=kept))


async def _run(prepared: Prepared, rehearsal: Rehearsal, model_calls: list[ModelCall], began: float) -> None:
    models = configuration.current(settings.ENV, prepared.model)
    try:
        async with aclosing(attempts.run(models, prepared.request, settings.ENV.provider_first_byte_seconds)) as events:
            async for event in events:
                _take(event, rehearsal, model_calls, began)
    except BaseException:
        # A model call that does not come to its end tells no usage.
        if rehearsal.text:
            _take(estimated_usage(prepared.request, rehearsal.text), rehearsal, model_calls, began)
        raise


def _take(event: AgentEvent, rehearsal: Rehearsal, model_calls: list[ModelCall], began: float) -> None:
    match event:
        case TextDelta():
            rehearsal.first_token_ms = rehearsal.first_token_ms or _since(began)
            rehearsal.text += event.text
            if len(rehearsal.text) > settings.ENV.answer_max_chars:
                raise BrokenAnswer(f"longer than {settings.ENV.answer_max_chars} characters")
        case Asked():
            rehearsal.provider, rehearsal.model = event.provider, event.model
        case ToolResult():
            rehearsal.calls.append(event)
        case Usage():
            model_calls.append(ModelCall(rehearsal.provider, rehearsal.model, event))
            rehearsal.prompt_tokens += event.prompt_tokens
            rehearsal.completion_tokens += event.completion_tokens
        case Finished():
            rehearsal.finish_reason = event.reason


def _since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)


def _charge(question: Message, model_calls: list[ModelCall]) -> Decimal | None:
    """What it cost, which is nobody's but counts in the budget of all."""
    if not model_calls:
        return None
    cost = prices.cost(settings.ENV, model_calls)
    spending.add("", cost, question.conversation_id)
    return cost
