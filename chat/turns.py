"""One turn: from a person's message to the stored answer.

A turn runs as a task of its own. Whoever wants the answer listens to it; when they go, it goes on.
"""

import asyncio
import contextvars
import datetime
import logging
import time
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError

from ccagent.database import in_database
from chat import history, live, storage
from chat.agent import loop, providers
from chat.agent.errors import BrokenAnswer, Fault, ProviderError, TimedOut, Unavailable
from chat.agent.events import Finished, TextDelta, ToolResult, Usage
from chat.agent.prompt import ModelRequest
from chat.answer import RunningAnswer
from chat.content import Block, plain_text
from chat.models import Message, Prompt
from context.search import search

logger = logging.getLogger(__name__)

SAVE_SECONDS = 1.0
ORPHAN_SECONDS = 10.0
# Waits between the tries to store an end, in seconds: long enough for Postgres to restart.
_STORE_AGAIN = (0.2, 0.5, 1, 2, 4, 8, 8)

_DATABASE_GONE = "The database cannot be reached at the moment: try again in a few seconds."
_RESTARTING = "The agent is restarting: try again in a few seconds."


class Turn:
    """A question, its answer in the making, and what will be stored of it."""

    def __init__(self, question: Message, answer: Message, blocks: Sequence[Block]) -> None:
        self.question = question
        self.message = answer
        self.blocks = blocks
        self.answer = RunningAnswer(settings.ENV.answer_max_chars)
        self.outcome: dict[str, Any] = {}
        self.tool_results: list[ToolResult] = []
        self._started = time.monotonic()

    def milliseconds(self) -> int:
        return int((time.monotonic() - self._started) * 1000)


class Restarting(Exception):
    """The process is about to end and takes no new questions."""


_running: dict[Turn, asyncio.Task[None]] = {}
_tasks: dict[str, asyncio.Task[None]] = {}
_draining = False


async def start(email: str, blocks: Sequence[Block], date: datetime.datetime) -> Turn:
    """Stores the question, then lets the answer begin.

    Raises the database's errors and ``Restarting``; what goes wrong later is told by the turn's answer.
    """
    if _draining:
        raise Restarting
    question, message = await in_database(storage.open_turn, email, blocks, date)
    turn = Turn(question, message, blocks)
    _running[turn] = _in_background(_run(turn))
    if "keep" not in _tasks or _tasks["keep"].done():
        _tasks["keep"] = _in_background(_keep())
    return turn


def _in_background(work: Any) -> asyncio.Task[None]:
    """A task in a context of its own: the request's would tie it to threads that end with the response."""
    return asyncio.get_running_loop().create_task(work, context=contextvars.Context())


async def _run(turn: Turn) -> None:
    """Answers, and stores how it ended, whatever happens."""
    error: ProviderError | None = None
    try:
        async with asyncio.timeout(settings.ENV.provider_total_seconds):
            await _answer(turn)
    except TimeoutError:
        error = TimedOut("the answer took too long in all")
    except ProviderError as provider_error:
        error = provider_error
    except (OperationalError, InterfaceError) as database_error:
        error = Unavailable(repr(database_error), sentence=_DATABASE_GONE, retry_after=5)
    except asyncio.CancelledError:
        error = Unavailable("the process was told to stop", sentence=_RESTARTING, retry_after=5)
    except Exception as bug:
        # Nothing may leave a turn open for ever: listeners are told, and the trace is in the log.
        logger.exception("A turn failed by a bug")
        error = Fault(repr(bug))
    await _close(turn, error)


async def _answer(turn: Turn) -> None:
    provider = providers.current(settings.ENV)
    turn.outcome |= {"provider": provider.name, "model": provider.model}
    request = await in_database(_prepare, turn)
    async with aclosing(loop.run(provider, request)) as events:
        async for event in events:
            match event:
                case TextDelta():
                    turn.outcome.setdefault("first_token_ms", turn.milliseconds())
                    turn.answer.add(event.text)
                case ToolResult():
                    turn.tool_results.append(event)
                case Usage():
                    _count(turn.outcome, event)
                case Finished():
                    turn.outcome["finish_reason"] = event.reason[:50]
    if not turn.answer.text.strip():
        raise BrokenAnswer("no text", sentence="The model gave an empty answer: ask again, perhaps in other words.")


def _prepare(turn: Turn) -> ModelRequest:
    """What the model is asked, with a note in the outcome of what that was made of."""
    prompt = Prompt.in_force()
    found = search(plain_text(turn.blocks))
    turn.outcome["prompt"] = prompt
    turn.outcome["passages"] = [
        {"chunk": hit.chunk, "document": hit.document, "title": hit.title, "score": hit.score} for hit in found
    ]
    return history.model_request(turn.question, turn.blocks, prompt, found)


def _count(outcome: dict[str, Any], usage: Usage) -> None:
    """Adds up the tokens of a turn's several model calls."""
    for name in ("prompt_tokens", "completion_tokens"):
        outcome[name] = (outcome.get(name) or 0) + getattr(usage, name)


async def _close(turn: Turn, error: ProviderError | None) -> None:
    """Stores the end, then tells the listeners: what they hear of as complete is in the history."""
    text = turn.answer.text
    turn.outcome |= {"text": text, "total_ms": turn.milliseconds()}
    if error is None:
        turn.outcome["status"] = Message.Status.COMPLETE
    else:
        turn.outcome["status"] = Message.Status.INTERRUPTED if text else Message.Status.FAILED
        turn.outcome["error"] = f"{error.sentence} {error.detail}".strip()
    if not await _stored(turn):
        error = error or Unavailable("the end could not be stored", sentence=_DATABASE_GONE, retry_after=5)
    turn.answer.end(error)
    del _running[turn]
    await live.publish(turn.message.conversation_id, turn.message.pk, turn.outcome["status"], text)


async def _stored(turn: Turn) -> bool:
    """Stores the end, again and again for some seconds where the database is away; false where that did not help."""
    for pause in (*_STORE_AGAIN, None):
        try:
            await in_database(storage.close_turn, turn.message.pk, turn.outcome, turn.tool_results)
            return True
        except (OperationalError, InterfaceError) as error:
            logger.warning("The end of turn %s could not be stored yet: %s", turn.message.pk, type(error).__name__)
            if pause is not None:
                await asyncio.sleep(pause)
        except DatabaseError as error:
            # Without the error's words: Postgres quotes the row in them.
            logger.error("The end of turn %s cannot be stored: %s", turn.message.pk, type(error).__name__)
            return False
    return False


async def _keep() -> None:
    """While turns are running: stores their texts so far about once a second, and shows them to the live view."""
    while _running:
        await asyncio.sleep(SAVE_SECONDS)
        running = [turn for turn in _running if not turn.answer.ended]
        try:
            await in_database(storage.save_running, {turn.message.pk: turn.answer.text for turn in running})
        except (OperationalError, InterfaceError):
            logger.warning("The running answers could not be stored for the moment")
        for turn in running:
            await live.publish(turn.message.conversation_id, turn.message.pk, "streaming", turn.answer.text)


async def look_after_orphans() -> None:
    """For as long as the process lives: marks answers that a dead process left as *streaming*."""
    while True:
        try:
            await in_database(storage.interrupt_orphans)
        except (OperationalError, InterfaceError):
            logger.warning("Orphaned answers could not be looked for at the moment")
        await asyncio.sleep(ORPHAN_SECONDS)


async def drain(seconds: float) -> None:
    """Takes no new questions, lets the running turns end, and after that many seconds stores what they have."""
    global _draining
    _draining = True
    tasks = set(_running.values())
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=5)
    await providers.close()
