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
from ccagent.observability import metrics
from ccagent.observability.logs import request_id
from chat import gaps, live, storage, summaries, takeover, telemetry
from chat.agent import attempts, configuration
from chat.agent.errors import DATABASE_AWAY, RESTARTING, Fault, ProviderError, Stopped, TimedOut, Unavailable
from chat.agent.events import AgentEvent, Asked, Finished, ModelCall, TextDelta, ToolResult, Usage
from chat.agent.prompt import estimated_usage
from chat.answer import Answer, RunningAnswer
from chat.content import Block, plain_text
from chat.elsewhere import StoredAnswer
from chat.models import Message
from chat.money import prices
from chat.preparation import Prepared, meant, prepare
from chat.relay import Relay
from chat.takeover import Place
from chat.tracing import traced
from chat.waiting import PausedAnswer, room
from context import embeddings

logger = logging.getLogger(__name__)

SAVE_SECONDS = 1.0
ORPHAN_SECONDS = 5.0
_NEXT_LOOK_SECONDS = 0.5
# Waits between the tries to store an end, in seconds: long enough for Postgres to restart.
_STORE_AGAIN = (0.2, 0.5, 1, 2, 4, 8, 8)


class Turn:
    """A question, its answer in the making, and what will be stored of it."""

    def __init__(self, opened: storage.OpenedTurn, blocks: Sequence[Block], prepared: Prepared | None) -> None:
        self.question = opened.question
        self.message = opened.answer
        self.waits = opened.waits
        self.over_budget = opened.over_budget
        self.blocks = blocks
        self.prepared = prepared
        self.answer = RunningAnswer(settings.ENV.answer_max_chars)
        self.outcome: dict[str, Any] = {}
        self.model_calls: list[ModelCall] = []
        self.calls: list[storage.MadeCall] = []
        self.calls_stored = 0
        self.work = _in_background(_answer_in_time(self), request_id.get())
        self._stopped = False
        self._started = time.monotonic()

    def milliseconds(self) -> int:
        return int((time.monotonic() - self._started) * 1000)

    @property
    def is_stopped(self) -> bool:
        """Somebody asked for an end, which is none of a failure."""
        return self._stopped

    def stop(self) -> None:
        """Ends the answer with what it has; the provider's connection is closed at once."""
        self._stopped = True
        self.work.cancel()


class Restarting(Exception):
    """The process is about to end and takes no new questions."""


_running: dict[Turn, asyncio.Task[None]] = {}
_tasks: dict[str, asyncio.Task[None]] = {}
_shown: set[asyncio.Task[None]] = set()
_draining = False
metrics.gauge("ccagent_running_turns", "Answers in the making.", lambda: len(_running))


async def start(
    email: str, blocks: Sequence[Block], date: datetime.datetime, once: storage.Idempotency = storage.NO_KEY
) -> tuple[Message, Answer]:
    """Stores the question, then lets the answer begin; the same request again gives the same answer.

    Raises ``Restarting``, ``TooManyRunning``, ``KeyReused`` and the database's errors; what goes wrong later is told
    by the answer.
    """
    if _draining:
        raise Restarting
    opened, prepared = await in_database(_open, email, blocks, date, once)
    if opened.is_paused:
        return _paused(email, opened)
    if not opened.is_new:
        return _begun(opened.answer)
    turn = Turn(opened, blocks, prepared)
    _running[turn] = _in_background(_run(turn), request_id.get())
    if _draining:  # it began while the question was being stored
        turn.work.cancel()
    if "keep" not in _tasks or _tasks["keep"].done():
        _tasks["keep"] = _in_background(_keep())
    return turn.message, turn.answer


def _open(
    email: str, blocks: Sequence[Block], date: datetime.datetime, once: storage.Idempotency
) -> tuple[storage.OpenedTurn, Prepared | None]:
    """Opens the turn and prepares it, in one visit to the database, unless it has to wait for something."""
    opened = storage.open_turn(email, blocks, date, once)
    if not opened.is_new or opened.waits or opened.is_paused or opened.over_budget:
        return opened, None
    try:
        return opened, None if embeddings.active() else prepare(opened.question, blocks)
    except Exception:  # the turn is open now, so it is for the turn to try again, and to fail by it
        logger.info("A turn could not be prepared at the first try")
        return opened, None


async def join(email: str) -> tuple[Message, Answer] | None:
    """The person's oldest answer in the making, here or elsewhere; while the agent is paused, an operator's words."""
    message, waiting = await in_database(_joined, email)
    if message is None and waiting:
        return Message(passages=[]), PausedAnswer(email, *waiting)
    return _begun(message) if message else None


def _joined(email: str) -> tuple[Message | None, tuple[Place, str] | None]:
    message = storage.running_answer(email)
    waits = message is None and settings.ENV.paused_stream_seconds > 0
    return message, takeover.waiting_place(email) if waits else None


def _paused(email: str, opened: storage.OpenedTurn) -> tuple[Message, Answer]:
    """The sentence that answers a person instead of the agent, and how to wait for an operator's words."""
    answer = opened.answer
    if opened.is_new:
        shown = _in_background(live.publish(answer.conversation_id, answer.pk, Message.Status.COMPLETE, answer.text))
        _shown.add(shown)
        shown.add_done_callback(_shown.discard)
    return answer, PausedAnswer(email, Place(answer.conversation_id, answer.sequence, own=True), answer.text)


def _begun(message: Message) -> tuple[Message, Answer]:
    """An answer that somebody else's request began, and how to listen to it."""
    turn = _running_turn(message.pk)
    return (turn.message, turn.answer) if turn else (message, StoredAnswer(message, relay))


def _running_turn(message: int) -> Turn | None:
    return next((turn for turn in _running if turn.message.pk == message), None)


def _made_here(message: int) -> RunningAnswer | None:
    turn = _running_turn(message)
    return turn.answer if turn else None


relay = Relay(_made_here, room.look)


async def stop(email: str) -> int:
    """Stops what is being answered to the person, wherever; returns the number of answers, once those here ended."""
    count = await in_database(_request_stop, email)
    room.end(email)
    turns = [turn for turn in _running if turn.question.conversation.email == email]
    for turn in turns:
        turn.stop()
    await asyncio.gather(*(turn.answer.over() for turn in turns))
    return count


def _request_stop(email: str) -> int:
    return storage.request_stop(email) + takeover.request_end(email)


def halt(message: int) -> bool:
    """Stops one answer, if it is made here."""
    turn = _running_turn(message)
    if turn:
        turn.stop()
    return turn is not None


async def start_over(email: str) -> bool:
    """Archives the person's conversation; false where there was none.

    Its running answers are stopped, wherever they run, and have ended when this returns. Another question does not
    wait for that to be stored: it is one of the next conversation, and is answered when they have ended.
    """
    archived = await in_database(storage.archive, email)
    if archived is None:
        return False
    room.end(email)
    for turn in [turn for turn in _running if turn.message.conversation_id == archived]:
        turn.stop()
    # Those of other processes see in the database that they are to stop.
    while await in_database(storage.is_running, archived):  # noqa: ASYNC110
        await asyncio.sleep(_NEXT_LOOK_SECONDS / 2)
    return True


def _in_background(work: Any, request: str = "") -> asyncio.Task[None]:
    """A task in a context of its own: the request's would tie it to threads that end with the response."""
    context = contextvars.Context()
    context.run(request_id.set, request)
    return asyncio.get_running_loop().create_task(work, context=context)


async def _run(turn: Turn) -> None:
    """Waits for the answer, and stores how it ended, whatever happens. Only ``turn.work`` is ever cancelled."""
    error: ProviderError | None = None
    try:
        await turn.work
    except TimeoutError:
        error = TimedOut("the answer took too long in all")
    except ProviderError as provider_error:
        error = provider_error
    except (OperationalError, InterfaceError) as database_error:
        error = Unavailable(repr(database_error), sentence=DATABASE_AWAY, retry_after=5)
    except asyncio.CancelledError:
        if not turn.is_stopped:
            error = Unavailable("the process was told to stop", sentence=RESTARTING, retry_after=5)
        elif not turn.answer.text:
            error = Stopped()
    except Exception as bug:
        # Nothing may leave a turn open for ever: listeners are told, and the trace is in the log.
        logger.exception("A turn failed by a bug")
        error = Fault(repr(bug))
    await _close(turn, error)
    if error is None and turn.prepared and turn.prepared.outgrown and not _draining:
        summaries.begin(turn.message.conversation_id, turn.prepared.model)


async def _answer_in_time(turn: Turn) -> None:
    """The answer, begun when those to the person before it have ended, so that it knows them whole."""
    while turn.waits:
        before = [
            other.answer.over()
            for other in _running
            if other.question.conversation.email == turn.question.conversation.email
            and other.message.pk < turn.message.pk
        ]
        await (asyncio.gather(*before) if before else asyncio.sleep(_NEXT_LOOK_SECONDS))
        turn.waits = await in_database(storage.runs_before, turn.message)
        if not turn.waits and await in_database(takeover.is_paused, turn.question.conversation.email):
            # An operator took over while this one waited.
            turn.outcome["finish_reason"] = storage.PAUSED
            turn.answer.add(settings.ENV.paused_answer)
            return
    async with asyncio.timeout(settings.ENV.provider_total_seconds):
        await _answer(turn)


async def _answer(turn: Turn) -> None:
    if turn.over_budget:
        turn.answer.add(settings.ENV.budget_answer)
        turn.outcome["finish_reason"] = "budget"
        return
    prepared = turn.prepared
    if prepared is None:
        asked = await in_database(meant, turn.question, turn.blocks)
        vector = await embeddings.aembed_question(asked) if asked else None
        prepared = turn.prepared = await in_database(prepare, turn.question, turn.blocks, vector)
    turn.outcome |= {"prompt_id": prepared.prompt, "passages": prepared.passages}
    turn.message.passages = prepared.passages
    request = prepared.request
    models = configuration.current(settings.ENV, prepared.model)
    run = attempts.run(models, request, settings.ENV.provider_first_byte_seconds)
    try:
        async with aclosing(traced(run, request, turn.message.conversation_id)) as events:
            async for event in events:
                _take(turn, event)
    except BaseException:
        # A model call that does not come to its end tells no usage.
        if turn.answer.text:
            _count(turn, estimated_usage(request, turn.answer.text))
        raise


def _take(turn: Turn, event: AgentEvent) -> None:
    match event:
        case TextDelta():
            turn.outcome.setdefault("first_token_ms", turn.milliseconds())
            turn.answer.add(event.text)
        case Asked():
            metrics.provider_failed(turn.outcome.get("provider", ""), event.kind)
            turn.outcome |= {"provider": event.provider, "model": event.model, "error": event.failures}
        case ToolResult():
            turn.calls.append(storage.MadeCall(len(turn.calls), len(turn.answer.text), event))
        case Usage():
            _count(turn, event)
        case Finished():
            turn.outcome["finish_reason"] = event.reason[:50]


def _count(turn: Turn, usage: Usage) -> None:
    """Adds up the tokens of a turn's several model calls."""
    outcome = turn.outcome
    turn.model_calls.append(ModelCall(outcome.get("provider", ""), outcome.get("model", ""), usage))
    for name in ("prompt_tokens", "completion_tokens"):
        outcome[name] = (outcome.get(name) or 0) + getattr(usage, name)
    outcome["tokens_estimated"] = outcome.get("tokens_estimated", False) or usage.estimated


async def _close(turn: Turn, error: ProviderError | None) -> None:
    """Stores the end, then tells the listeners: what they hear of as complete is in the history."""
    text = turn.answer.text
    turn.outcome |= {"text": text, "total_ms": turn.milliseconds(), "status": _status(turn, error)}
    if error:
        turn.outcome |= {"error": f"{error.sentence} {error.detail}".strip(), "error_kind": error.kind}
    _note_gap(turn)
    if not await _stored(turn):
        error = error or Unavailable("the end could not be stored", sentence=DATABASE_AWAY, retry_after=5)
    turn.answer.end(error)
    del _running[turn]
    telemetry.ended(turn.outcome, turn.model_calls, error)
    await live.publish(turn.message.conversation_id, turn.message.pk, turn.outcome["status"], text)


def _note_gap(turn: Turn) -> None:
    """Notes what the operator may want to know of an answer that did not help."""
    found, looked = (turn.prepared.passages, turn.prepared.looked) if turn.prepared else ([], False)
    status, asked = turn.outcome["status"], plain_text(turn.blocks)
    turn.outcome |= gaps.columns(asked, status, turn.answer.text, found, looked, turn.calls)


def _status(turn: Turn, error: ProviderError | None) -> str:
    if turn.is_stopped:
        return Message.Status.STOPPED.value
    if error is None:
        return Message.Status.COMPLETE.value
    return Message.Status.INTERRUPTED.value if turn.answer.text else Message.Status.FAILED.value


async def _stored(turn: Turn) -> bool:
    """Stores the end, again and again for some seconds where the database is away; false where that did not help."""
    for pause in (*_STORE_AGAIN, None):
        try:
            await in_database(_store_end, turn)
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


def _store_end(turn: Turn) -> None:
    # Here and not on the event loop, because the first time prices are loaded.
    turn.outcome["cost"] = prices.cost(settings.ENV, turn.model_calls)
    storage.close_turn(turn.message.pk, turn.outcome, turn.calls)


async def _keep() -> None:
    """While turns are running: stores what they have so far about once a second, and shows it to the live view."""
    shown = _in_background(_show([]))
    while _running:
        await asyncio.sleep(SAVE_SECONDS)
        running = [turn for turn in _running if not turn.answer.ended]
        to_stop: list[int] = []
        try:
            to_stop = await _save(running)
        except (OperationalError, InterfaceError):
            logger.warning("The running answers could not be stored for the moment")
        for turn in running:
            if turn.message.pk in to_stop:
                turn.stop()
        if shown.done():
            # A slow channel layer must not hold up the next sign of life.
            shown = _in_background(_show(running))


async def _save(running: Sequence[Turn]) -> list[int]:
    """Stores texts and tool calls so far; the keys of those that somebody wants to stop."""
    texts = {turn.message.pk: turn.answer.text for turn in running}
    counts = {turn: len(turn.calls) for turn in running}
    new = {turn.message.pk: turn.calls[turn.calls_stored :] for turn in running if turn.calls[turn.calls_stored :]}
    to_stop = await in_database(storage.save_running, texts, new)
    for turn, count in counts.items():
        turn.calls_stored = count
    return to_stop


async def _show(running: Sequence[Turn]) -> None:
    for turn in running:
        if not turn.answer.ended:
            place = turn.message.conversation_id, turn.message.pk
            await live.publish(*place, "streaming", turn.answer.text, turn.calls_stored)


async def look_after_orphans() -> None:
    """For as long as the process lives: marks answers that a dead process left as *streaming*."""
    while True:
        try:
            await in_database(storage.interrupt_orphans, [turn.message.pk for turn in _running])
        except (OperationalError, InterfaceError):
            logger.warning("Orphaned answers could not be looked for at the moment")
        await asyncio.sleep(ORPHAN_SECONDS)


async def drain(seconds: float) -> None:
    """Takes no new questions, lets the running turns end, and after that many seconds stores what they have."""
    global _draining
    _draining = StoredAnswer.process_ends = True
    room.close()
    await summaries.end()
    if _running:
        ends = set(_running.values())
        await asyncio.wait(ends, timeout=seconds)
        for turn in list(_running):
            turn.work.cancel()
        await asyncio.wait(ends, timeout=5)
    await configuration.close()
