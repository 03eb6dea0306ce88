"""Search by words: BM25 over the index that triggers keep (migration 0003)."""

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from django.db import connection

from context.words import searchable

_MAX_QUESTION_CHARS = 2000
_MAX_LEXEMES = 128
_K1, _B = 1.2, 0.75

_POSTINGS = 20_000
"""Most postings read of a question's rarest lexemes, whose chunks alone become candidates; an eighth of the number of
chunks where that is more. Reading and adding up takes about 0.3 µs each."""
_ENOUGH_POSTINGS = 2_000
"""Below this many, the next lexeme's are read as well, however common it is."""
_CANDIDATES = 800
"""The best of these by the rarest lexemes; the other lexemes are looked up for them alone."""
_UNSEEN = 20
"""Chunks that are imagined beside those there are, when it comes to how much a chunk covers of a question."""


@dataclass(frozen=True)
class LexicalHit:
    """``score`` is BM25; ``coverage``, 0 to 1, is how much of the question's words the chunk has, by their rarity."""

    chunk: int
    score: float
    coverage: float


@dataclass(frozen=True)
class _Lexeme:
    """``covers`` is how rare its words in the question are, ``weight`` their idf times how often it has them."""

    text: str
    chunks: int
    weight: float
    covers: float


@dataclass(frozen=True)
class _Question:
    """The lexemes that stand in any chunk, the rarest first; ``covers`` is that of all words together."""

    lexemes: list[_Lexeme]
    covers: float
    chunks: int
    average_length: float


def best_by_words(question: str, limit: int) -> list[LexicalHit]:
    """The chunks that share words with the question, best first.

    A question is the OR of its words: nobody's question stands in a document word for word.
    """
    read = _read(question)
    if not read.lexemes:
        return []
    with connection.cursor() as cursor:
        # Several statements at once are one transaction, and one round trip.
        cursor.execute(_PLANNER + _BEST, _parameters(read, limit))
        while cursor.nextset():
            pass
        return [LexicalHit(chunk, score, min(covers / read.covers, 1.0)) for chunk, score, covers in cursor.fetchall()]


# The lexemes of every language that occurs, for a document is found by those of its own; a row without a lexeme where
# a language has none. "simple" has all words, and the agent's own language is English.
_LEXEMES = """
WITH totals AS (
    SELECT language, sum(chunks) AS chunks, sum(words) AS words FROM context_languagecount GROUP BY language
), lexemes AS (
    SELECT cfgname AS language, coalesce(lexeme, '') COLLATE "C" AS lexeme, coalesce(positions, '{}') AS positions,
        cfgname IN (SELECT language FROM totals WHERE chunks > 0) AS occurs
    FROM pg_ts_config LEFT JOIN unnest(to_tsvector(oid, %s)) ON true
    WHERE pg_ts_config_is_visible(oid)
        AND (cfgname IN ('english', 'simple') OR cfgname IN (SELECT language FROM totals WHERE chunks > 0))
)
SELECT language, occurs, lexeme, positions,
    (SELECT coalesce(sum(chunks), 0)::int FROM context_lexemecount count WHERE count.lexeme = lexemes.lexeme),
    (SELECT sum(chunks)::int FROM totals), (SELECT sum(words)::int8 FROM totals)
FROM lexemes
"""


def _read(question: str) -> _Question:
    with connection.cursor() as cursor:
        cursor.execute(_LEXEMES, [searchable(question[:_MAX_QUESTION_CHARS])])
        rows = cursor.fetchall()
    *_, chunks, words = rows[0]
    if not chunks:
        return _Question([], 0.0, 0, 0.0)
    counts = {lexeme: count for _, _, lexeme, _, count, *_ in rows}
    return _weighed(_words(rows), counts, chunks, words / chunks)


def _words(rows: list[tuple[Any, ...]]) -> Counter[frozenset[str]]:
    """The question's words, each as its lexemes in all languages, with how often the question has it."""
    kept: dict[str, set[int]] = defaultdict(set)
    lexemes: dict[int, set[str]] = defaultdict(set)
    for language, _, lexeme, positions, *_ in rows:
        kept[language].update(positions)
        for position in positions:
            lexemes[position].add(lexeme)
    everything = kept.pop("simple")
    occurring = [kept[language] for language in {row[0] for row in rows if row[1]} & kept.keys()]
    return Counter(frozenset(lexemes[position]) for position in _meant(everything, list(kept.values()), occurring))


def _meant(everything: set[int], kept: list[set[int]], occurring: list[set[int]]) -> set[int]:
    """The places of the question's words but for the stop words of its own language.

    That is taken to be the one with the most stop words in it, and they are left out for all languages: elsewhere
    "the" is a word like any other, and a rare one. A single one, like the German "hat", does not prove the language.
    """
    fewest = min(kept, key=len)
    dropped = everything - fewest
    if len(dropped) == 1 and any(dropped <= places for places in occurring):
        return everything
    return fewest


def _weighed(words: Counter[frozenset[str]], counts: dict[str, int], chunks: int, average_length: float) -> _Question:
    weights: dict[str, float] = defaultdict(float)
    covers: dict[str, float] = defaultdict(float)
    total = 0.0
    for word, times in words.items():
        # A word that stands nowhere weighs as much as one that stands once.
        found = min(max(sum(counts[lexeme] for lexeme in word), 1), chunks)
        idf = math.log(1 + (chunks - found + 0.5) / (found + 0.5))
        # How rare it would be among some more: where there are few chunks, what all are about is no common word.
        rarity = math.log(1 + (chunks + _UNSEEN - found + 0.5) / (found + 0.5))
        total += rarity
        for lexeme in word:
            weights[lexeme] += idf * times
            covers[lexeme] += rarity
    rarest = sorted((counts[lexeme], lexeme) for lexeme in weights if counts[lexeme] > 0)[:_MAX_LEXEMES]
    lexemes = [_Lexeme(lexeme, count, weights[lexeme], covers[lexeme]) for count, lexeme in rarest]
    return _Question(lexemes, total, chunks, average_length)


# The index alone answers, one lexeme after the other; the planner's other ways cost more on any size of table.
_PLANNER = """
SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off; SET LOCAL jit = off; SET LOCAL work_mem = '32MB';
"""
_SCORE = "weight * frequency / (frequency + %(flat)s::float8 + %(per_word)s::float8 * length)"
_BEST = f"""
WITH candidates AS MATERIALIZED (
    SELECT posting.chunk, sum({_SCORE}) AS score, sum(covers) AS covers
    FROM unnest(%(rare)s::text[], %(rare_weights)s::float8[], %(rare_covers)s::float8[]) rare (lexeme, weight, covers)
    CROSS JOIN LATERAL (
        SELECT chunk, frequency, length FROM context_posting WHERE lexeme = hashtextextended(rare.lexeme COLLATE "C", 0)
    ) posting
    GROUP BY posting.chunk ORDER BY score DESC, posting.chunk LIMIT %(candidates)s
), scores AS (
    SELECT chunk, score, covers FROM candidates
    UNION ALL
    SELECT chunk, {_SCORE}, common.covers
    FROM unnest(%(common)s::text[], %(common_weights)s::float8[], %(common_covers)s::float8[])
        common (lexeme, weight, covers)
    CROSS JOIN LATERAL (
        SELECT chunk, frequency, length FROM context_posting
        WHERE lexeme = hashtextextended(common.lexeme COLLATE "C", 0)
            AND chunk = ANY((SELECT array_agg(chunk) FROM candidates)::int4[])
    ) posting
)
SELECT chunk, sum(score) AS score, sum(covers) FROM scores GROUP BY chunk ORDER BY score DESC, chunk LIMIT %(limit)s
"""


def _parameters(question: _Question, limit: int) -> dict[str, Any]:
    rare = _rare(question)
    groups = {"rare": question.lexemes[:rare], "common": question.lexemes[rare:]}
    parameters: dict[str, Any] = {"limit": limit, "candidates": max(_CANDIDATES, limit)}
    parameters |= {"flat": _K1 * (1 - _B), "per_word": _K1 * _B / question.average_length}
    for name, lexemes in groups.items():
        parameters[name] = [lexeme.text for lexeme in lexemes]
        parameters[f"{name}_weights"] = [lexeme.weight * (_K1 + 1) for lexeme in lexemes]
        parameters[f"{name}_covers"] = [lexeme.covers for lexeme in lexemes]
    return parameters


def _rare(question: _Question) -> int:
    """How many of its lexemes are read whole."""
    most = max(_POSTINGS, question.chunks // 8)
    postings = 0
    for rank, lexeme in enumerate(question.lexemes):
        if postings + lexeme.chunks > most and postings >= _ENOUGH_POSTINGS:
            return rank
        postings += lexeme.chunks
    return len(question.lexemes)
