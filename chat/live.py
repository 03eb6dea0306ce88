"""Tells those who watch a conversation how an answer grows."""

import asyncio

from channels.layers import get_channel_layer

from ccagent.outage import Outage

PUBLISH_SECONDS = 1.0
_outage = Outage("nobody sees answers grow")


def group(conversation: int) -> str:
    """The Channels group of everybody who watches a conversation."""
    return f"conversation.{conversation}"


async def publish(conversation: int, message: int, status: str, text: str) -> None:
    """Sends the whole text so far, so that a watcher who missed a part loses nothing.

    Where that fails or takes long it is left out, and so is what comes in the seconds after it.
    """
    if _outage.lasts():
        return
    event = {"type": "answer.grew", "message": message, "status": status, "text": text}
    try:
        async with asyncio.timeout(PUBLISH_SECONDS):
            await get_channel_layer().group_send(group(conversation), event)
    except Exception as error:  # whatever the layer raises: an answer must not fail because nobody can watch it
        _outage.begin(error)
