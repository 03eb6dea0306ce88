"""The live view of a conversation in the admin."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.db import InterfaceError, OperationalError

from chat import live

logger = logging.getLogger(__name__)

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class ConversationConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """Sends ``{"message": id, "status": …, "text": …}`` for each growing answer to operators who may see messages."""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await live.try_out()
        await super().__call__(scope, receive, send)

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
        await self.send_json({name: event[name] for name in ("message", "status", "text", "calls")})


def _may_watch(user: Any) -> bool:
    return bool(user.is_active and user.is_staff and user.has_perm("chat.view_message"))


async def nowhere(scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ARG001
    """Refuses a websocket of an address that there is not."""
    await send({"type": "websocket.close", "code": 4404})


def or_close(application: Application) -> Application:
    """Closes a websocket for which Redis or the database is away; the page polls then, and comes back."""

    async def serve(scope: dict[str, Any], receive: Any, send: Any) -> None:
        try:
            await application(scope, receive, send)
        except Exception as error:
            if not isinstance(error, (OperationalError, InterfaceError, *live.layer_errors())):
                raise
            logger.info("A live view was closed for the moment: %s", type(error).__name__)
            await send({"type": "websocket.close", "code": 1013})

    return serve
