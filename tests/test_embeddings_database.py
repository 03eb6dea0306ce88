"""Postgres without pgvector, with one that may not be used, and with one that appears later."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from io import StringIO
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from context import embeddings
from context.embeddings import filling, questions, vectors
from context.embeddings.errors import NotConfigured
from context.embeddings.filling import Filler
from context.ingest import ingest
from context.models import Chunk
from context.search import search
from tests import fake_provider as fake
from tests.embeddings import environment, fill, made, tables, turn_on
from tests.fake_provider import FakeProvider

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("pgvector")]


@pytest.fixture(autouse=True)
def on(settings: Settings, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    questions._outage.end()
    monkeypatch.setattr(filling, "_FIRST_PAUSE", 0.01)
    turn_on(settings, provider)


def run(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@contextmanager
def catalogue(view: str) -> Iterator[None]:
    """As if a view of Postgres' own catalogue had this content."""
    run("DROP EXTENSION IF EXISTS vector CASCADE", "CREATE SCHEMA before", f"CREATE VIEW before.{view}")
    run("SET search_path TO before, pg_catalog, public")
    yield
    run("RESET search_path", "DROP SCHEMA before CASCADE")


def no_pgvector() -> AbstractContextManager[None]:
    return catalogue("pg_available_extensions AS SELECT name FROM pg_catalog.pg_available_extensions WHERE false")


def old_pgvector() -> AbstractContextManager[None]:
    return catalogue("pg_extension AS SELECT 'vector' AS extname, '0.7.4' AS extversion")


@contextmanager
def role_without_rights() -> Iterator[None]:
    """The agent's role may do all it needs to, and create no extension."""
    run("DROP EXTENSION IF EXISTS vector CASCADE", "CREATE ROLE modest")
    for things in ("SCHEMA public", "ALL TABLES IN SCHEMA public", "ALL SEQUENCES IN SCHEMA public"):
        run(f"GRANT ALL ON {things} TO modest")
    run("SET ROLE modest")
    yield
    run("RESET ROLE")


def complaints() -> list[CheckMessage]:
    return [message for message in run_checks(databases=["default"]) if message.id == "context.W001"]


def reindex(**options: Any) -> str:
    output = StringIO()
    call_command("reindex_context", stdout=output, stderr=StringIO(), **options)
    return output.getvalue()


# Without pgvector.

Circumstance = Callable[[], AbstractContextManager[None]]
WITHOUT = [
    (no_pgvector, "this Postgres has no pgvector"),
    (old_pgvector, "this Postgres has pgvector 0.7.4, and 0.8 or newer is needed"),
    (role_without_rights, "the agent's role may not create the extension vector"),
]


@pytest.mark.parametrize(("circumstance", "sentence"), WITHOUT)
def test_the_system_check_says_why_there_is_no_search_by_meaning(circumstance: Circumstance, sentence: str) -> None:
    with circumstance():
        [problem] = complaints()
    assert not problem.is_serious()
    assert problem.msg == f"Search goes by words alone: {sentence}."
    assert "reindex_context" in str(problem.hint)


@pytest.mark.parametrize("circumstance", [case[0] for case in WITHOUT])
def test_without_it_texts_are_taken_in_and_found(circumstance: Circumstance, provider: FakeProvider) -> None:
    with circumstance():
        ingest("Snails eat salad.")
        assert isinstance(fill(Filler()).problem, NotConfigured)
        assert embeddings.embed_question("snails") is None
        assert [hit.text for hit in search("What do snails eat?")] == ["Snails eat salad."]
    assert provider.embedding_requests == []


def test_the_log_says_it_once(caplog: pytest.LogCaptureFixture) -> None:
    with no_pgvector():
        ingest("Snails eat salad.")
        filler = Filler()
        for _ in range(3):
            filler.step()
    assert [record.getMessage() for record in caplog.records] == [
        "Search goes by words alone: this Postgres has no pgvector. Vectors are made later."
    ]


def test_the_extension_is_tried_once_only() -> None:
    filler = Filler()
    with role_without_rights():
        ingest("Snails eat salad.")
        filler.step()
    assert fill(filler).problem


def test_with_it_there_is_nothing_to_complain_about() -> None:
    assert complaints() == []


def test_the_check_leaves_the_database_as_it_is() -> None:
    run("DROP EXTENSION IF EXISTS vector CASCADE")
    assert complaints() == []
    assert vectors._extension() == ("", True)


def test_who_has_no_embeddings_needs_no_pgvector(settings: Settings) -> None:
    settings.ENV = environment(embeddings="off")
    with no_pgvector():
        assert complaints() == []


def test_checks_that_are_not_about_the_database_leave_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "ensure_extension", lambda: pytest.fail("It asked the database."))
    run_checks()


# Later.


def test_reindex_context_takes_up_a_pgvector_that_appeared_later() -> None:
    with no_pgvector():
        ingest("Snails eat salad.")
        with pytest.raises(CommandError, match="no pgvector"):
            reindex()
    assert "1 vectors by model (fake); 1 of 1 chunks have one." in reindex()
    assert embeddings.active()


def test_the_server_takes_up_an_extension_that_appeared_later() -> None:
    filler = Filler()
    with role_without_rights():
        ingest("Snails eat salad.")
        fill(filler)
    run("CREATE EXTENSION vector")
    fill(filler)
    assert made() == 1


# reindex_context.


def test_reindex_context_makes_only_what_is_missing(provider: FakeProvider) -> None:
    ingest("Snails eat salad.")
    fill()
    ingest("Kings eat cake.")
    assert "1 vectors by model (fake); 2 of 2 chunks have one." in reindex(embeddings=True)
    assert provider.embedding_requests[-1].json["input"] == ["Kings eat cake."]


def test_reindex_context_tries_at_once_what_was_put_off(provider: FakeProvider) -> None:
    ingest("Snails eat salad.")
    ingest("Kings eat cake.")
    provider.embedding_default = fake.only_if(lambda text: "Kings" not in text, fake.status(400))
    assert "1 of 2 chunks have one; 1 texts were refused." in reindex()
    provider.reset()
    assert "1 vectors by model (fake); 2 of 2 chunks have one." in reindex()


def test_reindex_context_makes_a_table_that_was_lost_again() -> None:
    ingest("Snails eat salad.")
    fill()
    run(*[f"DROP TABLE {table}" for table in tables()], "DROP EXTENSION vector CASCADE")
    assert "1 vectors by" in reindex()


def test_reindex_context_gives_up_on_a_backend_that_goes_on_failing(provider: FakeProvider) -> None:
    ingest("Snails eat salad.")
    provider.embedding_default = fake.status(401)
    with pytest.raises(CommandError, match="refused the API key"):
        reindex()
    assert len(provider.embedding_requests) == 4


def test_reindex_context_without_embeddings_says_so(settings: Settings) -> None:
    settings.ENV = environment(embeddings="off")
    assert "Embeddings are off" in reindex()


def test_reindex_context_without_documents_is_done_at_once(provider: FakeProvider) -> None:
    assert not Chunk.objects.exists()
    assert "no documents yet" in reindex()
    assert provider.embedding_requests == []


@pytest.mark.parametrize("only_vectors", [False, True])
def test_reindex_context_makes_the_index_of_words_anew_unless_told_not_to(
    only_vectors: bool, settings: Settings
) -> None:
    settings.ENV = environment(embeddings="off")
    ingest("Snails eat salad.")
    Chunk.objects.update(lexemes="")
    output = reindex(embeddings=only_vectors)
    assert ("1 chunks indexed by their words." in output) is not only_vectors
    assert bool(search("snails")) is not only_vectors


def test_reindex_context_makes_the_index_of_words_whatever_embeddings_lack(settings: Settings) -> None:
    settings.ENV = environment(embeddings="provider")
    ingest("Snails eat salad.")
    Chunk.objects.update(lexemes="")
    with pytest.raises(CommandError, match="set EMBEDDINGS_PROVIDER"):
        reindex()
    assert search("snails")
