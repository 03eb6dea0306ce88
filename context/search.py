"""Reads of the context: a question becomes ranked chunks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from context.lexical import LexicalHit, best_by_words
from context.models import Chunk

MAX_CHUNKS = 6
_TRIES = 3

Mode = Literal["lexical", "hybrid", "dense"]


@dataclass(frozen=True)
class FoundChunk:
    """A chunk with where it came from; a higher ``score`` is a better match, among those of one question.

    ``coverage`` can be compared between questions: it says how much of the question's words the chunk has, each
    counted by its rarity, from 0 (it was found by its meaning alone) to 1.
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


def search(question: str, limit: int = MAX_CHUNKS, mode: Mode | None = None) -> list[FoundChunk]:
    """The chunks that fit the question, best first."""
    for _ in range(_TRIES):
        hits = best_by_words(question, limit)
        found = _found(hits)
        # A document that is replaced at this moment has other chunks by now.
        if len(found) == len(hits):
            break
    return found


def _found(hits: Sequence[LexicalHit]) -> list[FoundChunk]:
    """The hits with what is to be told of them, but those that went meanwhile."""
    columns = ("document", "document__title", "document__source", "text", "heading", "position")
    rows = {
        chunk: row
        for chunk, *row in Chunk.objects.filter(pk__in=[hit.chunk for hit in hits]).values_list("pk", *columns)
    }
    return [_found_chunk(hit, *rows[hit.chunk]) for hit in hits if hit.chunk in rows]


def _found_chunk(
    hit: LexicalHit, document: int, title: str, source: str, text: str, heading: str, position: int
) -> FoundChunk:
    return FoundChunk(hit.chunk, document, title, source, text, hit.score, heading, position, hit.coverage)
