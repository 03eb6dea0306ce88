"""A question becomes a vector, or quickly none."""

import asyncio
from concurrent.futures import Future

from django.conf import settings

from ccagent.database import in_database
from ccagent.outage import Outage
from context.embeddings import indexes
from context.embeddings.backends import Vector, embedding
from context.embeddings.configuration import chosen, maker_of
from context.embeddings.errors import BrokenAnswer, EmbeddingError, NotConfigured
from context.embeddings.models import EmbeddingIndex
from context.embeddings.vectors import QuestionVector

QUESTION_SECONDS = 2.0
_PAUSE_SECONDS = 30.0
_MAX_CHARS = 2000
_outage = Outage("search goes by words alone", of="The embeddings backend")


def active() -> bool:
    """Whether embeddings are on, and all chunks of some time ago have theirs."""
    return _active_index() is not None


def embed_question(text: str) -> QuestionVector | None:
    """The question's vector, within two seconds; none where there are no vectors to compare it with or no answer.

    After a failure nobody asks for 30 seconds, or as long as the backend wants to be left alone.
    """
    asked = _ask(text)
    return _taken(*asked) if asked else None


async def aembed_question(text: str) -> QuestionVector | None:
    """The same for asynchronous code; holds neither a thread nor a database connection while it waits."""
    asked = await in_database(_ask, text)
    if asked is None:
        return None
    index, answer = asked
    await asyncio.wait([asyncio.wrap_future(answer)])
    return _taken(index, answer)


def _ask(text: str) -> tuple[EmbeddingIndex, Future[list[Vector]]] | None:
    text = text[:_MAX_CHARS]
    if _outage.lasts() or not text.strip() or not (index := _active_index()):
        return None
    try:
        # The one whose vectors the index holds: while another model's are being built, the settings name that.
        maker = maker_of(settings.ENV, indexes.choice_of(index))
    except NotConfigured as problem:
        _outage.begin(problem, _PAUSE_SECONDS)
        return None
    return index, embedding(maker, [text], "question", QUESTION_SECONDS)


def _active_index() -> EmbeddingIndex | None:
    try:
        return indexes.active() if chosen(settings.ENV) else None
    except NotConfigured:
        return None


def _taken(index: EmbeddingIndex, answer: Future[list[Vector]]) -> QuestionVector | None:
    """What came of it; waits for it."""
    try:
        [vector] = answer.result()
        if len(vector) != index.dimensions:
            raise BrokenAnswer(f"{len(vector)} numbers instead of {index.dimensions}")
    except EmbeddingError as problem:
        _outage.begin(problem, problem.retry_after or _PAUSE_SECONDS)
        return None
    return QuestionVector(index.pk, tuple(vector))
