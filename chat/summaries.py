"""Running summaries of conversations that have outgrown the window, made in the background."""

import asyncio
import contextvars
import logging
from collections.abc import Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.db.models import Q
from django.db.models.functions import Now

from ccagent.database import in_database
from ccagent.text import cut_to
from chat import storage, window
from chat.agent import attempts, configuration, windows
from chat.agent.errors import ProviderError
from chat.agent.events import Asked, ModelCall, TextDelta, Usage
from chat.agent.offline import OfflineProvider
from chat.agent.prompt import PromptMessage, estimated_usage
from chat.agent.summary import summary_request
from chat.agent.vendors import Provider
from chat.models import Conversation, Summary
from chat.money import prices, spending

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 4
SECONDS = 120
"""Longest that one summary may take."""
LEASE = timedelta(seconds=SECONDS + 60)
"""How long a conversation stays taken by a process that died."""
_MAX_TOKENS = 2000
_NO_END = 2**31 - 1

_running: dict[int, asyncio.Task[None]] = {}


@dataclass(frozen=True)
class Job:
    """What is to be folded into a summary; ``tokens`` is the most that it may have."""

    conversation: int
    before: str
    messages: tuple[PromptMessage, ...]
    through: int
    tokens: int


def limit(history_tokens: int) -> int:
    """Most tokens of a summary: an eighth of what a prompt has for the conversation, 2,000 at most."""
    return max(1, min(history_tokens // 8, _MAX_TOKENS))


def begin(conversation: int, model: str = "") -> None:
    """Lets a summary be made, by ``model`` or else by the environment's own.

    Nobody waits for it, and one that is not made is tried again after a later turn.
    """
    if conversation not in _running and len(_running) < MOST_AT_ONCE:
        work = _fold(conversation, model)
        # A context of its own: the turn's would tie it to the thread of a request.
        task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
        _running[conversation] = task
        task.add_done_callback(lambda _: _running.pop(conversation))


async def end() -> None:
    """Gives up what is running; the process ends."""
    for task in _running.values():
        task.cancel()
    if _running:
        await asyncio.wait(list(_running.values()), timeout=2)


async def _fold(conversation: int, model: str) -> None:
    try:
        models = configuration.current(settings.ENV, model)
        if isinstance(models[0], OfflineProvider):
            return
        job = await in_database(claim, conversation, windows.history_tokens(settings.ENV, model))
        if job:
            await _make(models, job)
    except (ProviderError, TimeoutError, OperationalError, InterfaceError, IntegrityError) as error:
        # The last one: an operator deleted the conversation meanwhile.
        logger.info("No summary of conversation %s for now: %s", conversation, type(error).__name__)


async def _make(models: Sequence[Provider], job: Job) -> None:
    try:
        async with asyncio.timeout(SECONDS):
            summary, calls = await _asked(models, job)
        await in_database(store, summary, calls)
    finally:
        with suppress(OperationalError, InterfaceError):
            await in_database(release, job.conversation)


async def _asked(models: Sequence[Provider], job: Job) -> tuple[Summary, list[ModelCall]]:
    """The model's summary, not stored yet, and the calls it took; raises ``ProviderError``."""
    request = summary_request(job.before, job.messages, job.tokens)
    summary = Summary(conversation_id=job.conversation, through=job.through)
    text = ""
    calls: list[ModelCall] = []
    async with aclosing(attempts.run(models, request, settings.ENV.provider_first_byte_seconds)) as events:
        async for event in events:
            match event:
                case TextDelta():
                    text += event.text
                case Asked():
                    summary.provider, summary.model = event.provider, event.model
                case Usage():
                    calls.append(ModelCall(summary.provider, summary.model, event))
            if len(text) > 20 * job.tokens:
                break
    if not calls:
        calls.append(ModelCall(summary.provider, summary.model, estimated_usage(request, text)))
    summary.text = cut_to(job.tokens, text.strip())
    return summary, calls


def _note(summary: Summary, calls: Sequence[ModelCall]) -> None:
    summary.prompt_tokens = sum(call.usage.prompt_tokens for call in calls)
    summary.completion_tokens = sum(call.usage.completion_tokens for call in calls)
    summary.tokens_estimated = any(call.usage.estimated for call in calls)
    summary.cost = prices.cost(settings.ENV, calls)


def claim(conversation: int, history_tokens: int) -> Job | None:
    """Takes a conversation for this process; None where another has it, the person started over, or little fell out.

    And where a budget is used up.
    """
    email = Conversation.objects.filter(pk=conversation).values_list("email", flat=True).first()
    if email is None or spending.used_up(email):
        return None
    free = Q(summarising_since=None) | Q(summarising_since__lt=Now() - LEASE)
    if not Conversation.objects.filter(free, pk=conversation, archived_at=None).update(summarising_since=Now()):
        return None
    job = _job(conversation, history_tokens)
    if job is None:
        release(conversation)
    return job


def release(conversation: int) -> None:
    Conversation.objects.filter(pk=conversation).update(summarising_since=None)


def store(summary: Summary, calls: Sequence[ModelCall] = ()) -> None:
    """Keeps a summary unless one that reaches further is there; its calls were paid for either way.

    Nothing is kept where the conversation was deleted meanwhile.
    """
    _note(summary, calls)
    with transaction.atomic():
        if not storage.holds(summary.conversation_id):
            return
        spending.add_to(summary.conversation_id, summary.cost)
        further = Summary.objects.filter(conversation=summary.conversation_id, through__gte=summary.through)
        if not further.exists():
            summary.save()


def _job(conversation: int, budget: int) -> Job | None:
    """All that no summary holds but the newest half of a window, so that the next summary is half a window away.

    Of a long backlog, as after days without a provider, only the newest turns that fill a window are folded.
    """
    newest = Summary.objects.filter(conversation=conversation).first()
    after = newest.through if newest else 0
    turns = list(window.whole_turns(window.said(conversation, budget, _NO_END, after, windows=2)))
    fallen = turns[_count(turns, budget // 2, window.MAX_ROWS // 2) :]
    folded = fallen[: _count(fallen, budget - limit(budget), window.MAX_ROWS)]
    messages = [message for turn in reversed(folded) for message in turn]
    if sum(message.tokens for message in messages) < budget // 4 and len(messages) < window.MAX_ROWS // 4:
        return None
    said = tuple(message.message for message in messages if message.message.blocks)
    return Job(conversation, newest.text if newest else "", said, messages[-1].sequence, limit(budget))


def _count(turns: Sequence[Sequence[window.Said]], tokens: int, rows: int) -> int:
    """How many of the turns, from the first on, have no more than so many tokens and messages together."""
    for number, turn in enumerate(turns):
        tokens -= sum(message.tokens for message in turn)
        rows -= len(turn)
        if tokens < 0 or rows < 0:
            return number
    return len(turns)
