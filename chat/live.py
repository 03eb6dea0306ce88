"""Tells the live view in the admin how an answer grows."""

from channels.layers import get_channel_layer


def group(conversation: int) -> str:
    """The Channels group of everybody who watches a conversation."""
    return f"conversation.{conversation}"


async def publish(conversation: int, message: int, status: str, text: str) -> None:
    """Sends the whole text so far, so that a watcher who missed a part loses nothing."""
    event = {"type": "answer.grew", "message": message, "status": status, "text": text}
    await get_channel_layer().group_send(group(conversation), event)
