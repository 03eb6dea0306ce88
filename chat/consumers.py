"""The live view of a conversation in the admin."""

import logging
import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

from channels.auth import get_user
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.db import InterfaceError, OperationalError

from chat import live
from chat.models import Conversation

logger = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
"""How long somebody who may no longer watch goes on doing so."""

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class ConversationConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """Sends ``{"message": id, "status": …, "text": …}`` for each growing answer to operators who may see messages."""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await live.try_out()
        await super().__call__(scope, receive, send)

    async def connect(self) -> None:
        if not await self._may_watch():
            await self.close()
            return
        self.group = live.group(self._conversation)
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:  # noqa: ARG002
        if hasattr(self, "group"):
            await self.channel_layer.group_discard(self.group, self.channel_name)

    @property
    def _conversation(self) -> int:
        return int(self.scope["url_route"]["kwargs"]["conversation"])

    async def _may_watch(self) -> bool:
        self._looked_at = time.monotonic()
        # The session as it is now: the one of the scope was read when the connection began.
        sessions = import_module(settings.SESSION_ENGINE)
        user = await get_user({"session": sessions.SessionStore(self.scope["session"].session_key)})
        return bool(await database_sync_to_async(_may_watch)(user, self._conversation))

    async def answer_grew(self, event: dict[str, Any]) -> None:
        # Who logged out, or may no longer, does not go on reading over an old connection.
        if time.monotonic() - self._looked_at > LOOK_SECONDS and not await self._may_watch():
            await self.close()
            return
        await self.send_json({name: event[name] for name in ("message", "status", "text", "calls")})


def _may_watch(user: Any, conversation: int) -> bool:
    may = user.is_active and user.is_staff and user.has_perms(["chat.view_conversation", "chat.view_message"])
    return bool(may and Conversation.objects.filter(pk=conversation).exists())


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
