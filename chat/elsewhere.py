"""An answer that another process makes or made."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from django.db import InterfaceError, OperationalError

from ccagent.database import in_database
from chat.agent.errors import DATABASE_AWAY, RESTARTING, Stopped, Unavailable
from chat.answer import QUIET_SECONDS
from chat.models import Message
from chat.relay import Heard, Relay

LOOK_SECONDS = 1.0
LOST_SECONDS = 25.0
"""Longest that an answer is listened to while nothing comes and the database is away."""


class StoredAnswer:
    """Heard through the relay as it comes; out of the stored text, a second behind, where that says nothing."""

    process_ends = False
    """Set once for all listeners, who would otherwise be cut off without a word."""

    def __init__(self, message: Message, relay: Relay) -> None:
        self._message = message
        self._relay = relay
        self._heard = Heard(message.text)
        self._alive_at = time.monotonic()

    async def opened(self) -> None:
        async with aclosing(self._texts()) as texts:
            async for text in texts:
                if text:
                    return
        self._raise_what_went_wrong()

    async def listen(self) -> AsyncGenerator[str, None]:
        seen, spoke_at = 0, time.monotonic()
        async with aclosing(self._texts()) as texts:
            async for text in texts:
                new, seen = text[seen:], len(text)
                if new or time.monotonic() - spoke_at >= QUIET_SECONDS:
                    spoke_at = time.monotonic()
                    yield new
        self._raise_what_went_wrong()

    async def finished(self) -> str:
        async with aclosing(self._texts()) as texts:
            async for _ in texts:
                pass
        self._raise_what_went_wrong()
        return self._message.text

    async def _texts(self) -> AsyncGenerator[str, None]:
        """The text so far, again when there may be more of it, until the stored answer is no longer *streaming*."""
        with self._relay.following(self._message.pk, self._heard):
            yield self._heard.text
            while self._message.status == Message.Status.STREAMING:
                if await self._heard.more(LOOK_SECONDS):
                    self._alive_at = time.monotonic()
                else:
                    await self._look()
                yield self._heard.text
                if self.process_ends and self._message.status == Message.Status.STREAMING:
                    raise Unavailable(sentence=RESTARTING, retry_after=5)

    async def _look(self) -> None:
        try:
            await in_database(self._message.refresh_from_db, fields=["text", "status", "passages"])
            self._alive_at = time.monotonic()
            self._heard.add(0, self._message.text)
        except Message.DoesNotExist:  # the person was forgotten meanwhile
            self._message.status = Message.Status.STOPPED
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() - self._alive_at > LOST_SECONDS:
                raise Unavailable(repr(error), sentence=DATABASE_AWAY, retry_after=5) from error

    def _raise_what_went_wrong(self) -> None:
        if self._message.status in (Message.Status.INTERRUPTED, Message.Status.FAILED):
            raise Unavailable(sentence="The answer broke off: ask again.", retry_after=1)
        if self._message.status == Message.Status.STOPPED and not self._message.text:
            raise Stopped()
