"""Tells those who watch a conversation how an answer grows, and what else goes through the channel layer."""

import asyncio
from typing import Any

from channels.layers import get_channel_layer

from ccagent.outage import Outage

PUBLISH_SECONDS = 1.0
outage = Outage("who watches an answer sees it late")


def group(conversation: int) -> str:
    """The Channels group of everybody who watches a conversation."""
    return f"conversation.{conversation}"


async def publish(conversation: int, message: int, status: str, text: str, calls: int = 0) -> None:
    """Sends the whole text so far, so that a watcher who missed a part loses nothing, and how many calls are stored."""
    grown = {"message": message, "status": status, "text": text, "calls": calls}
    await send(group(conversation), {"type": "answer.grew", **grown})


async def send(group: str, event: dict[str, Any]) -> bool:
    """Sends to all of a group; false where that fails or takes long, and for some seconds after it."""
    if outage.lasts():
        return False
    try:
        async with asyncio.timeout(PUBLISH_SECONDS):
            await get_channel_layer().group_send(group, event)
    except Exception as error:  # whatever the layer raises: an answer must not fail because nobody can watch it
        outage.begin(error)
        return False
    return True


async def try_out() -> None:
    """Raises one of `layer_errors` where the layer is away.

    To be done before a channel is made: one that was made in vain stays in the layer's memory.
    """
    async with asyncio.timeout(PUBLISH_SECONDS):
        await get_channel_layer().group_send("nobody", {"type": "try"})


async def new_channel() -> str:
    """A channel's name; raises one of `layer_errors`."""
    await try_out()
    name: str = await get_channel_layer().new_channel()
    return name


def layer_errors() -> tuple[type[Exception], ...]:
    """What the layer raises where it cannot be reached; only who meets one loads the library."""
    from redis.exceptions import RedisError

    return RedisError, OSError
