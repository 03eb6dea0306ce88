"""Reads of the context: a question becomes ranked chunks."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection, transaction

from context.words import searchable

MAX_CHUNKS = 6
_MAX_QUESTION_CHARS = 2000
_K1, _B = 1.2, 0.75


@dataclass(frozen=True)
class FoundChunk:
    """A chunk with where it came from; a higher ``score`` is a better match."""

    chunk: int
    document: int
    title: str
    source: str
    text: str
    score: float
    heading: str = ""
    position: int = 0
    coverage: float = 0.0


_QUESTION = """
WITH totals AS (SELECT language, sum(chunks) AS chunks, sum(words) AS words FROM context_languagecount GROUP BY language),
words AS (
    SELECT cfgname AS language, word.lexeme COLLATE "C" AS lexeme, word.positions
    FROM pg_ts_config, unnest(to_tsvector(oid, %(question)s)) word
    WHERE (cfgname IN ('english', 'simple') OR cfgname IN (SELECT language FROM totals WHERE chunks > 0))
        AND pg_ts_config_is_visible(oid)
)
SELECT words.language, words.lexeme, words.positions,
    coalesce((SELECT sum(count.chunks) FROM context_lexemecount count WHERE count.lexeme = words.lexeme), 0)::int,
    (SELECT sum(chunks) FROM totals)::int, (SELECT sum(words) FROM totals)::bigint
FROM words
"""
_FOUND = """
WITH matches AS (
    SELECT posting.chunk, sum(question.weight * posting.frequency * (%(k1)s + 1)
        / (posting.frequency + %(k1)s * (1 - %(b)s + %(b)s * posting.length / %(average)s))) AS score, array_agg(question.lexeme) AS lexemes
    FROM unnest(%(lexemes)s::text[], %(weights)s::float8[]) AS question(lexeme, weight)
    CROSS JOIN LATERAL (
        SELECT chunk, frequency, length FROM context_posting WHERE lexeme = question.lexeme COLLATE "C"
    ) posting
    GROUP BY posting.chunk ORDER BY score DESC, posting.chunk LIMIT %(limit)s
)
SELECT chunk.id, document.id, document.title, document.source, chunk.text, matches.score, chunk.heading, chunk.position, matches.lexemes
FROM matches JOIN context_chunk chunk ON chunk.id = matches.chunk JOIN context_document document ON document.id = chunk.document_id
ORDER BY matches.score DESC, chunk.id
"""


@dataclass(frozen=True)
class Question:
    weights: dict[str, float]
    words: dict[int, float]
    positions: Mapping[str, set[int]]
    average: float


def read_question(text: str) -> Question | None:
    with connection.cursor() as cursor:
        cursor.execute(_QUESTION, {"question": searchable(text[:_MAX_QUESTION_CHARS])})
        rows = cursor.fetchall()
    if not rows or not rows[0][4]:
        return None
    total, words = rows[0][4:]
    kept: defaultdict[str, set[int]] = defaultdict(set)
    places: defaultdict[str, set[int]] = defaultdict(set)
    df: dict[str, int] = {}
    for language, lexeme, positions, chunks, *_ in rows:
        kept[language] |= set(positions)
        places[lexeme] |= set(positions)
        df[lexeme] = chunks
    meaning = min(kept.values(), key=len)
    counts: defaultdict[int, int] = defaultdict(int)
    for lexeme, positions in places.items():
        for position in positions & meaning:
            counts[position] += df[lexeme]
    idf = {
        position: math.log(1 + (total - min(n, total) + 0.5) / (min(n, total) + 0.5)) for position, n in counts.items()
    }
    weights = {
        lexeme: sum(idf[p] for p in positions & meaning)
        for lexeme, positions in places.items()
        if df[lexeme] and positions & meaning
    }
    return Question(weights, idf, places, words / total)


def search(question: str, limit: int = MAX_CHUNKS) -> list[FoundChunk]:
    """The chunks that share words with the question, best first.

    A question is the OR of its words: nobody's question stands in a document word for word.
    """
    q = read_question(question)
    if not q or not q.weights:
        return []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL enable_seqscan=off; SET LOCAL enable_bitmapscan=off; SET LOCAL jit=off; SET LOCAL work_mem='32MB'"
        )
        cursor.execute(
            _FOUND,
            {
                "lexemes": list(q.weights),
                "weights": list(q.weights.values()),
                "k1": _K1,
                "b": _B,
                "average": q.average,
                "limit": limit,
            },
        )
        return [FoundChunk(*row[:8]) for row in cursor.fetchall()]
