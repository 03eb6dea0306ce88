"""context/embeddings/questions.py and vectors.nearest: a question finds what is near in meaning, or quickly nothing."""

import asyncio
import time
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from context import embeddings
from context.embeddings import questions, vectors
from context.embeddings.models import EmbeddingIndex
from context.ingest import ingest
from context.models import Chunk, Document
from context.search import search
from tests import fake_provider as fake
from tests.embeddings import environment, fill, turn_on
from tests.fake_provider import FakeProvider, Reply

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pgvector")]


@pytest.fixture(autouse=True)
def documents(settings: Settings, provider: FakeProvider) -> None:
    questions._outage.end()
    turn_on(settings, provider)
    for text in ("The king wears a red hat.", "Snails eat salad.", "A hat is red."):
        ingest(text)
    fill()
    provider.embedding_requests.clear()


def found(question: str, limit: int = 10) -> list[str]:
    """The texts of the chunks, the nearest first."""
    vector = embeddings.embed_question(question)
    hits = embeddings.nearest(vector, limit) if vector else []
    return [Chunk.objects.get(pk=chunk).text for chunk, _ in hits]


# What is found.


def test_the_nearest_comes_first() -> None:
    assert found("is a hat red")[:2] == ["A hat is red.", "The king wears a red hat."]


def test_a_hit_has_its_cosine_similarity() -> None:
    vector = embeddings.embed_question("snails eat salad")
    assert vector
    [(chunk, similarity)] = embeddings.nearest(vector, 1)
    assert Chunk.objects.get(pk=chunk).text == "Snails eat salad."
    assert similarity == pytest.approx(1, abs=0.001)


def test_no_more_than_asked_for_is_found() -> None:
    assert len(found("hat", limit=2)) == 2


def test_a_question_is_one_call_with_one_text(provider: FakeProvider) -> None:
    embeddings.embed_question("What do snails eat?")
    [request] = provider.embedding_requests
    assert request.json["input"] == ["What do snails eat?"]


def test_only_the_beginning_of_a_long_question_is_sent(provider: FakeProvider) -> None:
    embeddings.embed_question("x" * 100_000)
    assert len(provider.embedding_requests[0].json["input"][0]) == 2000


def test_a_document_that_failed_is_not_found() -> None:
    Document.objects.filter(text="Snails eat salad.").update(status=Document.Status.FAILED)
    assert "Snails eat salad." not in found("snails eat salad")


def test_a_document_that_was_disabled_is_not_found_until_it_is_enabled() -> None:
    document = Document.objects.get(text="Snails eat salad.")
    for enabled in (False, True):
        document.enabled = enabled
        document.save()
        assert ("Snails eat salad." in found("snails eat salad")) is enabled


def test_a_document_that_was_deleted_is_not_found() -> None:
    Document.objects.get(text="Snails eat salad.").delete()
    assert "Snails eat salad." not in found("snails eat salad")


def test_a_deleted_chunk_takes_its_vector_along() -> None:
    Document.objects.get(text="Snails eat salad.").delete()
    index = EmbeddingIndex.objects.get()
    assert vectors.progress(index) == vectors.Progress(made=2, put_off=0, chunks=2)


async def ask_async() -> Any:
    return await embeddings.aembed_question("snails")


def test_async_code_gets_the_same_vector(monkeypatch: pytest.MonkeyPatch) -> None:
    async def here(function: Any, *args: Any) -> Any:
        return await asyncio.to_thread(function, *args)

    index = questions._active_index()
    monkeypatch.setattr(questions, "_active_index", lambda: index)
    monkeypatch.setattr(questions, "in_database", here)
    assert asyncio.run(ask_async()) == embeddings.embed_question("snails")


# What is not there.


@pytest.mark.parametrize("question", ["", " \n"])
def test_a_question_without_words_is_not_asked(question: str, provider: FakeProvider) -> None:
    assert embeddings.embed_question(question) is None
    assert provider.embedding_requests == []


def test_nothing_is_asked_when_embeddings_are_off(settings: Settings, provider: FakeProvider) -> None:
    settings.ENV = environment(embeddings="off")
    assert embeddings.embed_question("snails") is None
    assert not embeddings.active()
    assert provider.embedding_requests == []


def test_nothing_is_asked_before_there_are_vectors(provider: FakeProvider) -> None:
    EmbeddingIndex.objects.update(state=EmbeddingIndex.State.BUILDING)
    assert not embeddings.active()
    assert embeddings.embed_question("snails") is None
    assert provider.embedding_requests == []


def test_vectors_that_are_gone_are_nothing_found() -> None:
    vector = embeddings.embed_question("snails")
    assert vector
    vectors.drop_table(EmbeddingIndex.objects.get())
    assert embeddings.nearest(vector, 5) == []


def test_an_extension_that_is_gone_is_nothing_found() -> None:
    vector = embeddings.embed_question("snails")
    assert vector
    with connection.cursor() as cursor:
        cursor.execute("DROP EXTENSION vector CASCADE")
    assert embeddings.nearest(vector, 5) == []


# A backend that fails.

BAD_DAYS = [fake.status(401), fake.status(429), fake.status(500), fake.dropped(), fake.html(), fake.vectors_of(7)]


@pytest.mark.parametrize("reply", BAD_DAYS)
def test_a_failing_backend_never_fails_a_search(reply: Reply, provider: FakeProvider) -> None:
    provider.embedding_default = reply
    assert embeddings.embed_question("snails") is None
    assert [hit.text for hit in search("snails")] == ["Snails eat salad."]


def test_silence_costs_a_question_no_more_than_its_time(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "QUESTION_SECONDS", 0.1)
    provider.embedding_default = fake.silence()
    assert embeddings.embed_question("snails") is None


def test_after_a_failure_nobody_asks_for_a_while(provider: FakeProvider) -> None:
    provider.embedding_replies(fake.status(500))
    assert [embeddings.embed_question("snails") for _ in range(3)] == [None] * 3
    assert len(provider.embedding_requests) == 1


def test_after_that_while_questions_are_asked_again(provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    provider.embedding_replies(fake.status(500))
    embeddings.embed_question("snails")
    later = time.monotonic() + 31
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert embeddings.embed_question("snails")


def test_a_backend_that_asks_for_more_time_gets_it(provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    provider.embedding_replies(fake.status(429, retry_after=120))
    embeddings.embed_question("snails")
    later = time.monotonic() + 31
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert embeddings.embed_question("snails") is None


def test_the_log_has_a_line_for_a_bad_day_and_no_word_of_the_question(
    provider: FakeProvider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.embedding_default = fake.status(500)
    for _ in range(3):
        embeddings.embed_question("a secret question")
    [record] = caplog.records
    assert record.getMessage() == (
        "The embeddings backend cannot be used at the moment, search goes by words alone: Unavailable"
    )
