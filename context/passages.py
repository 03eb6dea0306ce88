"""The passages for a question: what search finds, made fit for a prompt."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ccagent.text import estimated_tokens
from context.embeddings import QuestionVector
from context.search import FoundChunk, search_with

MAX_PASSAGES = 6
MAX_TOKENS = 2000
_LOOKED_AT = 4
"""Chunks that are looked at for each passage: neighbours become one passage, and twins are dropped."""
_MIN_COVERAGE = 0.15
"""Measured on four collections: 19 of 20 right passages have more, but for very long questions, and half of the best
passages for questions about something else have less."""
_MIN_SIMILARITY = 0.3
_MOST_NEAR = 3
"""So many of the nearest in meaning need no word in common. What a cosine of 0.3 means differs between models: with
some no two texts are further apart.
"""
_SHORT_QUESTION = 6
"""In words: one as short as "and in winter?" is searched for together with the question before it as well."""
_ALIKE = 0.8
"""Share of the words of two texts that both have, from which on they say the same."""


@dataclass(frozen=True)
class FoundPassage:
    """Neighbouring chunks of a document as one text, or a single one."""

    document: int
    title: str
    source: str
    heading: str
    text: str
    score: float
    chunks: tuple[int, ...]
    first: int
    last: int
    coverage: float
    similarity: float | None


def passages(
    question: str, before: str = "", vector: QuestionVector | None = None, limit: int = MAX_PASSAGES
) -> list[FoundPassage]:
    """The passages that fit a question best, the best first: at most ``limit``, and about 2,000 tokens in all.

    More than 6 may have more tokens, in proportion. ``before`` is the question before this one in the conversation,
    which a short one may go on from; ``vector`` is the meaning of both, where there are embeddings.
    """
    kept: list[FoundPassage] = []
    tokens = 0
    for chunk in _fitting(question, before, vector, _LOOKED_AT * max(limit, MAX_PASSAGES)):
        tokens += estimated_tokens(chunk.text)
        if tokens > MAX_TOKENS * max(limit, MAX_PASSAGES) // MAX_PASSAGES and kept:
            break
        kept = _with(kept, chunk)
        if len(kept) > limit:
            return kept[:limit]
    return kept


def goes_on(question: str) -> bool:
    """Whether a question is so short that it may mean something only together with the one before it."""
    return len(question.split()) <= _SHORT_QUESTION


def _fitting(question: str, before: str, vector: QuestionVector | None, looked_at: int) -> Iterator[FoundChunk]:
    """Chunks above the floor of relevance, best first, none that says the same as one before it."""
    said: list[set[str]] = []
    found = _found(question, before, vector, looked_at)
    near = sorted((chunk.similarity for chunk in found if chunk.similarity is not None), reverse=True)[:_MOST_NEAR]
    least = max(near[-1], _MIN_SIMILARITY) if near else math.inf
    for chunk in found:
        words = set(re.findall(r"\w+", chunk.text.lower()))
        fits = chunk.coverage >= _MIN_COVERAGE or (chunk.similarity or 0) >= least
        if fits and not any(_alike(words, others) for others in said):
            said.append(words)
            yield chunk


def _found(question: str, before: str, vector: QuestionVector | None, looked_at: int) -> list[FoundChunk]:
    alone = search_with(vector, question, looked_at)
    if not before or not goes_on(question):
        return alone
    # By turns, because nobody knows yet whether it goes on from the one before or asks something new.
    # The new words count twice: they say what is different now.
    together = search_with(vector, f"{question}\n{question}\n{before}", looked_at)
    turns = [chunk for pair in zip(together, alone, strict=False) for chunk in pair]
    shorter = min(len(together), len(alone))
    ranked = [*turns, *together[shorter:], *alone[shorter:]]
    return list({chunk.chunk: chunk for chunk in reversed(ranked)}.values())[::-1]


def _alike(words: set[str], others: set[str]) -> bool:
    return len(words & others) >= _ALIKE * len(words | others)


def _with(kept: Sequence[FoundPassage], chunk: FoundChunk) -> list[FoundPassage]:
    """The passages with one more chunk, which becomes part of those that it stands next to."""
    whole = FoundPassage(
        document=chunk.document,
        title=chunk.title,
        source=chunk.source,
        heading=chunk.heading,
        text=chunk.text,
        score=chunk.score,
        chunks=(chunk.chunk,),
        first=chunk.position,
        last=chunk.position,
        coverage=chunk.coverage,
        similarity=chunk.similarity,
    )
    joined: list[FoundPassage] = []
    place = len(kept)
    for passage in kept:
        if passage.document == whole.document and passage.first <= whole.last + 1 and whole.first <= passage.last + 1:
            place = min(place, len(joined))
            whole = _joined(passage, whole)
        else:
            joined.append(passage)
    return [*joined[:place], whole, *joined[place:]]


def _joined(one: FoundPassage, other: FoundPassage) -> FoundPassage:
    front, back = (one, other) if one.first < other.first else (other, one)
    return replace(
        front,
        text=front.text + _without_overlap(front.text, back.text),
        score=max(one.score, other.score),
        chunks=front.chunks + back.chunks,
        last=back.last,
        coverage=max(one.coverage, other.coverage),
        similarity=max((each for each in (one.similarity, other.similarity) if each is not None), default=None),
    )


def _without_overlap(front: str, back: str) -> str:
    """What the second text has beyond the end of the first."""
    for length in range(min(len(front), len(back)), 0, -1):
        if front.endswith(back[:length]):
            return back[length:]
    return f"\n\n{back}"
