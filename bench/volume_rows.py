"""Many conversations, written by SQL: people, questions and answers as a busy year leaves them."""

import random
from itertools import accumulate

PEOPLE_OF_100 = 70
"""So many people have 100 conversations; the others are their archived ones."""
MESSAGES = 20
"""In a conversation on average: most have ten, every tenth 110."""
BATCH = 10_000
SENTENCES = 20_000
# Each word of these is as rare as its place says, with many made-up ones after them.
_COMMON = (
    "the and you to your a is of die und der in for can das order invoice please delivery with account question "
    "Rechnung Lieferung refund answer Konto password address help payment Adresse shipping Bestellung return cancel"
)

_CONVERSATIONS = """
INSERT INTO chat_conversation (id, email, created_at, last_activity_at, last_sequence, archived_at)
SELECT number, 'person' || number %% %(people)s || '@bench.example', began, began + interval '1 hour',
    CASE WHEN number %% 10 = 0 THEN 110 ELSE 10 END, CASE WHEN number < %(last)s - %(people)s THEN began END
FROM generate_series(%(first)s::int, %(end)s::int - 1) number,
    LATERAL (SELECT now() - interval '1 year' * (1 - number::float / %(last)s) AS began) dates"""

_MESSAGES = """
INSERT INTO chat_message (conversation_id, sequence, role, status, text, blocks, date, created_at, prompt_id, provider,
    model, finish_reason, prompt_tokens, completion_tokens, cost, first_token_ms, total_ms, passages, error, flagged_at)
SELECT id, sequence, CASE WHEN asks THEN 'user' ELSE 'assistant' END, CASE WHEN fails THEN 'failed' ELSE 'complete' END,
    CASE WHEN fails THEN '' ELSE said END,
    CASE WHEN asks THEN jsonb_build_array(jsonb_build_object('type', 'text', 'text', said)) END, at, at,
    CASE WHEN NOT asks THEN %(prompt)s END, CASE WHEN asks THEN '' ELSE 'bench' END,
    CASE WHEN asks THEN '' WHEN dice < 90 THEN 'large' WHEN dice < 999 THEN 'small' ELSE 'rare' END,
    CASE WHEN asks THEN '' ELSE 'stop' END,
    CASE WHEN NOT asks THEN 900 END, CASE WHEN NOT asks THEN 120 END, CASE WHEN NOT asks THEN .0012 END,
    CASE WHEN NOT asks THEN 400 + dice END, CASE WHEN NOT asks THEN 3000 + dice END,
    CASE WHEN asks THEN '[]' ELSE jsonb_build_array(jsonb_build_object('document', 1 + dice, 'title', 'Handbook',
        'source', 'https://example.com/', 'heading', 'Guide', 'score', .8, 'chunks', jsonb_build_array(dice))) END,
    CASE WHEN fails THEN 'The provider said no.' ELSE '' END, CASE WHEN NOT asks AND dice = 7 THEN at END
FROM (
    SELECT id, sequence, dice, said, sequence %% 2 = 1 AS asks, sequence %% 2 = 0 AND dice < 20 AS fails,
        created_at + sequence * interval '20 seconds' AS at
    FROM chat_conversation, generate_series(1, last_sequence) sequence,
        LATERAL (SELECT abs(hashint8(id * 1000 + sequence)) AS hash) hashed,
        LATERAL (SELECT hash %% 1000 AS dice) dices,
        LATERAL (SELECT string_agg(text, ' ') AS said FROM bench_sentence
            WHERE number IN (hash %% %(sentences)s, hash / 7 %% %(sentences)s, hash / 49 %% %(sentences)s)) texts
    WHERE id >= %(first)s AND id < %(end)s
) message ORDER BY id, sequence"""

_TOOL_CALLS = """
INSERT INTO chat_toolcall (message_id, position, step, call_id, name, arguments, result, failed, duration_ms)
SELECT id, 0, 1, 'call', 'search_context', '{"question": "delivery"}', 'Nothing.', false, 12
FROM chat_message WHERE role = 'assistant' AND id % 20 = 0"""

_INDEX = "message_words"


def fill(conversations: int) -> None:
    """Fills an empty database; the index of words is made at the end, as it is faster so."""
    from django.db import connection

    from chat.models import MessageWords
    from chat.prompts import newest_version

    index = next(index for index in MessageWords._meta.indexes if index.name == _INDEX)
    values = {
        "prompt": newest_version().pk,
        "people": conversations * PEOPLE_OF_100 // 100,
        "last": conversations,
        "sentences": SENTENCES,
    }
    with connection.schema_editor() as schema:
        schema.remove_index(MessageWords, index)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_sentence (number int PRIMARY KEY, text text)")
        cursor.execute(
            "INSERT INTO bench_sentence SELECT ordinality - 1, text FROM unnest(%s::text[]) WITH ORDINALITY text",
            [sentences()],
        )
        for first in range(0, conversations, BATCH):
            batch = {**values, "first": first, "end": min(first + BATCH, conversations)}
            cursor.execute(_CONVERSATIONS, batch)
            cursor.execute(_MESSAGES, batch)
            print(f"{batch['end']:,} conversations", flush=True)
        cursor.execute(_TOOL_CALLS)
    with connection.schema_editor() as schema:
        schema.add_index(MessageWords, index)
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval('chat_conversation_id_seq', %s)", [conversations])
        cursor.execute("VACUUM ANALYZE")


def sentences() -> list[str]:
    """Made of words of which each is about as frequent as one over its place, as in a language."""
    chance = random.Random(1)
    made_up = [
        "".join(chance.choices("bdfgklmnprst", k=3)) + chance.choice("aeiou") * 2 + str(n) for n in range(30_000)
    ]
    words = _COMMON.split() + made_up
    weights = list(accumulate(1 / place for place in range(1, len(words) + 1)))
    return [" ".join(chance.choices(words, cum_weights=weights, k=14)) + "." for _ in range(SENTENCES)]
