"""Reads of the context: a question becomes ranked chunks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from django.db.models import Sum

from ccagent.database import in_database
from context.embeddings import QuestionVector, aembed_question, embed_question, nearest
from context.lexical import best_by_words
from context.models import Chunk, LanguageCount

MAX_CHUNKS = 6
_TRIES = 3
_RANKED = 100
"""The best by words, and as many by meaning, that are put together."""
_MEANING = 0.35
"""The weight of the meaning. Measured: with a model that knows the language up to 0.6 is as good, else 0.3 is best."""

Mode = Literal["lexical", "hybrid", "dense"]


@dataclass(frozen=True)
class FoundChunk:
    """A chunk with where it came from; a higher ``score`` is a better match, among those of one question.

    Two numbers can be compared between questions. ``coverage`` says how much of the question's words the chunk has,
    each counted by its rarity, from 0 to 1; 0 also where it is not among the best by words. ``similarity`` of meaning
    is a cosine, and None where the chunk is not among the nearest or there are no embeddings.
    """

    chunk: int
    document: int
    title: str
    source: str
    text: str
    score: float
    heading: str
    position: int
    coverage: float
    similarity: float | None


@dataclass(frozen=True)
class _Hit:
    chunk: int
    score: float
    coverage: float
    similarity: float | None


def search(question: str, limit: int = MAX_CHUNKS, mode: Mode | None = None) -> list[FoundChunk]:
    """The chunks that fit the question, best first.

    Without a ``mode`` it goes by words and meaning where there are embeddings. Where these fail or are missing it goes
    by words alone, whatever the mode. It waits for the backend of the embeddings: in asynchronous code use `asearch`.
    """
    vector = None if mode == "lexical" else embed_question(question)
    return search_with(vector, question, limit, mode)


async def asearch(question: str, limit: int = MAX_CHUNKS, mode: Mode | None = None) -> list[FoundChunk]:
    """The same without a thread or a connection that waits for the backend of the embeddings."""
    vector = None if mode == "lexical" else await aembed_question(question)
    return await in_database(search_with, vector, question, limit, mode)


def search_with(
    vector: QuestionVector | None, question: str, limit: int = MAX_CHUNKS, mode: Mode | None = None
) -> list[FoundChunk]:
    """The same for a question whose vector is known already; without one it goes by words alone."""
    for _ in range(_TRIES):
        hits = _ranked(question, limit, mode, vector)
        found = _found(hits)
        # A document that is replaced at this moment has other chunks by now.
        if len(found) == len(hits):
            break
    return found


def is_empty() -> bool:
    """Whether there is nothing to find, for whatever question."""
    counted = LanguageCount.objects.aggregate(chunks=Sum("chunks"))
    return not counted["chunks"]


def _ranked(question: str, limit: int, mode: Mode | None, vector: QuestionVector | None) -> list[_Hit]:
    most = max(limit, _RANKED)
    by_meaning = dict(nearest(vector, most)) if vector else {}
    if not by_meaning:
        return [_Hit(hit.chunk, hit.score, hit.coverage, None) for hit in best_by_words(question, limit)]
    if mode == "dense":
        return [_Hit(chunk, similarity, 0.0, similarity) for chunk, similarity in by_meaning.items()][:limit]
    by_words = {hit.chunk: hit for hit in best_by_words(question, most)}
    words = _normalised({chunk: hit.score for chunk, hit in by_words.items()}, least=0.0)
    meaning = _normalised(by_meaning, least=min(by_meaning.values()))
    hits = [
        _Hit(
            chunk,
            _MEANING * meaning.get(chunk, 0.0) + (1 - _MEANING) * words.get(chunk, 0.0),
            by_words[chunk].coverage if chunk in by_words else 0.0,
            by_meaning.get(chunk),
        )
        for chunk in by_meaning.keys() | by_words.keys()
    ]
    return sorted(hits, key=lambda hit: (-hit.score, hit.chunk))[:limit]


def _normalised(scores: Mapping[int, float], least: float) -> dict[int, float]:
    """The scores spread from 0 for the least there may be to 1 for the best."""
    best = max(scores.values(), default=0.0)
    return {chunk: (score - least) / (best - least) if best > least else 1.0 for chunk, score in scores.items()}


def _found(hits: Sequence[_Hit]) -> list[FoundChunk]:
    """The hits with what is to be told of them, but those that went meanwhile."""
    columns = ("document", "document__title", "document__source", "text", "heading", "position")
    chunks = Chunk.objects.filter(pk__in=[hit.chunk for hit in hits]).values_list("pk", *columns)
    rows = {chunk: row for chunk, *row in chunks}
    return [_found_chunk(hit, *rows[hit.chunk]) for hit in hits if hit.chunk in rows]


def _found_chunk(
    hit: _Hit, document: int, title: str, source: str, text: str, heading: str, position: int
) -> FoundChunk:
    return FoundChunk(
        chunk=hit.chunk,
        document=document,
        title=title,
        source=source,
        text=text,
        score=hit.score,
        heading=heading,
        position=position,
        coverage=hit.coverage,
        similarity=hit.similarity,
    )
