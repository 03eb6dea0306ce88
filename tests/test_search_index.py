"""The index of the search is right after whatever happens to documents, and search counts by BM25."""

import math
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections, transaction

from context.ingest import reindex, store
from context.lexical import best_by_words
from context.models import Chunk, Document, LanguageCount, LexemeCount, Posting
from context.prepare import Prepared, PreparedChunk
from context.search import search

pytestmark = pytest.mark.django_db

TEXTS = (
    "The king of the jungle likes hats. A king is a king.",
    "Penguins breed in colonies on the coast; the king penguin is one of them.",
    "The invoice is due within thirty days. Kings pay it, penguins never do, and hats are no payment at all.",
)


def prepared(*chunks: str, language: str = "english") -> Prepared:
    passages = tuple(PreparedChunk(start=0, text=chunk, heading="") for chunk in chunks)
    return Prepared(title="", text="\n\n".join(chunks), language=language, chunks=passages)


def counted() -> tuple[Counter[str], Counter[str]]:
    """What the index's counters hold: chunks by lexeme, and chunks by language."""
    lexemes, languages = Counter[str](), Counter[str]()
    for row in LexemeCount.objects.all():
        lexemes[row.lexeme] += row.chunks
    for total in LanguageCount.objects.all():
        languages[total.language] += total.chunks
    return +lexemes, +languages


def recounted() -> tuple[Counter[str], Counter[str]]:
    """The same from the searchable chunks themselves."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT (unnest(lexemes)).lexeme FROM context_chunk WHERE searchable")
        lexemes = Counter(lexeme for (lexeme,) in cursor.fetchall())
    return lexemes, Counter(Chunk.objects.filter(searchable=True).values_list("language", flat=True))


def is_right() -> bool:
    lexemes, _ = recounted()
    return counted() == recounted() and Posting.objects.count() == lexemes.total()


@pytest.fixture
def documents() -> list[Document]:
    return [store(prepared(text, f"{text} More of it.")).document for text in TEXTS]


# Whatever changes.


def test_every_lexeme_is_counted_once_a_chunk(documents: list[Document]) -> None:
    assert is_right()
    assert counted()[0]["king"] == 2 * len(documents)


def test_a_deleted_document_is_gone_from_the_index(documents: list[Document]) -> None:
    documents[0].delete()
    assert is_right()
    assert counted()[0]["jungl"] == 0


def test_documents_deleted_together_leave_nothing(documents: list[Document]) -> None:
    Document.objects.filter(pk__in=[document.pk for document in documents]).delete()
    assert not Posting.objects.exists()
    assert not LexemeCount.objects.exists()


@pytest.mark.parametrize("change", [{"enabled": False}, {"status": Document.Status.FAILED}])
def test_a_document_out_of_search_is_not_counted(documents: list[Document], change: dict[str, object]) -> None:
    Document.objects.filter(pk=documents[0].pk).update(**change)
    assert is_right()
    assert search("jungle") == []


@pytest.mark.usefixtures("documents")
def test_a_document_enabled_again_is_found_again() -> None:
    before = counted()
    Document.objects.update(enabled=False)
    assert counted() == (Counter(), Counter())
    Document.objects.update(enabled=True)
    assert counted() == before
    assert len(search("jungle")) == 2


def test_a_disabled_document_may_be_deleted(documents: list[Document]) -> None:
    Document.objects.filter(pk=documents[0].pk).update(enabled=False)
    documents[0].delete()
    assert is_right()


def test_a_document_replaced_while_disabled_stays_out_of_search() -> None:
    document = store(prepared("Old zebras"), source="a").document
    Document.objects.update(enabled=False)
    assert store(prepared("New zebras"), source="a").document == document
    assert search("zebras") == []
    assert is_right()


def test_a_chunk_changed_by_hand_is_found_by_its_new_words(documents: list[Document]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE context_chunk SET lexemes = to_tsvector('english', 'zebras') WHERE position = 0")
    assert is_right()
    assert len(search("zebra")) == len(documents)


def test_reindexing_mends_lexemes_and_tells_how_far_it_is(documents: list[Document]) -> None:
    before, told = counted(), list[int]()
    Chunk.objects.update(lexemes="")
    assert search("jungle") == []
    reindex(told.append)
    assert counted() == before
    assert sum(told) == 2 * len(documents)


def test_a_transaction_that_is_rolled_back_leaves_the_index_as_it_was(documents: list[Document]) -> None:
    before = counted()
    with transaction.atomic():
        documents[0].delete()
        store(prepared("Zebras"))
        transaction.set_rollback(True)
    assert counted() == before


@pytest.mark.django_db(transaction=True)
def test_many_writers_at_once_count_right_and_never_wait_for_each_other_in_a_ring() -> None:
    together = threading.Barrier(8)

    def write(number: int) -> None:
        words = [f"word{place}" for place in range(30)]
        try:
            together.wait()
            for turn in range(4):
                with transaction.atomic():
                    # In different orders, several in a transaction: what waits for others' rows would deadlock.
                    for word in words[:: 1 if number % 2 else -1][:10]:
                        store(prepared(f"{word} common {number} {turn}"), source=f"{number} {word}")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(write, number) for number in range(8)]:
            done.result()
    assert is_right()
    assert counted()[0]["common"] == Chunk.objects.count() == 80


@pytest.mark.django_db(transaction=True)
def test_a_document_is_found_at_every_moment_of_its_replacement() -> None:
    store(prepared("Zebras sleep, version 0"), source="a")
    done, misses = threading.Event(), list[int]()

    def look() -> None:
        try:
            while not done.is_set():
                misses.append(len(search("zebras")) - 1)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        for version in range(1, 30):
            store(prepared(f"Zebras sleep, version {version}"), source="a")
        done.set()
        looking.result()
    assert set(misses) == {0}


# BM25.


def bm25(chunks: list[list[str]], question: list[str]) -> list[float]:
    """The scores by the textbook, with k1 1.2 and b 0.75."""
    average = sum(map(len, chunks)) / len(chunks)
    scores = []
    for chunk in chunks:
        score = 0.0
        for word in question:
            having = sum(word in other for other in chunks)
            idf = math.log(1 + (len(chunks) - having + 0.5) / (having + 0.5))
            frequency = chunk.count(word)
            score += idf * frequency * 2.2 / (frequency + 1.2 * (0.25 + 0.75 * len(chunk) / average))
        scores.append(score)
    return scores


WORDS = ["ant bee bee cat", "bee cat dog dog dog elk fox gnu", "cat dog", "ant ant ant elk owl", "fox"]


@pytest.mark.parametrize("question", ["ant", "ant bee", "cat dog elk", "fox fox gnu ant", "owl unknown cat"])
def test_the_scores_are_those_of_bm25(question: str) -> None:
    for words in WORDS:
        store(prepared(words, language="simple"))
    expected = bm25([words.split() for words in WORDS], question.split())
    found = {hit.text: hit.score for hit in search(question)}
    assert [found.get(words, 0.0) for words in WORDS] == pytest.approx(expected)


def test_the_scores_are_as_if_what_went_had_never_been() -> None:
    for words in WORDS:
        store(prepared(words, language="simple"))
    before = search("ant bee fox")
    store(prepared("ant bee", "fox fox ant", language="simple")).document.delete()
    assert search("ant bee fox") == before


def test_common_words_are_looked_up_for_the_best_by_rare_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    for words in WORDS:
        store(prepared(words, language="simple"))
    whole = best_by_words("owl cat elk dog ant", 9)
    monkeypatch.setattr("context.lexical._POSTINGS", 1)
    monkeypatch.setattr("context.lexical._ENOUGH_POSTINGS", 1)
    [hit] = best_by_words("owl cat elk dog ant", 9)
    assert hit.chunk == whole[0].chunk
    assert hit.score == pytest.approx(whole[0].score)
