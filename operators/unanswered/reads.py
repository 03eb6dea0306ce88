"""Which questions are open; two queries, however many there are."""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

MAX_QUESTIONS = 1000
"""Most that are put into groups at once, the newest."""
_MAX_CHARS = 1000


@dataclass(frozen=True)
class OpenQuestion:
    """A question with the answer (by its primary key) that may not have helped."""

    answer: int
    conversation: int
    email: str
    text: str
    answered: str
    gap: str
    is_flagged: bool
    coverage: float | None
    asked_at: datetime.datetime


# A question that was asked again word for word after its answer failed stands there as the later one, if at all.
_OPEN = """
FROM chat_message answer
WHERE (gap <> '' OR flagged_at IS NOT NULL) AND settled_at IS NULL AND created_at >= %(since)s
    AND NOT (gap = 'failed' AND flagged_at IS NULL AND EXISTS (
        SELECT FROM chat_message asked JOIN chat_message later ON later.conversation_id = asked.conversation_id
        WHERE asked.conversation_id = answer.conversation_id AND asked.sequence = answer.sequence - 1
            AND later.sequence > answer.sequence AND later.role = 'user' AND later.text = asked.text
    ))"""
_LONG_AGO = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def count(since: datetime.datetime = _LONG_AGO) -> int:
    """How many questions are open whose answers were given since then, at most 1,000: as many as the page has.

    A partial index holds just the open ones.
    """
    with connection.cursor() as cursor:
        counted = f"SELECT count(*) FROM (SELECT {_OPEN} LIMIT %(most)s) AS found"
        cursor.execute(counted, {"since": since, "most": MAX_QUESTIONS})
        return int(cursor.fetchone()[0])


_NEWEST = f"""
SELECT answer.id, answer.conversation_id, email, left(question.text, %(chars)s), left(answer.text, 300), answer.gap,
    answer.flagged_at IS NOT NULL, answer.coverage, question.created_at
FROM (SELECT * {_OPEN} ORDER BY created_at DESC LIMIT %(most)s) answer
JOIN chat_conversation ON chat_conversation.id = answer.conversation_id
JOIN LATERAL (
    SELECT text, created_at FROM chat_message
    WHERE conversation_id = answer.conversation_id AND sequence < answer.sequence AND role = 'user'
    ORDER BY sequence DESC LIMIT 1
) question ON true
WHERE %(answers)s::bigint[] IS NULL OR answer.id = ANY(%(answers)s)
ORDER BY answer.created_at DESC"""


def open_questions(answers: Sequence[int] | None = None) -> list[OpenQuestion]:
    """The newest first; only those of certain ``answers`` where these are given."""
    values: dict[str, Any] = {"since": _LONG_AGO, "chars": _MAX_CHARS, "most": MAX_QUESTIONS, "answers": answers}
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST, values)
        return [OpenQuestion(*row) for row in cursor.fetchall()]


_STEMS = """
SELECT word, (
    SELECT coalesce((tsvector_to_array(to_tsvector(oid, word)))[1], '') AS stem FROM pg_ts_config
    WHERE pg_ts_config_is_visible(oid)
        AND (cfgname = 'english' OR cfgname IN (SELECT language FROM context_languagecount))
    ORDER BY length(coalesce((tsvector_to_array(to_tsvector(oid, word)))[1], '')) LIMIT 1
)
FROM unnest(%s::text[]) word"""


def stems(words: Iterable[str]) -> dict[str, str]:
    """Each word's shortest stem in English and the documents' languages; empty for what one of them has everywhere."""
    with connection.cursor() as cursor:
        cursor.execute(_STEMS, [list(words)])
        return dict(cursor.fetchall())
