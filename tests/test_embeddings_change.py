"""A change of the embedding model: new vectors are built beside the old ones, and used when they are complete."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from pytest_django import Settings

from context import embeddings
from context.embeddings import filling, indexes, questions
from context.embeddings.filling import Filler
from context.embeddings.models import EmbeddingIndex
from tests.embeddings import add, environment, fill, made, tables, tables_of_indexes, turn_on
from tests.fake_provider import FakeProvider

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pgvector")]


@pytest.fixture(autouse=True)
def on(settings: Settings, provider: FakeProvider) -> None:
    questions._outage.end()
    turn_on(settings, provider)


def test_new_vectors_are_built_beside_the_old_ones_and_used_when_complete(
    provider: FakeProvider, settings: Settings
) -> None:
    add(filling.BATCH + 1)
    fill()
    turn_on(settings, provider, embeddings_model="other")
    filler = Filler()
    filler.step()
    assert str(indexes.active()) == "model (fake)"
    fill(filler)
    assert str(indexes.active()) == "other (fake)"
    assert made() == filling.BATCH + 1


def test_meanwhile_questions_are_asked_of_the_old_model(provider: FakeProvider, settings: Settings) -> None:
    add(filling.BATCH + 1)
    fill()
    turn_on(settings, provider, embeddings_model="other", embeddings_dimensions=9)
    Filler().step()
    vector = embeddings.embed_question("number 1")
    assert provider.embedding_requests[-1].json["model"] == "model"
    assert vector
    assert embeddings.nearest(vector, 1)


def test_after_the_switch_the_old_vectors_are_dropped(provider: FakeProvider, settings: Settings) -> None:
    add(1)
    fill()
    turn_on(settings, provider, embeddings_dimensions=9)
    fill()
    assert EmbeddingIndex.objects.get().dimensions == 9
    assert tables() == tables_of_indexes()
    assert len(tables()) == 1


def test_a_question_of_before_the_switch_finds_nothing_wrong(provider: FakeProvider, settings: Settings) -> None:
    add(1)
    fill()
    vector = embeddings.embed_question("number")
    turn_on(settings, provider, embeddings_model="other")
    fill()
    assert vector
    assert embeddings.nearest(vector, 5) == []


def test_the_way_back_needs_no_new_vectors(provider: FakeProvider, settings: Settings) -> None:
    add(filling.BATCH + 1)
    fill()
    turn_on(settings, provider, embeddings_model="other")
    Filler().step()
    provider.embedding_requests.clear()
    turn_on(settings, provider)
    EmbeddingIndex.objects.filter(model="other").update(filler_until=Now() - timedelta(minutes=11))
    fill()
    assert provider.embedding_requests == []
    assert [index.model for index in EmbeddingIndex.objects.all()] == ["model"]


def test_a_process_with_the_old_settings_does_not_build_the_old_vectors_again(
    provider: FakeProvider, settings: Settings
) -> None:
    add(1)
    old = fill(Filler())
    turn_on(settings, provider, embeddings_model="other")
    fill()
    turn_on(settings, provider)
    add(2)
    old.step()
    assert "Another process" in str(old.problem)
    assert str(indexes.active()) == "other (fake)"


def test_off_leaves_the_vectors_where_they_are(provider: FakeProvider, settings: Settings) -> None:
    add(1)
    fill()
    settings.ENV = environment(embeddings="off")
    assert Filler().step() == filling.IDLE_SECONDS
    turn_on(settings, provider)
    assert embeddings.active()
