"""The stream's wire format: one ``data:`` line of JSON with a string ``chunk``, and a blank line."""

import json
from collections.abc import AsyncIterator

from chat.agent.errors import ProviderError

_COMMENT = b": still here\n\n"


async def encode(pieces: AsyncIterator[str]) -> AsyncIterator[bytes]:
    """Events for the pieces of an answer, a comment for an empty piece, and an error event where it broke off."""
    try:
        async for piece in pieces:
            yield _event({"chunk": piece}) if piece else _COMMENT
    except ProviderError as error:
        yield _event({"chunk": "", "success": False, "error": error.sentence})


def _event(data: dict[str, object]) -> bytes:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()
