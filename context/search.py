"""Reads of the context: a question becomes ranked chunks."""

from dataclasses import dataclass

from django.db import connection

MAX_CHUNKS = 6
_MAX_QUESTION_CHARS = 2000


@dataclass(frozen=True)
class FoundChunk:
    """A chunk with where it came from; a higher ``score`` is a better match."""

    chunk: int
    document: int
    title: str
    source: str
    text: str
    score: float


# A lexeme as a tsquery's operand is quoted in a way of its own, so quote_literal() would not do. English stop words
# are left out of the simple lexemes too, or every chunk would match "the". Simple matches count little beside English.
_LEXEMES = r"""
    SELECT string_agg('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''', ' | ')::tsquery
    FROM unnest(to_tsvector('{config}', %(question)s))
    WHERE numnode(plainto_tsquery('english', lexeme)) > 0
"""
_SEARCH = f"""
WITH question AS (
    SELECT ({_LEXEMES.format(config="english")}) AS english, ({_LEXEMES.format(config="simple")}) AS simple
)
SELECT chunk.id, document.id, document.title, document.source, chunk.text,
    coalesce(ts_rank(chunk.english, question.english, 1), 0)
        + coalesce(ts_rank(chunk.simple, question.simple, 1), 0) * 0.1 AS score
FROM question, context_chunk chunk JOIN context_document document ON document.id = chunk.document_id
WHERE document.status = 'ready' AND (chunk.english @@ question.english OR chunk.simple @@ question.simple)
ORDER BY score DESC, chunk.id
LIMIT %(limit)s
"""


def search(question: str, limit: int = MAX_CHUNKS) -> list[FoundChunk]:
    """The chunks that share words with the question, best first.

    A question is the OR of its words: nobody's question stands in a document word for word.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SEARCH, {"question": question[:_MAX_QUESTION_CHARS], "limit": limit})
        return [FoundChunk(*row) for row in cursor.fetchall()]
