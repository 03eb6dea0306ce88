"""How fast search and ingest are with many chunks, on text put together from the sentences of the collections."""

import random
import re
import statistics
import time
from collections.abc import Iterator

from .retrieval_collections import Collection

QUESTIONS = 100
DOCUMENT_SENTENCES = 200


def measure(chunks: int, collections: list[Collection]) -> None:
    """Prints the rate of the ingest, then the times of questions of 10 and of 60 words."""
    fill(chunks, collections)
    for words in (10, 60):
        times = sorted(search_times(made_up_questions(collections, words)))
        median, p95 = statistics.median(times), times[len(times) * 95 // 100]
        print(f"{words} words: median {median:.1f} ms, p95 {p95:.1f} ms", flush=True)


def fill(chunks: int, collections: list[Collection]) -> None:
    from context.ingest import ingest

    began, stored = time.monotonic(), 0
    for text in documents(collections):
        if stored >= chunks:
            break
        stored += ingest(text).document.chunks.count()
    print(f"{stored:,} chunks, {stored / (time.monotonic() - began):,.0f} a second", flush=True)


def documents(collections: list[Collection]) -> Iterator[str]:
    """Endless texts of about 20 chunks. Half of a paragraph's sentences come from one text, as a subject's words do."""
    chance = random.Random(1)
    pools = [[re.split(r"(?<=[.!?])\s+", text) for text in each.texts.values()] for each in collections]
    while True:
        pool = chance.choice(pools)
        yield "\n\n".join(_paragraph(pool, chance) for _ in range(DOCUMENT_SENTENCES // 10))


def _paragraph(pool: list[list[str]], chance: random.Random) -> str:
    subject = chance.choices(chance.choice(pool), k=5)
    others = [chance.choice(chance.choice(pool)) for _ in range(5)]
    return " ".join(chance.sample(subject + others, 10))


def made_up_questions(collections: list[Collection], words: int) -> Iterator[str]:
    """The words of real questions, put together until there are enough."""
    chance = random.Random(2)
    for _ in range(QUESTIONS):
        asked = list(chance.choice(collections).questions.values())
        question: list[str] = []
        while len(question) < words:
            question += chance.choice(asked).split()
        yield " ".join(question[:words])


def search_times(questions: Iterator[str]) -> Iterator[float]:
    """Milliseconds of each search, the first few left out for the connection and the caches."""
    from context.search import search

    for number, question in enumerate(questions):
        began = time.perf_counter()
        search(question)
        if number >= 5:
            yield (time.perf_counter() - began) * 1000
