"""context/embeddings/filling.py: missing vectors are made in the background, whatever the backend does."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from pytest_django import Settings

from context import embeddings
from context.embeddings import filling, questions, signal, vectors
from context.embeddings.errors import KeyRefused, NotConfigured
from context.embeddings.filling import Filler
from context.embeddings.models import EmbeddingIndex
from context.ingest import ingest
from context.models import Chunk
from tests import fake_provider as fake
from tests.embeddings import add, fill, made, tables, turn_on
from tests.fake_provider import FakeProvider, Reply

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pgvector")]


@pytest.fixture(autouse=True)
def on(settings: Settings, provider: FakeProvider) -> None:
    questions._outage.end()
    turn_on(settings, provider)


def sizes(provider: FakeProvider) -> list[int]:
    """How many texts each call had, the first one apart, which asks for the dimensions."""
    return [len(request.json["input"]) for request in provider.embedding_requests][1:]


def past_the_pauses() -> None:
    with connection.cursor() as cursor:
        for table in tables():
            cursor.execute(f"UPDATE {table} SET try_again_at = now()")


# What is made.


def test_every_chunk_gets_a_vector_in_batches(provider: FakeProvider) -> None:
    add(filling.BATCH * 2 + 3)
    fill()
    assert made() == Chunk.objects.count()
    assert sizes(provider) == [filling.BATCH, filling.BATCH, 3]


def test_a_passage_is_embedded_with_the_headings_it_stands_under(provider: FakeProvider) -> None:
    ingest("# Guide\n\n## Install\n\nTurn the key to the left.", name="guide.md")
    fill()
    [text] = provider.embedding_requests[-1].json["input"]
    assert text.startswith("Guide > Install\n")
    assert text.endswith("Turn the key to the left.")


def test_an_ingest_of_this_process_wakes_the_filler(django_capture_on_commit_callbacks: Any) -> None:
    signal.woken.clear()
    with django_capture_on_commit_callbacks(execute=True):
        ingest("Snails eat salad.")
    assert signal.woken.is_set()


def test_what_has_one_is_not_made_again(provider: FakeProvider) -> None:
    add(3)
    fill()
    add(4)
    provider.embedding_requests.clear()
    fill()
    assert [request.json["input"] for request in provider.embedding_requests] == [["Text number 3."]]


def test_without_chunks_nobody_is_asked(provider: FakeProvider) -> None:
    assert Filler().step() == filling.IDLE_SECONDS
    assert provider.embedding_requests == []


def test_an_idle_filler_looks_for_new_chunks_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    add(2)
    filler = fill(Filler())
    monkeypatch.setattr(vectors, "waiting", lambda *_: pytest.fail("It looked through all chunks."))
    assert filler.step() == filling.IDLE_SECONDS


def test_chunks_of_another_process_are_noticed() -> None:
    add(1)
    filler = fill(Filler())
    add(2)
    filler.step()
    assert made() == 2


def test_now_and_then_everything_is_looked_through() -> None:
    add(2)
    filler = fill(Filler())
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {EmbeddingIndex.objects.get().table}")
    filler._looked_through -= 301
    filler.step()
    assert made() == 2


def test_a_chunk_deleted_while_its_vector_is_made_is_left_out() -> None:
    add(2)
    fill()
    index = EmbeddingIndex.objects.get()
    passages = [vectors.Passage(chunk.pk, chunk.text) for chunk in Chunk.objects.all()]
    Chunk.objects.filter(pk=passages[0].chunk).delete()
    vectors.store(index, passages, [[1.0] * index.dimensions] * 2)
    assert made() == 1


# A backend that fails.

BAD_DAYS = [
    fake.status(401),
    fake.status(402),
    fake.status(404),
    fake.status(429, retry_after=9),
    fake.status(503),
    fake.dropped(),
    fake.html(),
    fake.redirect("http://127.0.0.1:9"),
]


@pytest.mark.parametrize("reply", BAD_DAYS)
def test_a_failing_backend_never_fails_an_ingest(reply: Reply, provider: FakeProvider) -> None:
    provider.embedding_default = reply
    add(1)
    assert Filler().step() > 1
    assert Chunk.objects.count() == 1


@pytest.mark.parametrize("reply", BAD_DAYS)
def test_the_gap_is_filled_when_the_backend_is_back(reply: Reply, provider: FakeProvider) -> None:
    add(1)
    filler = fill(Filler())
    add(40, "More")
    provider.embedding_default = reply
    fill(filler)
    assert filler.problem
    provider.embedding_default = fake.only_if(lambda _: True, fake.status(500))
    fill(filler)
    past_the_pauses()
    filler._looked_through -= 301
    fill(filler)
    assert made() == 41


def test_a_backend_is_left_alone_for_as_long_as_it_asks(provider: FakeProvider) -> None:
    add(1)
    provider.embedding_default = fake.status(429, retry_after=77)
    assert Filler().step() == 77


def test_each_failure_makes_the_pause_longer(provider: FakeProvider) -> None:
    add(1)
    provider.embedding_default = fake.status(401)
    filler = Filler()
    pauses = [filler.step() for _ in range(12)]
    assert pauses[0] < 7 < pauses[1] < pauses[2]
    assert max(pauses) <= 360


def test_what_went_wrong_is_kept_for_the_operator_until_it_is_over(provider: FakeProvider) -> None:
    add(1)
    filler = fill(Filler())
    add(2)
    provider.embedding_replies(fake.status(500))
    filler.step()
    assert "HTTP 500: " in EmbeddingIndex.objects.get().problem
    fill(filler)
    assert EmbeddingIndex.objects.get().problem == ""


def test_the_log_has_a_sentence_for_a_row_of_failures(provider: FakeProvider, caplog: pytest.LogCaptureFixture) -> None:
    add(1)
    provider.embedding_default = fake.status(401)
    filler = Filler()
    for _ in range(3):
        filler.step()
    [record] = caplog.records
    assert record.getMessage().startswith("The embeddings backend refused the API key")


def test_a_text_that_is_refused_does_not_hinder_the_others(provider: FakeProvider) -> None:
    add(40)
    ingest("The bad one.")
    add(40, "More")
    provider.embedding_default = fake.only_if(lambda text: "bad" not in text, fake.status(400))
    filler = fill()
    assert filler.problem is None
    assert made() == 80


@pytest.mark.parametrize("reply", [fake.status(500), fake.broken_vectors(), fake.dropped()])
def test_a_text_that_makes_the_backend_fail_does_not_hinder_the_others(reply: Reply, provider: FakeProvider) -> None:
    add(10)
    ingest("The bad one.")
    add(10, "More")
    provider.embedding_default = fake.only_if(lambda text: "bad" not in text, reply)
    filler = Filler()
    while not filler.passes:
        filler.step()
    assert made() == 20


def test_a_text_that_was_put_off_is_tried_again_later(provider: FakeProvider) -> None:
    add(3)
    provider.embedding_default = fake.only_if(lambda text: "1" not in text, fake.status(400))
    filler = fill(Filler())
    provider.reset()
    filler._looked_through -= 301
    fill(filler)
    assert made() == 2
    past_the_pauses()
    filler._looked_through -= 301
    fill(filler)
    assert made() == 3


def test_a_backend_that_takes_smaller_batches_gets_them(provider: FakeProvider) -> None:
    add(filling.BATCH)

    def at_most_ten(request: fake.Request) -> fake.Response:
        many = len(request.json["input"]) > 10
        return (fake.status(422) if many else fake.only_if(lambda _: True, fake.silence()))(request)

    provider.embedding_default = at_most_ten
    fill()
    assert made() == filling.BATCH


def test_a_backend_that_refuses_everything_is_not_asked_about_each_text(provider: FakeProvider) -> None:
    add(filling.BATCH * 3)
    filler = fill(Filler())
    add(filling.BATCH * 6, "More")
    provider.embedding_requests.clear()
    provider.embedding_default = fake.status(400)
    for _ in range(3):
        filler.step()
    assert len(provider.embedding_requests) < filling.BATCH * 6
    assert filler.problem


def test_a_bad_day_does_not_make_empty_vectors_the_ones_in_use(provider: FakeProvider) -> None:
    add(2)
    filler = Filler()
    provider.embedding_replies(fake.only_if(lambda _: True, fake.silence()))
    provider.embedding_default = fake.status(500)
    for _ in range(8):
        filler.step()
    assert not embeddings.active()


# Dimensions.


def test_dimensions_are_found_out(provider: FakeProvider) -> None:
    add(1)
    provider.embedding_default = fake.vectors_of(12)
    fill()
    assert EmbeddingIndex.objects.get().dimensions == 12


def test_as_many_as_pgvector_can_index_are_taken(provider: FakeProvider) -> None:
    add(1)
    provider.embedding_default = fake.vectors_of(4000)
    fill()
    assert made() == 1


@pytest.mark.parametrize(
    ("given", "asked", "sentence"),
    [(4001, None, "4,001 numbers a vector, and no more than 4,000"), (12, 8, "unset EMBEDDINGS_DIMENSIONS")],
)
def test_dimensions_that_cannot_be_used_are_a_sentence(
    given: int, asked: int | None, sentence: str, provider: FakeProvider, settings: Settings
) -> None:
    turn_on(settings, provider, embeddings_dimensions=asked)
    add(1)
    provider.embedding_default = fake.vectors_of(given)
    assert sentence in str(fill(Filler()).problem)
    assert tables() == set()


def test_dimensions_that_change_under_a_model_are_a_sentence(provider: FakeProvider) -> None:
    add(1)
    fill()
    add(2)
    provider.embedding_default = fake.vectors_of(7)
    problem = fill().problem
    assert isinstance(problem, NotConfigured)
    assert "gives 7 numbers a vector where it gave 1,536" in problem.sentence


# Several processes.


def test_one_process_fills_at_a_time() -> None:
    add(filling.BATCH * 2)
    first, second = Filler(), Filler()
    first.step()
    assert second.step() == filling.IDLE_SECONDS
    assert second.made == 0


def test_another_one_takes_over_when_it_died() -> None:
    add(filling.BATCH * 2)
    Filler().step()
    EmbeddingIndex.objects.update(filler_until=Now() - timedelta(seconds=1))
    assert fill(Filler()).made == filling.BATCH


def test_a_key_that_is_refused_is_no_reason_to_put_texts_off(provider: FakeProvider) -> None:
    add(1)
    filler = fill(Filler())
    add(2)
    provider.embedding_replies(*[fake.status(401)] * 3)
    problems = [filler.step() and filler.problem for _ in range(3)]
    assert all(isinstance(problem, KeyRefused) for problem in problems)
    fill(filler)
    assert made() == 2


def test_the_admin_shows_what_hinders_it_and_changes_nothing(provider: FakeProvider) -> None:
    add(1)
    provider.embedding_replies(*[fake.status(500)] * 2)
    filler = Filler()
    filler.step()
    filler.step()
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    page = client.get("/admin/context/embeddingindex/", secure=True).content.decode()
    assert "HTTP 500: " in page
    assert "Add embedding index" not in page
