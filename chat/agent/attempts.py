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
from chat.agent.vendors import Provider

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
    kind = ""
    while True:
        model, prompt = ahead.pop(0)
        share = (deadline - time.monotonic()) / (len(ahead) + 1)
        words = _Words()
        yield Asked(model.name, model.model, "\n".join(failures), kind)
        try:
            async with aclosing(loop.run(model, dataclasses.replace(prompt, first_byte_seconds=share))) as events:
                async for event in events:
                    if isinstance(event, TextDelta):
                        if text := words.join(event.text):
                            yield TextDelta(text)
                        continue
                    if isinstance(event, ToolResult):
                        # Tools take their own time, and after them every call may wait anew.
                        deadline = time.monotonic() + seconds
                    elif isinstance(event, Finished):
                        words.must_be_there(event)
                    yield event
            return
        except ProviderError as error:
            shorter = prompt.halved()
            if isinstance(error, PromptTooLong) and prompt is request and shorter != request:
                ahead.insert(0, (model, shorter))
            if words.said or not ahead or isinstance(error, Refused):
                error.detail = "\n".join([*failures, error.detail])
                raise
            logger.warning("%s (%s) gave no answer: %s", model.name, model.model, type(error).__name__)
            kind = error.kind
            failures.append(f"{model.name} ({model.model}): {error.sentence} {error.detail}")


class _Words:
    """Holds blank text back until there is a word; an answer without one is ``BrokenAnswer``."""

    def __init__(self) -> None:
        self.said = False
        self._blanks = ""

    def join(self, text: str) -> str:
        """What may be passed on now that this text has come."""
        if self.said:
            return text
        self._blanks += text
        self.said = bool(self._blanks.strip())
        if len(self._blanks) > _MAX_BLANKS and not self.said:
            raise BrokenAnswer("blanks without end", sentence=_NO_TEXT)
        return self._blanks if self.said else ""

    def must_be_there(self, end: Finished) -> None:
        if not self.said:
            raise BrokenAnswer(f"no text, finish_reason {end.reason}", sentence=_NO_TEXT)
