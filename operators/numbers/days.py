"""The numbers of each day: counted once when it is over, and kept; those of today are counted when somebody looks.

Counting three months at once takes seconds with a million answers, and what was deleted could not be counted again.
"""

import datetime
import time
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from operators.models import Day

STEPS = 20
"""Of a wait's natural logarithm: each step is 5 % longer than the one before."""
_MOST_DOCUMENTS = 200
# Any number, the same for every process of this project.
_LOCK = 0xCC0DA7
_SETTLED_AFTER = datetime.timedelta(hours=1)
"""How long a day is over before it is counted for good: answers that began in it have ended."""

_COUNTED = f"""
WITH message AS MATERIALIZED (
    SELECT (created_at AT TIME ZONE %(zone)s)::date AS day, id, role, conversation_id, prompt_tokens,
        completion_tokens, cost, first_token_ms, model, passages,
        CASE WHEN error_kind <> '' THEN error_kind WHEN status IN ('failed', 'interrupted') THEN 'unknown' END AS error
    FROM chat_message
    WHERE created_at >= %(first)s::date::timestamp AT TIME ZONE %(zone)s
        AND created_at < (%(last)s::date + 1)::timestamp AT TIME ZONE %(zone)s
), summary AS MATERIALIZED (
    SELECT (created_at AT TIME ZONE %(zone)s)::date AS day, model, prompt_tokens, completion_tokens, cost
    FROM chat_summary
    WHERE created_at >= %(first)s::date::timestamp AT TIME ZONE %(zone)s
        AND created_at < (%(last)s::date + 1)::timestamp AT TIME ZONE %(zone)s
), said AS (
    SELECT day, count(*) FILTER (WHERE role = 'user') AS questions,
        count(*) FILTER (WHERE role = 'assistant') AS answers,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY first_token_ms) AS median_ms,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY first_token_ms) AS p95_ms
    FROM message GROUP BY day
), bought AS (
    SELECT day, sum(prompt_tokens) AS prompt_tokens, sum(completion_tokens) AS completion_tokens, sum(cost) AS cost
    FROM (
        SELECT day, prompt_tokens, completion_tokens, cost FROM message
        UNION ALL SELECT day, prompt_tokens, completion_tokens, cost FROM summary
    ) call GROUP BY day
), asking AS (
    SELECT day, count(DISTINCT email) AS people
    FROM message JOIN chat_conversation ON chat_conversation.id = conversation_id
    WHERE role = 'user' AND email <> '' GROUP BY day
), waiting AS (
    SELECT day, jsonb_object_agg(step, count) AS waits FROM (
        SELECT day, round({STEPS} * ln(greatest(first_token_ms, 1)))::int AS step, count(*)
        FROM message WHERE first_token_ms IS NOT NULL GROUP BY 1, 2
    ) step GROUP BY day
), failing AS (
    SELECT day, jsonb_object_agg(error, count) AS errors FROM (
        SELECT day, error, count(*) FROM message WHERE error IS NOT NULL GROUP BY 1, 2
    ) kind GROUP BY day
), priceless AS (
    SELECT day, jsonb_object_agg(model, count) AS unpriced FROM (
        SELECT day, model, count(*) FROM (
            SELECT day, model FROM message WHERE cost IS NULL AND prompt_tokens IS NOT NULL
            UNION ALL SELECT day, model FROM summary WHERE cost IS NULL
        ) call GROUP BY 1, 2
    ) model GROUP BY day
), given AS (
    SELECT day, jsonb_object_agg(document, count) AS documents FROM (
        SELECT day, document, count(*), row_number() OVER (PARTITION BY day ORDER BY count(*) DESC, document) AS place
        FROM (
            SELECT DISTINCT day, id, passage ->> 'document' AS document
            FROM message, jsonb_array_elements(passages) AS passage WHERE role = 'assistant'
        ) use WHERE document IS NOT NULL GROUP BY 1, 2
    ) document WHERE place <= {_MOST_DOCUMENTS} GROUP BY day
)
SELECT each::date AS day, coalesce(questions, 0) AS questions, coalesce(answers, 0) AS answers,
    coalesce(people, 0) AS people, coalesce(prompt_tokens, 0) AS prompt_tokens,
    coalesce(completion_tokens, 0) AS completion_tokens, coalesce(cost, 0) AS cost, median_ms, p95_ms,
    coalesce(waits, '{{}}') AS waits, coalesce(errors, '{{}}') AS errors, coalesce(documents, '{{}}') AS documents,
    coalesce(unpriced, '{{}}') AS unpriced
FROM generate_series(%(first)s::date, %(last)s::date, interval '1 day') AS each
LEFT JOIN said ON said.day = each LEFT JOIN bought ON bought.day = each LEFT JOIN asking ON asking.day = each
LEFT JOIN waiting ON waiting.day = each LEFT JOIN failing ON failing.day = each
LEFT JOIN priceless ON priceless.day = each LEFT JOIN given ON given.day = each"""
_COLUMNS = (
    "day, questions, answers, people, prompt_tokens, completion_tokens, cost, median_ms, p95_ms, waits, errors, "
    "documents, unpriced"
)
_KEEP = f"""
INSERT INTO operators_day (zone, {_COLUMNS})
SELECT %(zone)s, {_COLUMNS} FROM ({_COUNTED}) AS counted ON CONFLICT (zone, day) DO NOTHING"""
_MISSING = """
SELECT each::date FROM generate_series(
    greatest(
        %(first)s, coalesce((SELECT min(created_at) AT TIME ZONE %(zone)s FROM chat_message)::date, %(last)s + 1)
    )::timestamp, %(last)s::timestamp, interval '1 day'
) AS each
WHERE NOT EXISTS (SELECT FROM operators_day WHERE zone = %(zone)s AND day = each::date) AND EXISTS (
    SELECT FROM chat_message
    WHERE created_at >= each AT TIME ZONE %(zone)s AND created_at < (each + interval '1 day') AT TIME ZONE %(zone)s
)
ORDER BY 1 DESC"""
_READ = f"""
SELECT id, {_COLUMNS} FROM operators_day WHERE zone = %(zone)s AND day >= %(begin)s AND day < %(first)s
UNION ALL SELECT null, {_COLUMNS} FROM ({_COUNTED}) AS counted
ORDER BY day"""


def last(days: int) -> list[Day]:
    """The numbers of so many days, the oldest first and today last, those without any left out."""
    today = timezone.localdate()
    begin = today - datetime.timedelta(days=days - 1)
    values = _values(max(begin, _first_unsettled()), today) | {"begin": begin}
    return list(Day.objects.raw(_READ, values))


def keep(since: datetime.date = datetime.date.min, seconds: float = float("inf")) -> int:
    """Counts the days since then that are over and not counted yet, the newest first, for so many seconds.

    Returns how many are left, which may be because another process is at it.
    """
    end = time.monotonic() + seconds
    missing = _missing(since)
    for number, day in enumerate(missing):
        if time.monotonic() > end or not _kept(day):
            return len(missing) - number
    return 0


def _kept(day: datetime.date) -> bool:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            return False
        cursor.execute(_KEEP, _values(day, day))
    return True


def _missing(since: datetime.date) -> list[datetime.date]:
    with connection.cursor() as cursor:
        cursor.execute(_MISSING, _values(since, _first_unsettled() - datetime.timedelta(days=1)))
        return [day for (day,) in cursor.fetchall()]


def _first_unsettled() -> datetime.date:
    return timezone.localdate(timezone.now() - _SETTLED_AFTER)


def _values(first: datetime.date, last: datetime.date) -> dict[str, Any]:
    return {"zone": timezone.get_current_timezone_name(), "first": first, "last": last}
