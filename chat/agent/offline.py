"""The provider without a network: a newcomer sees everything work before there is a key."""

import asyncio
import re
from collections.abc import AsyncIterator

from chat.agent.events import Finished, ModelEvent, TextDelta
from chat.agent.prompt import ModelRequest

_NOTICE = (
    "No model is set up yet, so I can only quote what I was given. "
    "Set PROVIDER_NAME, PROVIDER_MODEL and PROVIDER_API_KEY to let a model answer."
)
_SECONDS_PER_WORD = 0.02
_MAX_QUOTES = 3


class OfflineProvider:
    """Answers by quoting the best passages, word by word like a model."""

    name = "offline"
    model = ""

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        for word in re.findall(r"\s*\S+", _answer(request)):
            yield TextDelta(word)
            await asyncio.sleep(_SECONDS_PER_WORD)
        yield Finished("stop")

    async def close(self) -> None:
        """Nothing is open."""


def _answer(request: ModelRequest) -> str:
    quotes = "\n\n".join(
        f"> {passage.text.replace(chr(10), chr(10) + '> ')}\n— {passage.title}"
        for passage in request.passages[:_MAX_QUOTES]
    )
    if not quotes:
        return f"{_NOTICE}\n\nI found nothing about this in the documents I have."
    return f"{_NOTICE}\n\nThis is what I found:\n\n{quotes}"
