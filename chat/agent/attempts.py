"""The models that are asked one after another until one begins to answer."""

import dataclasses
import logging
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from chat.agent import loop
from chat.agent.errors import BrokenAnswer, PromptTooLong, ProviderError, Refused
from chat.agent.events import AgentEvent, Asked, Finished, TextDelta, ToolResult
from chat.agent.prompt import ModelRequest
from chat.agent.providers import Provider

logger = logging.getLogger(__name__)

_MAX_BLANKS = 2000
_NO_TEXT = "The model gave an empty answer: ask again, perhaps in other words."


async def run(models: Sequence[Provider], request: ModelRequest, seconds: float) -> AsyncGenerator[AgentEvent, None]:
    """One answer, by the first model that gets as far as a word; each model asked is told by ``Asked``.

    ``seconds`` is the wait for the first token in all: each model gets an equal share of what those before it left. A
    prompt that is too long for a model is cut and sent to it once more. Raises the last model's ``ProviderError``.
    """
    ahead = [(model, request) for model in models]
    deadline = time.monotonic() + seconds
    failures: list[str] = []
    while True:
        model, prompt = ahead.pop(0)
        share = (deadline - time.monotonic()) / (len(ahead) + 1)
        said = False
        yield Asked(model.name, model.model, "\n".join(failures))
        try:
            async with aclosing(_worded(model, dataclasses.replace(prompt, first_byte_seconds=share))) as events:
                async for event in events:
                    said = said or isinstance(event, TextDelta)
                    if isinstance(event, ToolResult):
                        # Tools take their own time, and after them every call may wait anew.
                        deadline = time.monotonic() + seconds
                    yield event
            return
        except ProviderError as error:
            shorter = prompt.halved()
            if isinstance(error, PromptTooLong) and prompt is request and shorter != request:
                ahead.insert(0, (model, shorter))
            if said or not ahead or isinstance(error, Refused):
                error.detail = "\n".join([*failures, error.detail])
                raise
            logger.warning("%s (%s) gave no answer: %s", model.name, model.model, type(error).__name__)
            failures.append(f"{model.name} ({model.model}): {error.sentence} {error.detail}")


async def _worded(model: Provider, request: ModelRequest) -> AsyncGenerator[AgentEvent, None]:
    """The loop's events, blank text held back until there is a word; an answer without one is ``BrokenAnswer``."""
    said = False
    blanks = ""
    async with aclosing(loop.run(model, request)) as events:
        async for event in events:
            if isinstance(event, TextDelta) and not said:
                blanks += event.text
                said = bool(blanks.strip())
                if len(blanks) > _MAX_BLANKS and not said:
                    raise BrokenAnswer("blanks without end", sentence=_NO_TEXT)
                if said:
                    yield TextDelta(blanks)
                continue
            yield event
            if isinstance(event, Finished) and not said:
                raise BrokenAnswer(f"no text, finish_reason {event.reason}", sentence=_NO_TEXT)
