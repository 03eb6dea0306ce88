"""A person in a terminal: the same turns as over the API, in a thread beside the one that waits for keys."""

import asyncio
import queue
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any, TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from ccagent.text import clean
from chat import storage, turns
from chat.agent.errors import DATABASE_AWAY, ProviderError, Stopped
from chat.content import Text
from chat.models import Message

Result = TypeVar("Result")


class Unanswered(Exception):
    """The message is the sentence for the person."""


class Terminal:
    """Somebody who asks from a terminal; an empty ``email`` is nobody in particular, as in the API."""

    def __init__(self, email: str) -> None:
        self.email = email
        self._loop = asyncio.new_event_loop()
        # A daemon, so that a second Ctrl-C while it is being closed ends the program.
        threading.Thread(target=self._loop.run_forever, name="turns", daemon=True).start()

    def ask(self, text: str) -> "Asked":
        return Asked(self, text)

    def run(self, work: Coroutine[Any, Any, Result]) -> "Future[Result]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """Stores what is running, and closes what is open."""
        self.run(_ended()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)


async def _ended() -> None:
    await turns.drain(settings.ENV.drain_seconds)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.wait({asyncio.ensure_future(asyncio.sleep(0)), *others}, timeout=1)


class Asked:
    """The pieces of the answer to a question as they come. A wait for the next one may be interrupted and gone on with.

    Its end raises `Unanswered` where something went wrong. ``message`` is the answer once it has begun.
    """

    def __init__(self, terminal: Terminal, text: str) -> None:
        self.message: Message | None = None
        self._terminal = terminal
        self._is_stopped = False
        self._pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._told = terminal.run(self._tell(text))

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        piece = self._pieces.get()
        if piece is not None:
            return piece
        with suppress(CancelledError):
            self._told.result()
        raise StopIteration

    def stop(self) -> None:
        """Ends the answer with what it has; the rest of the pieces is still to be had."""
        self._is_stopped = True
        self._terminal.run(self._stop())

    async def _stop(self) -> None:
        # No turn is running where somebody waits for an operator's words.
        if self.message and not turns.halt(self.message.pk):
            self._told.cancel()

    async def _tell(self, text: str) -> None:
        try:
            self.message, answer = await turns.start(self._terminal.email, [Text(clean(text))], timezone.now())
            if self._is_stopped:
                turns.halt(self.message.pk)
            async for piece in answer.listen():
                self._pieces.put(piece)
        except Stopped:
            pass
        except ProviderError as error:
            raise Unanswered(error.sentence) from error
        except storage.TooManyRunning:
            raise Unanswered("Too many answers to this person are running: wait for one to end.") from None
        except (OperationalError, InterfaceError):
            raise Unanswered(DATABASE_AWAY) from None
        finally:
            self._pieces.put(None)
