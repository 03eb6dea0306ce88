"""`python -m bench.prompts`: how long a turn's prompt takes to build, and with how many queries, by the talk's depth.

It works in a database of its own: on an embedded Postgres that goes away afterwards, or on the server of DATABASE_URL.
"""

import json
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from .retrieval import own_database

DEPTHS = (10, 1_000, 10_000)
BUDGETS = (8_000, 32_000)
ROUNDS = 200
DOCUMENTS = 200

# Questions and answers of 25 to 500 characters, which a turn of the chat window typically has.
_MESSAGES = """
INSERT INTO chat_message (conversation_id, sequence, role, text, blocks, date)
SELECT %s, number, CASE number %% 2 WHEN 1 THEN 'user' ELSE 'assistant' END, said,
    CASE number %% 2 WHEN 1 THEN jsonb_build_array(jsonb_build_object('type', 'text', 'text', said)) END, now()
FROM generate_series(1, %s) number,
    LATERAL (SELECT number || repeat(' lions like hats and snails', 1 + (number * 7) %% 19) AS said) words"""


@dataclass(frozen=True)
class Figure:
    """``messages`` went into the prompt; times are in milliseconds, ``cpu`` is the mean of this process alone."""

    turns: int
    budget: int
    messages: int
    median: float
    p95: float
    cpu: float
    queries: int


def main() -> None:
    with own_database():
        figures = list(measure())
    if "--json" in sys.argv:
        print(json.dumps([asdict(figure) for figure in figures]))
        return
    print(
        f"{'turns deep':>12}{'budget':>10}{'messages':>10}{'median ms':>12}{'p95 ms':>10}{'CPU ms':>10}{'queries':>9}"
    )
    for figure in figures:
        print(
            f"{figure.turns:>12,}{figure.budget:>10,}{figure.messages:>10,}"
            f"{figure.median:>12.2f}{figure.p95:>10.2f}{figure.cpu:>10.2f}{figure.queries:>9}"
        )


def measure() -> Iterator[Figure]:
    from context.ingest import ingest

    for number in range(DOCUMENTS):
        ingest(f"Document {number}. George is the king of jungle {number}. He likes hats and eats snails. " * 5)
    for turns in DEPTHS:
        conversation = talk(turns)
        for budget in BUDGETS:
            yield figure(conversation, turns, budget)


def talk(turns: int) -> int:
    """A conversation so deep, with a summary and all the facts that there may be; its primary key."""
    from django.db import connection

    from chat import memory
    from chat.models import Conversation, Summary

    conversation = Conversation.objects.create(email=f"deep{turns}@bench.example", last_sequence=2 * turns)
    with connection.cursor() as cursor:
        cursor.execute(_MESSAGES, [conversation.pk, 2 * turns])
        cursor.execute("ANALYZE chat_message")
    Summary.objects.create(conversation=conversation, through=max(0, 2 * turns - 20), text="They talked. " * 300)
    for number in range(memory.MAX_FACTS):
        memory.remember(conversation.email, f"Fact {number} ".ljust(150, "x"))
    return conversation.pk


def figure(conversation: int, turns: int, budget: int) -> Figure:
    from django.conf import settings
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from chat.content import Text
    from chat.models import Conversation, Message
    from chat.preparation import prepare

    settings.DEBUG = False
    settings.ENV.history_tokens = budget
    question = Message(conversation=Conversation.objects.get(pk=conversation), sequence=2 * turns + 1)
    asked = [Text("Who is the king of the jungle, and what does he like?")]
    prepare(question, asked)
    with CaptureQueriesContext(connection) as captured:
        prepared = prepare(question, asked)
    times = []
    cpu = time.process_time()
    for _ in range(ROUNDS):
        began = time.perf_counter()
        prepare(question, asked)
        times.append((time.perf_counter() - began) * 1000)
    cpu = (time.process_time() - cpu) / ROUNDS * 1000
    p95 = statistics.quantiles(times, n=20)[-1]
    return Figure(turns, budget, len(prepared.request.messages), statistics.median(times), p95, cpu, len(captured))


if __name__ == "__main__":
    main()
