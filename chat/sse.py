"""The stream's wire format: one ``data:`` line of JSON with a string ``chunk``, and a blank line."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

from django.http import StreamingHttpResponse

from chat.agent.errors import ProviderError

_COMMENT = b": still here\n\n"


async def encode(
    pieces: AsyncIterator[str], sources: Callable[[], list[dict[str, Any]]] = list, *, paused: bool = False
) -> AsyncGenerator[bytes, None]:
    """Events for the pieces of an answer, a comment for an empty piece, and a last one.

    A first one tells that the agent is ``paused``: what comes is an operator's, and may take its time.

    That tells the ``sources``, which are asked for at the end, where there are any, or the error where it broke off.
    """
    if paused:
        yield _event({"chunk": "", "paused": True})
    try:
        async for piece in pieces:
            yield _event({"chunk": piece}) if piece else _COMMENT
        if found := sources():
            yield _event({"chunk": "", "sources": found})
    except ProviderError as error:
        yield _event({"chunk": "", "success": False, "error": error.sentence})


class EventStream(StreamingHttpResponse):
    """A response that hands its events out as they are: Django's way around them costs as much as making them."""

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        headers = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
        super().__init__(events, content_type="text/event-stream", headers=headers)
        self._events = events

    def __aiter__(self) -> AsyncGenerator[bytes, None]:
        return self._events


def _event(data: dict[str, object]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
