"""What tests of embeddings share."""

from typing import Any

from django.db import connection
from pydantic import SecretStr
from pytest_django import Settings

from ccagent.environment import Environment
from context.embeddings import indexes, vectors
from context.embeddings.filling import Filler
from context.embeddings.models import EmbeddingIndex
from context.ingest import ingest
from tests.fake_provider import FakeProvider


def environment(**variables: Any) -> Environment:
    secrets = {name: SecretStr(value) for name, value in variables.items() if name.endswith("_key")}
    return Environment(_env_file=None).model_copy(update=variables | secrets)


def turn_on(settings: Settings, provider: FakeProvider, **variables: Any) -> None:
    """Embeddings by the fake provider."""
    given = {"embeddings_provider": "fake", "embeddings_model": "model", "embeddings_base_url": provider.base_url}
    settings.ENV = environment(embeddings="provider", **(given | variables))


def add(count: int, words: str = "Text") -> None:
    """So many documents, each with one chunk."""
    for number in range(count):
        ingest(f"{words} number {number}.")


def fill(filler: Filler | None = None) -> Filler:
    """Makes what is missing, until there is no more or a failure."""
    filler = filler or Filler(take_over=True)
    passes = filler.passes
    while filler.passes == passes:
        filler.step()
        if filler.problem:
            break
    return filler


def made() -> int:
    """How many chunks have a vector of the active index."""
    index = indexes.active()
    return vectors.progress(index).made if index else 0


def tables() -> set[str]:
    """The tables of vectors that are there."""
    return {name for name in connection.introspection.table_names() if name.startswith("context_vector_")}


def tables_of_indexes() -> set[str]:
    return {index.table for index in EmbeddingIndex.objects.all() if index.dimensions}
