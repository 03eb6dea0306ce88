"""context/embeddings/local.py: a model on this machine, by a library that is not installed with the rest."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import pytest
from pytest_django import Settings

from context.embeddings import local
from context.embeddings.backends import Kind, Vector, embedding
from context.embeddings.errors import Unavailable
from context.embeddings.local import LocalModel


class Numbers(list[float]):
    """As much of an array as is used."""

    def tolist(self) -> list[float]:
        return list(self)


class TextEmbedding:
    """The library's class, as far as it is used."""

    def __init__(self, name: str, cache_dir: str, threads: int) -> None:
        if name == "unknown":
            raise ValueError("Could not load model unknown from any source.")
        self.name, self.cache_dir, self.threads = name, cache_dir, threads

    def query_embed(self, texts: Sequence[str]) -> Iterator[Numbers]:
        return (Numbers([1, 0]) for _ in texts)

    def passage_embed(self, texts: Sequence[str]) -> Iterator[Numbers]:
        if "bad" in texts:
            raise RuntimeError("the model runs out of memory")
        return (Numbers([0, len(text)]) for text in texts)


@pytest.fixture(autouse=True)
def library(monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path) -> None:
    module = ModuleType("fastembed")
    module.TextEmbedding = TextEmbedding  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fastembed", module)
    monkeypatch.setattr(local, "_models", {})
    settings.STORAGE_DIR = tmp_path


def embed(*texts: str, kind: Kind = "passage", model: str = "small") -> list[Vector]:
    return embedding(LocalModel(model), texts, kind, 10).result()


def test_passages_and_questions_are_embedded_each_in_their_way() -> None:
    assert embed("a", "b") == [[0, 1], [0, 1]]
    assert embed("a", kind="question") == [[1, 0]]


def test_the_model_is_kept_with_the_data(tmp_path: Path) -> None:
    embed("a")
    assert local._models["small"].cache_dir == str(tmp_path / "embeddings")


def test_the_model_is_loaded_once() -> None:
    embed("a")
    first = local._models["small"]
    embed("b")
    assert local._models["small"] is first


def test_a_model_that_cannot_be_loaded_is_a_sentence() -> None:
    with pytest.raises(Unavailable, match="The local model unknown cannot be loaded: check EMBEDDINGS_MODEL") as caught:
        embed("a", model="unknown")
    assert "from any source" in caught.value.detail


def test_a_model_that_fails_is_a_sentence() -> None:
    with pytest.raises(Unavailable, match="The local model small failed"):
        embed("bad")
