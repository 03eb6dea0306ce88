"""Embeddings by a model on this machine. Only who uses it pays for its library."""

import asyncio
import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from context.embeddings.backends import Kind, Vector
from context.embeddings.errors import Unavailable

_loading = threading.Lock()
_models: dict[str, Any] = {}


@dataclass(frozen=True)
class LocalModel:
    """A model of ``fastembed``, downloaded once into the storage folder."""

    model: str

    async def embed(self, texts: Sequence[str], kind: Kind) -> list[Vector]:
        made: Future[list[Vector]] = Future()
        # Who no longer waits must not be in the way of the thread.
        made.set_running_or_notify_cancel()

        def work() -> None:
            try:
                made.set_result(self._embed(texts, kind))
            except Unavailable as problem:
                made.set_exception(problem)

        # Not a pool's thread: the process would wait for that at its end, and a download takes as long as it likes.
        threading.Thread(target=work, name="embeddings-local", daemon=True).start()
        return await asyncio.wrap_future(made)

    def _embed(self, texts: Sequence[str], kind: Kind) -> list[Vector]:
        model = self._loaded()
        try:
            made = model.query_embed(list(texts)) if kind == "question" else model.passage_embed(list(texts))
            return [vector.tolist() for vector in made]
        except Exception as error:
            # Whatever the library and those below it raise.
            raise Unavailable(repr(error), sentence=f"The local model {self.model} failed.") from error

    def _loaded(self) -> Any:
        with _loading:
            if self.model not in _models:
                _models[self.model] = _load(self.model)
            return _models[self.model]


def _load(name: str) -> Any:
    try:
        from fastembed import TextEmbedding

        # Half of the machine stays to those who chat.
        threads = max(1, (os.cpu_count() or 2) // 2)
        return TextEmbedding(name, cache_dir=str(settings.STORAGE_DIR / "embeddings"), threads=threads)
    except Exception as error:
        # A model of another name, no network, a full disk: the libraries have an error of their own for each.
        raise Unavailable(
            repr(error), sentence=f"The local model {name} cannot be loaded: check EMBEDDINGS_MODEL and the network."
        ) from error
