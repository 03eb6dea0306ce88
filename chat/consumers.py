"""The live view of a conversation in the admin."""

from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from chat import live


class ConversationConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """Sends ``{"message": id, "status": …, "text": …}`` for each growing answer to operators who may see messages."""

    async def connect(self) -> None:
        if not await database_sync_to_async(_may_watch)(self.scope["user"]):
            await self.close()
            return
        self.group = live.group(self.scope["url_route"]["kwargs"]["conversation"])
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:  # noqa: ARG002
        if hasattr(self, "group"):
            await self.channel_layer.group_discard(self.group, self.channel_name)

    async def answer_grew(self, event: dict[str, Any]) -> None:
        await self.send_json({name: event[name] for name in ("message", "status", "text")})


def _may_watch(user: Any) -> bool:
    return bool(user.is_active and user.is_staff and user.has_perm("chat.view_message"))
