"""context/ingest.py: a text becomes a document and its chunks."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from context.chunks import cut
from context.ingest import ingest
from context.models import Chunk, Document
from context.search import search

JUNGLE = "George is the king of the jungle. He likes hats and eats snails."
LONG = "\n\n".join(f"Paragraph {number}. " + "It says a little about this and that. " * 8 for number in range(40))


# Documents.


@pytest.mark.django_db
def test_a_text_is_stored_with_its_chunks_in_order() -> None:
    document = ingest(LONG).document
    assert [chunk.position for chunk in document.chunks.all()] == list(range(len(cut(LONG.strip()))))


@pytest.mark.django_db
def test_the_first_line_is_the_title_unless_one_is_given() -> None:
    assert ingest(f"  \n# Jungle \n\n{JUNGLE}").document.title == "# Jungle"
    assert ingest(JUNGLE, title=" About George ").document.title == "About George"


@pytest.mark.django_db
def test_a_long_first_line_is_shortened_for_the_title() -> None:
    title = ingest("word " * 1000).document.title
    assert len(title) <= 80
    assert title.endswith("word…")


@pytest.mark.django_db
def test_the_same_text_again_is_the_same_document() -> None:
    first, again = ingest(JUNGLE).document, ingest(f"\n{JUNGLE}  ", title="Another title").document
    assert first.pk == again.pk
    assert (Document.objects.count(), Chunk.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_the_same_text_many_times_at_once_is_one_document() -> None:
    together = threading.Barrier(6)

    def ingest_together() -> int:
        try:
            together.wait()
            return ingest(LONG).document.pk
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        keys = {future.result() for future in [pool.submit(ingest_together) for _ in range(6)]}
    assert len(keys) == 1
    assert Chunk.objects.count() == len(cut(LONG.strip()))


@pytest.mark.django_db
def test_what_postgres_cannot_hold_is_replaced() -> None:
    document = ingest("George\0 is king\ud800.", title="A\0 title").document
    document.refresh_from_db()
    assert (document.text, document.title) == ("George\ufffd is king\ufffd.", "A\ufffd title")


@pytest.mark.django_db
def test_the_end_of_a_long_text_is_found() -> None:
    text = "\n\n".join(f"Line {number} is about nothing at all." for number in range(20_000))
    ingest(f"{text}\n\nZebras sleep standing up.")
    assert "Zebras sleep" in search("How do zebras sleep?")[0].text


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["x" * 1_000_000, "ä" * 500_000, "🐌" * 300_000, "a b" * 200_000, "-" * 500_000])
def test_a_text_that_is_no_prose_is_stored(text: str) -> None:
    assert ingest(text).document.chunks.count() > 100


@pytest.mark.django_db
def test_a_word_longer_than_an_index_takes_spoils_nothing() -> None:
    document = ingest(f"{'x' * 1390}\n\n{JUNGLE}").document
    assert search("king of the jungle")[0].document == document.pk
