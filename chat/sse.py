"""The stream's wire format: one ``data:`` line of JSON with a string ``chunk``, and a blank line."""

import json
from collections.abc import AsyncGenerator, AsyncIterator

from django.http import StreamingHttpResponse

from chat.agent.errors import ProviderError

_COMMENT = b": still here\n\n"


async def encode(pieces: AsyncIterator[str]) -> AsyncGenerator[bytes, None]:
    """Events for the pieces of an answer, a comment for an empty piece, and an error event where it broke off."""
    try:
        async for piece in pieces:
            yield _event({"chunk": piece}) if piece else _COMMENT
    except ProviderError as error:
        yield _event({"chunk": "", "success": False, "error": error.sentence})


class EventStream(StreamingHttpResponse):
    """A response that hands its events out as they are: Django's way around them costs as much as making them."""

    def __init__(self, pieces: AsyncIterator[str]) -> None:
        events = encode(pieces)
        headers = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
        super().__init__(events, content_type="text/event-stream", headers=headers)
        self._events = events

    def __aiter__(self) -> AsyncGenerator[bytes, None]:
        return self._events


def _event(data: dict[str, object]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
